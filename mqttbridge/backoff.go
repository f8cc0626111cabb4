package mqttbridge

import (
	"context"
	"math/rand/v2"
	"time"
)

// A backoff waits between tries, twice as long each time, and each time a part of it at random, so that many who lost
// the same server do not come back at the same moment.
type backoff struct {
	first, most, next time.Duration
}

func newBackoff(first, most time.Duration) *backoff {
	return &backoff{first: first, most: most, next: first}
}

func (b *backoff) reset() { b.next = b.first }

// wait waits; false where ctx ended before.
func (b *backoff) wait(ctx context.Context) bool {
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer timer.Stop()
	b.next = min(2*b.next, b.most)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
