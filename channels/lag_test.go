package channels_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/griphub/griphub/channels"
)

// gathered is what a histogram of one series has counted.
func gathered(t *testing.T, vec *prometheus.HistogramVec) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := vec.WithLabelValues().(prometheus.Histogram).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram()
}

type arrivals []channels.Arrival

// each gives the arrivals the ids 1, 2, 3…
func (a arrivals) each(yield func(channels.EventID, channels.Arrival) bool) {
	for i := range a {
		if !yield(channels.EventID(i+1), a[i]) {
			return
		}
	}
}

func TestTheSlowestOfABatchIsTheExemplar(t *testing.T) {
	now := time.Now()
	trace := strings.Repeat("a", 32)
	lag := channels.NewLag("lag_seconds", "Lag.")
	channels.ObserveLag(lag.WithLabelValues(), now, arrivals{
		{At: now.Add(-time.Millisecond)}, {}, {At: now.Add(-time.Minute), Trace: trace}, {At: now.Add(-time.Second)},
	}.each)
	h := gathered(t, lag)
	if h.GetSampleCount() != 3 || h.GetSampleSum() != 61.001 {
		t.Errorf("%d observations of %v s", h.GetSampleCount(), h.GetSampleSum())
	}
	for _, b := range h.GetBucket() {
		e := b.GetExemplar()
		if e == nil {
			continue
		}
		labels := make(map[string]string)
		for _, l := range e.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if b.GetUpperBound() != 60 || len(labels) != 2 || labels["event_id"] != "3" || labels["trace_id"] != trace {
			t.Errorf("the bucket of %v s has the exemplar %v", b.GetUpperBound(), labels)
		}
		return
	}
	t.Error("no exemplar")
}

func TestWhatNobodyHasNotedIsNotMeasured(t *testing.T) {
	lag := channels.NewLag("lag_seconds", "Lag.")
	channels.ObserveLag(lag.WithLabelValues(), time.Now(), arrivals{{}, {}}.each)
	channels.ObserveLag(lag.WithLabelValues(), time.Now(), arrivals{}.each)
	if n := gathered(t, lag).GetSampleCount(); n != 0 {
		t.Errorf("%d observations", n)
	}
}

func BenchmarkObserveLag(b *testing.B) {
	now := time.Now()
	batch := make(arrivals, 100)
	for i := range batch {
		batch[i] = channels.Arrival{At: now.Add(-time.Duration(i) * time.Millisecond)}
	}
	lag := channels.NewLag("lag_seconds", "Lag.").WithLabelValues()
	b.ReportAllocs()
	for b.Loop() {
		channels.ObserveLag(lag, now, batch.each)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/event")
}
