package logtest

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/griphub/griphub/channels"
)

// again is a draft that replays the event.
func again(e channels.Event) channels.Draft {
	d := e.Draft
	d.ReplayOf, d.Key = e.Original(), ""
	return d
}

func replayScenes() []scene {
	return []scene{
		{"a replay is a new entry that knows what it repeats", func(s *stage) {
			first := s.append(on("a", "b"))[0]
			if first.ReplayOf != 0 || first.Replay != 0 || first.Original() != first.ID {
				s.Errorf("the first is a replay: %+v", first)
			}
			second := s.append(again(first))[0]
			if second.ID <= first.ID || second.ReplayOf != first.ID || second.Replay != 1 || second.PublicID() != first.PublicID() {
				s.Errorf("got %d, replay %d of %d; want replay 1 of %d", second.ID, second.Replay, second.ReplayOf, first.ID)
			}
			third := s.append(again(second))[0]
			if third.ReplayOf != first.ID || third.Replay != 2 {
				s.Errorf("got replay %d of %d; want replay 2 of %d", third.Replay, third.ReplayOf, first.ID)
			}
			page := s.wantSeqs("b", 0, 1, 2, 3)
			for i, want := range []channels.Event{first, second, third} {
				sameEvent(s, page.Events[i], want)
			}
			stored, err := s.Log.Event(s.Context(), second.ID)
			if err != nil {
				s.Fatal(err)
			}
			sameEvent(s, stored, second)
		}},
		{"replays of a batch are counted in order", func(s *stage) {
			first, other := s.append(on("a"))[0], s.append(on("a"))[0]
			s.append(again(first))
			events := s.append(again(first), on("a"), again(other), again(first))
			var got []int
			for _, e := range events {
				got = append(got, e.Replay)
			}
			if want := []int{2, 0, 1, 3}; !slices.Equal(got, want) {
				s.Errorf("got %v, want %v", got, want)
			}
		}},
		{"replays are counted without a gap by many writers", playConcurrentReplays},
		{"a replay of an event that is gone keeps the count that it came with", func(s *stage) {
			first := s.append(on("a"))[0]
			s.trimAll()
			d := again(first)
			d.Replay = 4
			if e := s.append(d)[0]; e.Replay != 4 || e.ReplayOf != first.ID {
				s.Errorf("got replay %d of %d", e.Replay, e.ReplayOf)
			}
		}},
		{"what viewers are shown is stored beside the event", func(s *stage) {
			hidden, changed := on("a"), on("a")
			hidden.Shown = &channels.Shown{Nobody: true}
			changed.Shown = &channels.Shown{Type: "tüpe", Data: []byte("x\n\"%\u2028"), Raw: true}
			changed.Key = "k"
			s.append(hidden, changed, on("a"))
			page := s.wantSeqs("a", 0, 1, 2, 3)
			for i, want := range []*channels.Shown{hidden.Shown, changed.Shown, nil} {
				if got := page.Events[i].Shown; !sameShown(got, want) {
					s.Errorf("event %d: got %+v, want %+v", i, got, want)
				}
			}
			if e := s.append(changed)[0]; !e.Repeated || !sameShown(e.Shown, changed.Shown) {
				s.Errorf("the repetition has %+v", e.Shown)
			}
		}},
	}
}

func sameShown(a, b *channels.Shown) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Nobody == b.Nobody && a.Type == b.Type && a.Raw == b.Raw && bytes.Equal(a.Data, b.Data)
}

// playConcurrentReplays has many writers replay the same two events in both orders.
func playConcurrentReplays(s *stage) {
	const writers, rounds = 6, 10
	logs := s.handles(3)
	first, other := s.append(on("a"))[0], s.append(on("b"))[0]
	var mu sync.Mutex
	counts := make(map[channels.EventID][]int)
	s.concurrently(writers, func(ctx context.Context, i int) error {
		drafts := []channels.Draft{again(first), again(other)}
		if i%2 == 1 {
			slices.Reverse(drafts)
		}
		for range rounds {
			events, err := logs[i%len(logs)].Append(ctx, channels.Batch{Drafts: drafts})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, e := range events {
				counts[e.ReplayOf] = append(counts[e.ReplayOf], e.Replay)
			}
			mu.Unlock()
		}
		return nil
	})
	for id, got := range counts {
		slices.Sort(got)
		for i, n := range got {
			if n != i+1 {
				s.Fatalf("the replays of %d are counted %v", id, got)
			}
		}
	}
}
