package logtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
)

func orderScenes() []scene {
	return []scene{
		{"the order of numbers is the order of commits, whoever writes", playOrder},
		{"batches over many channels in any order never block each other for good", playNoDeadlock},
		{"what was read never changes and nothing is inserted before it", playNoLateComers},
	}
}

// handles opens n handles on the log, the first one included.
func (s *stage) handles(n int) []Log {
	all := []Log{s.Log}
	for len(all) < n {
		all = append(all, s.Another())
	}
	return all
}

// concurrently runs n times do and demands that none fails.
func (s *stage) concurrently(n int, do func(ctx context.Context, i int) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
}

// playOrder has each writer note the highest number that anyone was given before it began: its own must be higher.
func playOrder(s *stage) {
	const writers, rounds = 12, 25
	names := []channels.Channel{"a", "b", "c"}
	logs := s.handles(4)
	var highest [3]atomic.Int64
	var total [3]atomic.Int64
	s.concurrently(writers, func(ctx context.Context, i int) error {
		for range rounds {
			which := rand.IntN(len(names))
			before := highest[which].Load()
			n := 1 + rand.IntN(3)
			events, err := logs[i%len(logs)].Append(ctx, channels.Batch{Drafts: onEach(n, names[which])})
			if err != nil {
				return fmt.Errorf("writer %d: %w", i, err)
			}
			for _, e := range events {
				seq := int64(e.Seq(names[which]))
				if seq <= before {
					return fmt.Errorf("number %d was given after %d had been confirmed", seq, before)
				}
				before = seq
			}
			total[which].Add(int64(n))
			for {
				now := highest[which].Load()
				if now >= before || highest[which].CompareAndSwap(now, before) {
					break
				}
			}
		}
		return nil
	})
	for i, name := range names {
		n := int(total[i].Load())
		page := s.read(name, 0, n+1)
		if fmt.Sprint(seqs(page)) != fmt.Sprint(upTo(n)) {
			s.Errorf("%s: %d appended events have the numbers %v", name, n, seqs(page))
		}
		for j := 1; j < len(page.Events); j++ {
			if page.Events[j].ID <= page.Events[j-1].ID {
				s.Errorf("%s: the ids do not rise with the numbers at %d", name, j+1)
			}
		}
	}
}

func playNoDeadlock(s *stage) {
	const writers, rounds = 8, 15
	var names []channels.Channel
	for i := range channels.MaxChannels {
		names = append(names, channels.Channel(fmt.Sprintf("c%d", i)))
	}
	logs := s.handles(4)
	s.concurrently(writers, func(ctx context.Context, i int) error {
		for range rounds {
			drafts := make([]channels.Draft, 4)
			for j := range drafts {
				some := append([]channels.Channel(nil), names...)
				rand.Shuffle(len(some), func(a, b int) { some[a], some[b] = some[b], some[a] })
				drafts[j] = on(some...)
				// Keys are another thing that writers could wait for in different orders.
				drafts[j].Key = fmt.Sprintf("%d", rand.IntN(1000))
			}
			if _, err := logs[i%len(logs)].Append(ctx, channels.Batch{Drafts: drafts}); err != nil {
				return fmt.Errorf("writer %d: %w", i, err)
			}
		}
		return nil
	})
	head := s.head(names[0])
	for _, name := range names {
		if got := s.head(name); got != head {
			s.Errorf("%s stands at %d, %s at %d, though all events were on all", name, got, names[0], head)
		}
	}
}

// playNoLateComers follows a channel while many write to it. A follower that only ever asks for what comes after
// the last number it saw must see every number.
func playNoLateComers(s *stage) {
	const writers, rounds = 6, 30
	logs := s.handles(4)
	var writing sync.WaitGroup
	writing.Add(writers)
	var done atomic.Bool
	go func() { writing.Wait(); done.Store(true) }()
	s.concurrently(writers+2, func(ctx context.Context, i int) error {
		log := logs[i%len(logs)]
		if i < writers {
			defer writing.Done()
			for range rounds {
				if _, err := log.Append(ctx, channels.Batch{Drafts: []channels.Draft{on("a"), on("b", "a")}}); err != nil {
					return err
				}
			}
			return nil
		}
		at := channels.Seq(0)
		for {
			last := done.Load()
			pages, err := log.Read(ctx, channels.Cursor{{Channel: "a", Seq: at}}, 7)
			if err != nil {
				return err
			}
			for _, seq := range seqs(pages[0]) {
				if seq != at+1 {
					return fmt.Errorf("number %d came after %d", seq, at)
				}
				at = seq
			}
			if pages[0].Lost {
				return fmt.Errorf("position %d is lost", at)
			}
			if last && len(pages[0].Events) == 0 {
				break
			}
		}
		if at != 2*writers*rounds {
			return fmt.Errorf("saw %d events, want %d", at, 2*writers*rounds)
		}
		return nil
	})
}
