package logtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/griphub/griphub/channels"
)

// keyed is a draft with an idempotency key.
func keyed(key string, names ...channels.Channel) channels.Draft {
	d := on(names...)
	d.Key = key
	return d
}

// wantRepeated demands that e is first again.
func (s *stage) wantRepeated(e, first channels.Event) {
	s.Helper()
	if !e.Repeated {
		s.Errorf("event %d is not marked as a repetition", e.ID)
	}
	sameEvent(s, e, first)
}

func keyScenes() []scene {
	return []scene{
		{"a key that was stored before yields the first event", func(s *stage) {
			first := s.append(keyed("k", "a", "b"))[0]
			if first.Repeated {
				s.Error("the first event is marked as a repetition")
			}
			again := s.append(keyed("k", "a", "b"))[0]
			s.wantRepeated(again, first)
			// Also where the draft is another one: the key decides.
			other := keyed("k", "c")
			other.Type = "other"
			s.wantRepeated(s.append(other)[0], first)
			s.wantSeqs("a", 0, 1)
			s.wantSeqs("b", 0, 1)
			if head := s.head("c"); head != 0 {
				s.Errorf("the repetition took the number c:%d", head)
			}
		}},
		{"a key counts within its batch", func(s *stage) {
			events := s.append(keyed("k", "a"), on("a"), keyed("k", "a"), keyed("l", "a"), keyed("k", "b"), on("a"))
			s.wantRepeated(events[2], events[0])
			s.wantRepeated(events[4], events[0])
			if got, want := places(events), "[a:1 a:2 a:1 a:3 a:1 a:4]"; got != want {
				s.Errorf("got %s, want %s", got, want)
			}
			again := s.append(on("a"), keyed("l", "a"), keyed("l", "b"))
			s.wantRepeated(again[1], events[3])
			s.wantRepeated(again[2], events[3])
			s.wantSeqs("a", 0, upTo(5)...)
		}},
		{"another handle knows the key", func(s *stage) {
			first := s.append(keyed("k", "a"))[0]
			again := s.appendTo(s.Another(), channels.Batch{Drafts: []channels.Draft{keyed("k", "a")}})[0]
			s.wantRepeated(again, first)
		}},
		{"of concurrent batches with the same keys one stores each", playConcurrentKeys},
		{"a key outlives its event", func(s *stage) {
			first := s.append(keyed("k", "b", "a"))[0]
			s.append(keyed("l", "a"))
			s.trimAll()
			s.wantNotFound(first.ID)
			again := s.append(keyed("k", "b", "a"))[0]
			if !again.Repeated || again.ID != first.ID || again.Cursor().String() != first.Cursor().String() {
				s.Errorf("got id %d at %s, want the first event, %d at %s", again.ID, again.Cursor(), first.ID, first.Cursor())
			}
			if head := s.head("a"); head != 2 {
				s.Errorf("the repetition moved the head to %d", head)
			}
		}},
		{"a key outlives a part of its event", func(s *stage) {
			first := s.append(keyed("k", "gone", "kept"))[0]
			s.trimBy(func(c channels.Channel) channels.Retention {
				if c == "gone" {
					return everything
				}
				return channels.Retention{}
			}, instant().Add(everything.Age))
			s.wantRepeated(s.append(keyed("k", "gone", "kept"))[0], first)
		}},
		{"a key is forgotten after its retention", func(s *stage) {
			first := s.append(keyed("k", "a"))[0]
			stored := instant()
			s.trim(channels.Retention{}, stored.Add(s.KeyRetention-time.Minute))
			s.wantRepeated(s.append(keyed("k", "a"))[0], first)
			if n := s.trim(channels.Retention{}, stored.Add(s.KeyRetention+time.Minute)); n == 0 {
				s.Error("Trim deleted the key and did not say so")
			}
			again := s.append(keyed("k", "a"))[0]
			if again.Repeated || again.Seq("a") != 2 {
				s.Errorf("the key is still known: %+v", again)
			}
			s.wantSeqs("a", 0, 1, 2)
		}},
		{"keys differ by every byte", func(s *stage) {
			keys := []string{"k", "K", "k ", " k", "é", "e\u0301", "k\t", "'", `"`, "%", "_", "k\n", "😀",
				strings.Repeat("x", channels.MaxKeyBytes), strings.Repeat("x", channels.MaxKeyBytes-1)}
			for _, key := range keys {
				if e := s.append(keyed(key, "a"))[0]; e.Repeated {
					s.Errorf("key %q is taken for another", key)
				}
			}
			for i, key := range keys {
				if e := s.append(keyed(key, "a"))[0]; !e.Repeated || e.Seq("a") != channels.Seq(i+1) {
					s.Errorf("key %q: got %s repeated %t, want a:%d", key, e.Cursor(), e.Repeated, i+1)
				}
			}
		}},
	}
}

// playConcurrentKeys has many writers bring the same keys in different orders. Exactly one of them stores each
// key, all are told the same, and nobody waits for good.
func playConcurrentKeys(s *stage) {
	const writers, keys = 8, 40
	logs := s.handles(4)
	var mu sync.Mutex
	places := make(map[string]map[string]int) // per key: place → how often it was returned
	firsts := make(map[string]int)
	s.concurrently(writers, func(ctx context.Context, i int) error {
		order := rand.Perm(keys)
		for start := 0; start < keys; start += 5 {
			var drafts []channels.Draft
			for _, k := range order[start : start+5] {
				drafts = append(drafts, keyed(fmt.Sprintf("k%d", k), "a", channels.Channel(fmt.Sprintf("c%d", k%3))))
			}
			events, err := logs[i%len(logs)].Append(ctx, channels.Batch{Drafts: drafts})
			if err != nil {
				return fmt.Errorf("writer %d: %w", i, err)
			}
			mu.Lock()
			for j, e := range events {
				key := drafts[j].Key
				if places[key] == nil {
					places[key] = make(map[string]int)
				}
				places[key][fmt.Sprintf("%d at %s", e.ID, e.Cursor())]++
				if !e.Repeated {
					firsts[key]++
				}
			}
			mu.Unlock()
		}
		return nil
	})
	for key, answers := range places {
		if len(answers) != 1 || firsts[key] != 1 {
			s.Errorf("key %s was stored %d times, at %v", key, firsts[key], answers)
		}
	}
	s.wantSeqs("a", 0, upTo(keys)...)
}
