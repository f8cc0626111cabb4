package channels

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NewLag returns a histogram of how long events take, which is milliseconds where all is well and minutes where it is not.
func NewLag(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, labels)
}

// ObserveLag observes how long before now the events have arrived. The slowest of them is the bucket's exemplar, with its id and
// its sender's trace: one for all that go together, since an exemplar costs as much as the observation of ten.
func ObserveLag(lag prometheus.Observer, now time.Time, events iter.Seq2[EventID, Arrival]) {
	var slowest EventID
	var first Arrival
	for id, arrival := range events {
		switch {
		case arrival.At.IsZero():
		case first.At.IsZero():
			slowest, first = id, arrival
		case arrival.At.Before(first.At):
			lag.Observe(now.Sub(first.At).Seconds())
			slowest, first = id, arrival
		default:
			lag.Observe(now.Sub(arrival.At).Seconds())
		}
	}
	if first.At.IsZero() {
		return
	}
	exemplar := prometheus.Labels{}
	if slowest != 0 {
		exemplar["event_id"] = slowest.String()
	}
	if first.Trace != "" {
		exemplar["trace_id"] = first.Trace
	}
	seconds := now.Sub(first.At).Seconds()
	if to, ok := lag.(prometheus.ExemplarObserver); ok && len(exemplar) > 0 {
		to.ObserveWithExemplar(seconds, exemplar)
		return
	}
	lag.Observe(seconds)
}
