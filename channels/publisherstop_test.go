package channels_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/griphub/griphub/channels"
)

func TestWhatWasHandedOverBeforeTheStopIsStored(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		answers := s.publishers(batch(plain("a", 1)), batch(plain("a", 2)), batch(plain("a", 3)))
		s.stop()
		synctest.Wait()
		if len(s.done) != 0 {
			s.Error("Run has left a transaction behind")
		}
		close(s.log.gate)
		for i, a := range answers {
			if got := <-a; got.err != nil || len(got.events) != 1 {
				s.Errorf("sender %d: %v", i, got.err)
			}
		}
		synctest.Wait()
		if heads, err := s.log.Heads(s.Context(), []channels.Channel{"a"}); err != nil || heads.String() != "a:3" || len(s.sink.events()) != 3 {
			s.Errorf("the log stands at %s, %v; %d events were sent", heads, err, len(s.sink.events()))
		}
	})
}

func TestAStoppedPublisherRefuses(t *testing.T) {
	play(t, func(s *scene) {
		s.stop()
		synctest.Wait()
		if events, err := s.Publish(s.Context(), batch(plain("a", 1))); !errors.Is(err, channels.ErrStopped) || events != nil {
			s.Errorf("%d events, %v", len(events), err)
		}
		if len(s.log.sizes()) != 0 {
			s.Error("something was stored")
		}
	})
}

func TestAnEndedContextStoresNothing(t *testing.T) {
	play(t, func(s *scene) {
		ended, cancel := context.WithCancel(s.Context())
		cancel()
		for range 50 {
			if _, err := s.Publish(ended, batch(plain("a", 1))); !errors.Is(err, context.Canceled) {
				s.Fatalf("the error is %v", err)
			}
		}
		if len(s.log.sizes()) != 0 {
			s.Error("something was stored")
		}
	})
}

func TestASenderNeedNotWaitForASlowLog(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		first := s.publishers(batch(plain("a", 1)))
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if _, err := s.Publish(ctx, batch(plain("a", 2))); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("the error is %v", err)
		}
		close(s.log.gate)
		if got := <-first[0]; got.err != nil {
			s.Error(got.err)
		}
	})
}

func TestMoreSendersThanMayWaitAreAllAnswered(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		var all []channels.Batch
		for i := range 1500 {
			all = append(all, batch(plain("a", i)))
		}
		answers := s.publishers(all...)
		// Of these, some wait for room in the queue; a context frees them as well.
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if _, err := s.Publish(ctx, batch(plain("late", 1))); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("the error is %v", err)
		}
		s.stop()
		close(s.log.gate)
		stored := 0
		for i, a := range answers {
			switch got := <-a; {
			case got.err == nil:
				stored++
			case !errors.Is(got.err, channels.ErrStopped):
				s.Errorf("sender %d: %v", i, got.err)
			}
		}
		heads, err := s.log.Heads(s.Context(), []channels.Channel{"a", "late"})
		if want := fmt.Sprintf("a:%d,late:0", stored); err != nil || heads.String() != want {
			s.Errorf("%d senders were told that they are stored, the log stands at %s, %v", stored, heads, err)
		}
	})
}

// Every Publish is answered, whenever Run stops, and the answer is true.
func TestNoAnswerIsLostWhenThePublisherStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	for round := range 20 {
		log, sink := newTap(), &record{}
		s := &scene{T: t, log: log, sink: sink, Publisher: channels.NewPublisher(log, keepAll, sink, time.Now)}
		s.run()
		var group sync.WaitGroup
		var mu sync.Mutex
		stored := map[string]bool{}
		for sender := range 8 {
			group.Go(func() {
				for n := 0; ; n++ {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					d := plain("a", sender*1_000_000+n)
					events, err := s.Publish(ctx, batch(d))
					cancel()
					if errors.Is(err, channels.ErrStopped) {
						return
					}
					if err != nil || len(events) != 1 || string(events[0].Data) != string(d.Data) {
						t.Errorf("round %d: %d events, %v", round, len(events), err)
						return
					}
					mu.Lock()
					stored[string(d.Data)] = true
					mu.Unlock()
				}
			})
		}
		for len(log.sizes()) < 3 {
			time.Sleep(time.Millisecond)
		}
		s.end()
		group.Wait()
		page, err := log.Latest(t.Context(), "a", 1<<20)
		if err != nil || len(page.Events) != len(stored) || len(sink.events()) != len(stored) {
			t.Fatalf("round %d: %d answers, %d stored, %d sent, %v", round, len(stored), len(page.Events), len(sink.events()), err)
		}
	}
}
