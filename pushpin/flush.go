package pushpin

import (
	"context"
	"fmt"
	"slices"
)

// A waiter waits for the queue to get on.
type waiter struct {
	end    uint64
	behind bool // it waits for the backlog to be queued first
	done   chan struct{}
}

// flush waits until all that was given before is out of the queue, and tells whether something was missed
// since the flush before.
func (s *sender) flush(ctx context.Context) error {
	s.mu.Lock()
	w := &waiter{s.queue.end(), s.backlog.pending(), make(chan struct{})}
	s.waiters = append(s.waiters, w)
	s.release()
	s.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.first < w.end || w.behind {
		if s.report.Err != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), s.report.Err)
		}
		return ctx.Err()
	}
	missed := s.missed > s.flushed
	s.flushed = max(s.flushed, w.end)
	if missed {
		s.flushed = max(s.flushed, s.missed)
		return fmt.Errorf("not all items were taken: %w", s.why)
	}
	return nil
}

// release lets those go on who wait for messages that are now out of the queue.
func (s *sender) release() {
	s.waiters = slices.DeleteFunc(s.waiters, func(w *waiter) bool {
		if w.end > s.queue.first || w.behind {
			return false
		}
		close(w.done)
		return true
	})
}

// await has those who wait for the backlog wait for what is queued, since there is no backlog any more. The lock is held.
func (s *sender) await() {
	for _, w := range s.waiters {
		if w.behind {
			w.end, w.behind = s.queue.end(), false
		}
	}
	s.release()
}
