package logtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/griphub/griphub/channels"
)

func trimScenes() []scene {
	return []scene{
		{"the zero retention keeps everything", func(s *stage) {
			s.append(onEach(5, "a")...)
			if n := s.trim(channels.Retention{}, time.Now().Add(100*365*24*time.Hour)); n != 0 {
				s.Errorf("%d entries went", n)
			}
			s.wantSeqs("a", 0, upTo(5)...)
		}},
		{"what is older than the age goes", func(s *stage) {
			s.append(onEach(3, "a")...)
			between := instant()
			s.append(onEach(2, "a")...)
			if n := s.trim(channels.Retention{Age: time.Hour}, between.Add(time.Hour)); n != 3 {
				s.Errorf("%d entries went, want 3", n)
			}
			s.wantSeqs("a", 3, 4, 5)
			if n := s.trim(channels.Retention{Age: time.Hour}, between.Add(time.Hour)); n != 0 {
				s.Errorf("%d more entries went", n)
			}
			if n := s.trim(channels.Retention{Age: time.Hour}, instant().Add(time.Hour)); n != 2 {
				s.Errorf("%d entries went, want 2", n)
			}
		}},
		{"an age is counted from when the event was stored, whenever it happened", func(s *stage) {
			s.append(atMinute(-1_000_000, "a"), atMinute(100_000_000, "a"), atMinute(0, "a"))
			if n := s.trim(channels.Retention{Age: time.Hour}, time.Now()); n != 0 {
				s.Errorf("%d entries went that were stored just now", n)
			}
			if n := s.trim(channels.Retention{Age: time.Hour}, instant().Add(time.Hour)); n != 3 {
				s.Errorf("%d entries went, want 3", n)
			}
		}},
		{"what is more than the count goes", func(s *stage) {
			s.append(onEach(9, "a")...)
			for _, count := range []int{10, 9, 4, 1} {
				s.trim(channels.Retention{Count: count}, time.Now())
				count = min(count, 9)
				s.wantSeqs("a", channels.Seq(9-count), between(channels.Seq(10-count), 9)...)
			}
		}},
		{"of age and count the one that trims more wins", func(s *stage) {
			s.append(onEach(3, "a")...)
			between := instant()
			s.append(onEach(3, "a")...)
			s.trim(channels.Retention{Age: time.Hour, Count: 5}, between.Add(time.Hour))
			s.wantSeqs("a", 3, 4, 5, 6)
			s.trim(channels.Retention{Age: time.Hour, Count: 1}, between.Add(time.Hour))
			s.wantSeqs("a", 5, 6)
		}},
		{"each channel has its own retention", func(s *stage) {
			s.append(onEach(4, "a", "b", "c")...)
			s.trimBy(func(c channels.Channel) channels.Retention {
				return map[channels.Channel]channels.Retention{"a": {Count: 1}, "b": {Count: 3}}[c]
			}, time.Now())
			s.wantSeqs("a", 3, 4)
			s.wantSeqs("b", 1, 2, 3, 4)
			s.wantSeqs("c", 0, 1, 2, 3, 4)
		}},
		{"an event stays as long as one of its channels keeps it, and keeps its positions", func(s *stage) {
			e := s.append(on("a", "b"))[0]
			only := func(name channels.Channel) func(channels.Channel) channels.Retention {
				return func(c channels.Channel) channels.Retention {
					if c == name {
						return everything
					}
					return channels.Retention{}
				}
			}
			s.trimBy(only("a"), instant().Add(everything.Age))
			s.wantLost("a", 0)
			sameEvent(s, s.wantSeqs("b", 0, 1).Events[0], e)
			stored, err := s.Log.Event(s.Context(), e.ID)
			if err != nil {
				s.Fatal(err)
			}
			sameEvent(s, stored, e)
			s.trimBy(only("b"), instant().Add(everything.Age))
			s.wantNotFound(e.ID)
		}},
		{"a call deletes a bounded number, oldest first", func(s *stage) {
			const n = 6000
			s.append(onEach(n, "a")...)
			gone, err := s.Log.Trim(s.Context(), func(channels.Channel) channels.Retention { return everything },
				instant().Add(everything.Age))
			if err != nil || gone == 0 || gone >= n {
				s.Fatalf("the first call deleted %d of %d, %v", gone, n, err)
			}
			if page := s.read("a", channels.Seq(gone), 1); page.Lost || seqs(page)[0] != channels.Seq(gone+1) {
				s.Errorf("after %d entries went: %s", gone, show(page))
			}
			s.trimAll()
			s.wantSeqs("a", n)
		}},
		{"a call that deletes few leaves nothing that has to go", func(s *stage) {
			s.append(onEach(2500, "busy")...)
			for i := range 30 {
				s.append(onEach(25, channels.Channel(fmt.Sprint("quiet", i)))...)
			}
			calls := 1
			for ; ; calls++ {
				n, err := s.Log.Trim(s.Context(), func(channels.Channel) channels.Retention { return everything },
					instant().Add(everything.Age))
				if err != nil || calls > 100 {
					s.Fatalf("after %d calls: %v", calls, err)
				}
				if n < channels.TrimAtOnce {
					break
				}
			}
			if rest := s.trim(everything, instant().Add(everything.Age)); rest > 0 || calls == 1 {
				s.Errorf("after %d calls %d entries are left to trim", calls, rest)
			}
			s.wantSeqs("busy", 2500)
			s.wantSeqs("quiet7", 25)
		}},
		{"many channels are trimmed, however many there are", func(s *stage) {
			const n = 2500
			drafts := make([]channels.Draft, n)
			for i := range drafts {
				drafts[i] = on(channels.Channel(fmt.Sprintf("c%d", i)), "all")
			}
			events := s.append(drafts...)
			s.trimAll()
			for _, e := range []channels.Event{events[0], events[n/2], events[n-1]} {
				s.wantNotFound(e.ID)
			}
			s.wantSeqs("all", n)
			s.wantSeqs("c2499", 1)
		}},
		{"trimming while others append and trim loses nothing that is kept and leaves nothing that is not", playTrimRace},
		{"a channel whose events were deleted by hand is trimmed in peace", func(s *stage) {
			s.append(onEach(5, "a", "b")...)
			s.DeleteEvents()
			s.append(onEach(2, "a")...)
			s.trim(channels.Retention{Age: time.Hour, Count: 10}, time.Now())
			s.wantSeqs("a", 5, 6, 7)
			s.trimAll()
			s.wantSeqs("a", 7)
			s.wantSeqs("b", 5)
			if n := s.trim(everything, time.Now().Add(time.Hour)); n != 0 {
				s.Errorf("%d more entries went", n)
			}
		}},
		{"refused messages have their own retention", func(s *stage) {
			refuse := func(n int, at time.Time) {
				var batch channels.Batch
				for range n {
					batch.Refused = append(batch.Refused, channels.Refusal{Reason: "test", Time: at})
				}
				s.appendTo(s.Log, batch)
			}
			now := time.Now()
			refuse(3, now.Add(-s.Refusals.Age-time.Minute))
			refuse(s.Refusals.Count+5, now)
			if n := s.trim(channels.Retention{}, now); n != 8 {
				s.Errorf("%d entries went, want 8", n)
			}
			left, err := s.Log.Refusals(s.Context(), 0, 1000)
			if err != nil || len(left) != s.Refusals.Count {
				s.Errorf("%d refusals are left, %v, want %d", len(left), err, s.Refusals.Count)
			}
			s.trim(channels.Retention{}, now.Add(s.Refusals.Age+time.Minute))
			newest := left[0].ID
			refuse(1, now)
			if left, err = s.Log.Refusals(s.Context(), 0, 10); err != nil || len(left) != 1 || left[0].ID <= newest {
				s.Errorf("got %v, %v, want one with an id above %d", left, err, newest)
			}
		}},
	}
}

