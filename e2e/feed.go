package e2e

import (
	"sync"
	"testing"
	"time"
)

// Patience is how long the helpers wait for something that has to happen.
const Patience = 45 * time.Second

// A feed is what a goroutine brings in and a test takes out, in order.
type feed[T any] struct {
	mu    sync.Mutex
	items []T
	taken int
	ended bool
	grown chan struct{} // closed when there is something new; nil while nobody waits
}

func (f *feed[T]) add(item T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, item)
	f.wake()
}

// end tells that nothing comes any more.
func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.wake()
}

func (f *feed[T]) wake() {
	if f.grown != nil {
		close(f.grown)
		f.grown = nil
	}
}

// take returns the next item not taken yet, waiting for it until the deadline.
func (f *feed[T]) take(deadline time.Time) (item T, ok bool) {
	for {
		f.mu.Lock()
		if f.taken < len(f.items) {
			item = f.items[f.taken]
			f.taken++
			f.mu.Unlock()
			return item, true
		}
		if f.ended {
			f.mu.Unlock()
			return item, false
		}
		if f.grown == nil {
			f.grown = make(chan struct{})
		}
		grown := f.grown
		f.mu.Unlock()
		select {
		case <-grown:
		case <-time.After(time.Until(deadline)):
			return item, false
		}
	}
}

// all returns everything so far, taken or not.
func (f *feed[T]) all() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.items[:len(f.items):len(f.items)]
}

// Eventually waits until the condition holds, and fails the test where it does not; what completes the sentence "waited in
// vain until …".
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
