package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Values are kept with 6 significant bits: within 1.6 %.
const (
	subBits = 6
	// buckets are enough for any duration.
	buckets = (64 - subBits) << subBits
)

// A Histogram counts durations in a fixed space. It is safe for concurrent use; the zero value is empty.
type Histogram struct {
	counts [buckets]atomic.Uint64
}

// Add counts a duration; a negative one counts as none.
func (h *Histogram) Add(d time.Duration) { h.counts[bucket(max(0, d))].Add(1) }

func bucket(d time.Duration) int {
	exponent := max(0, bits.Len64(uint64(d))-subBits-1)
	return exponent<<subBits + int(uint64(d)>>exponent)
}

// upper is the largest duration of the bucket.
func upper(i int) time.Duration {
	exponent := max(0, i>>subBits-1)
	return time.Duration((uint64(i-exponent<<subBits)+1)<<exponent - 1)
}

// Count tells how many durations were added.
func (h *Histogram) Count() uint64 {
	var n uint64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Quantile returns a duration that the share q of all durations, from 0 to 1, does not exceed; 0 where there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.Count()))
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen > rank || seen == rank && q >= 1 && seen > 0 {
			return upper(i)
		}
	}
	return 0
}

// Reset forgets everything. What is added meanwhile may be forgotten, too.
func (h *Histogram) Reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
}