// playTrimRace keeps the newest 10 of channels that share their events, while they are appended to.
func playTrimRace(s *stage) {
	const writers, rounds, kept = 4, 20, 10
	logs := s.handles(3)
	keep := func(channels.Channel) channels.Retention { return channels.Retention{Count: kept} }
	ids := make([][]channels.EventID, writers)
	s.concurrently(writers+2, func(ctx context.Context, i int) error {
		log := logs[i%len(logs)]
		for range rounds {
			if i >= writers {
				if _, err := log.Trim(ctx, keep, time.Now()); err != nil {
					return fmt.Errorf("trim: %w", err)
				}
				continue
			}
			names := []channels.Channel{"a", "b", "c"}
			rand.Shuffle(3, func(i, j int) { names[i], names[j] = names[j], names[i] })
			events, err := log.Append(ctx, channels.Batch{Drafts: onEach(5, names...)})
			if err != nil {
				return fmt.Errorf("append: %w", err)
			}
			for _, e := range events {
				ids[i] = append(ids[i], e.ID)
			}
		}
		return nil
	})
	s.trimBy(keep, time.Now())
	const n = writers * rounds * 5
	for _, name := range []channels.Channel{"a", "b", "c"} {
		s.wantSeqs(name, n-kept, between(n-kept+1, n)...)
	}
	left := 0
	for _, of := range ids {
		for _, id := range of {
			if _, err := s.Log.Event(s.Context(), id); err == nil {
				left++
			}
		}
	}
	if left != kept {
		s.Errorf("%d events are left, want %d: all of them are on all channels", left, kept)
	}
}
