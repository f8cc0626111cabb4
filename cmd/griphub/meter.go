package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
)

// Where events come from, in metrics.
const (
	sourceMQTT = "mqtt"
	sourceHTTP = "http"
)

// What becomes of events that are given to the publisher, in metrics.
const (
	outcomeStored   = "stored"
	outcomeUnstored = "unstored"
	outcomeRepeated = "repeated"
	outcomeDropped  = "dropped"
	outcomeRefused  = "refused"
	outcomeFailed   = "failed"
)

// A meter counts and times what is given to the publisher.
type meter struct {
	events *prometheus.CounterVec
	lag    *prometheus.HistogramVec
}

func newMeter(r prometheus.Registerer) *meter {
	m := &meter{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_events_total",
			Help: "Events that this process was given, by where they came from and what became of them: stored, sent on channels " +
				"that keep none (unstored), known by their id (repeated), dropped by a hook, refused by a hook or for a mistake, or failed, " +
				"because the log or a hook did; events of MQTT messages are then given again.",
		}, []string{"source", "outcome"}),
		lag: channels.NewLag("griphub_event_store_lag_seconds",
			"Time from an event's arrival, by MQTT or HTTP, until it is stored. Exemplars name the event and its sender's trace.", "source"),
	}
	for _, source := range []string{sourceMQTT, sourceHTTP} {
		for _, outcome := range []string{outcomeStored, outcomeUnstored, outcomeRepeated, outcomeDropped, outcomeRefused, outcomeFailed} {
			m.events.WithLabelValues(source, outcome)
		}
		m.lag.WithLabelValues(source)
	}
	r.MustRegister(m.events, m.lag)
	return m
}

// A meteredPublisher is the publisher as one source of events has it.
type meteredPublisher struct {
	*channels.Publisher
	meter  *meter
	source string
}

// of returns the publisher for one source.
func (m *meter) of(source string, p *channels.Publisher) meteredPublisher {
	return meteredPublisher{p, m, source}
}

// Publish notes when the drafts have arrived, where nobody has yet, and what becomes of them.
func (p meteredPublisher) Publish(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	began := time.Now()
	batch.Drafts = slices.Clone(batch.Drafts)
	for i := range batch.Drafts {
		if d := &batch.Drafts[i]; d.Arrival.At.IsZero() {
			d.Arrival.At = began
		}
	}
	events, err := p.Publisher.Publish(ctx, batch)
	if err != nil {
		p.fail(err, len(batch.Drafts))
		return events, err
	}
	p.observe(events)
	return events, nil
}

// fail counts drafts of which none was stored. Where some were wrong, only these are counted: the others come again without
// them, or their publisher was told.
func (p meteredPublisher) fail(err error, drafts int) {
	var draft *channels.DraftError
	var refused channels.RefusedDrafts
	switch {
	case errors.As(err, &refused):
		p.count(outcomeRefused, len(refused))
	case errors.As(err, &draft):
		p.count(outcomeRefused, 1)
	default:
		p.count(outcomeFailed, drafts)
	}
}

func (p meteredPublisher) observe(events []channels.Event) {
	var stored, unstored, repeated, dropped int
	for i := range events {
		switch e := &events[i]; {
		case e.Dropped:
			dropped++
		case e.Repeated:
			repeated++
		case e.ID == 0:
			unstored++
		default:
			stored++
		}
	}
	p.count(outcomeStored, stored)
	p.count(outcomeUnstored, unstored)
	p.count(outcomeRepeated, repeated)
	p.count(outcomeDropped, dropped)
	channels.ObserveLag(p.meter.lag.WithLabelValues(p.source), time.Now(), func(yield func(channels.EventID, channels.Arrival) bool) {
		for i := range events {
			if e := &events[i]; e.ID != 0 && !e.Repeated && !yield(e.ID, e.Arrival) {
				return
			}
		}
	})
}

func (p meteredPublisher) count(outcome string, events int) {
	if events > 0 {
		p.meter.events.WithLabelValues(p.source, outcome).Add(float64(events))
	}
}
