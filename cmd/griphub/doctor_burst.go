package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// The size of the burst: few enough to be no load, and enough to show a rate.
const (
	burstStreams = 10
	burstEvents  = 50
	burstTries   = 3
)

// events publishes a burst to streams of the doctor's own and reports what becomes of it.
func (c *proxyCheck) events(ctx context.Context, v *viewing) {
	check := c.name + " events"
	var b burst
	for range burstTries {
		var err error
		if b, err = v.burst(ctx, c.proxy); err != nil {
			c.warn(check, "not tested: "+err.Error(), c.routeCure(err))
			return
		}
		// A reset comes where the proxy asks the backend in between, whose log does not know the doctor's events. And a rate is
		// believed when it shows again.
		if !b.reset && b.rate() == 0 {
			break
		}
	}
	sent := b.streams * burstEvents
	const settings = "set message_rate=0, message_hwm=0 and client_buffer_size=65536 in pushpin.conf and restart Pushpin"
	switch {
	case len(b.arrived) == 0 && !b.reset:
		c.fail(check, "no event that is published at the control port comes to streams at the public address",
			"let "+c.key()+" name the control port of the proxy that browsers connect to")
	case b.reset:
		c.warn(check, "not tested: the proxy asks for the streams again before the events are there; the machine is very busy", "run the doctor again")
	case len(b.arrived) < sent:
		c.fail(check, fmt.Sprintf("of %d events to %d streams %d did not come", sent, b.streams, sent-len(b.arrived)), settings)
	case b.rate() > 0:
		c.fail(check, fmt.Sprintf("%d events came as if counted out, about %d a second: that is what message_rate does, and more than message_hwm are dropped in silence",
			sent, b.rate()), settings)
	default:
		c.ok(check, "all of %d events to %d streams came, in %s", sent, b.streams, b.arrived[sent-1].Round(time.Millisecond))
	}
}

// A burst is what became of events that were published all at once.
type burst struct {
	streams int
	arrived []time.Duration // since the request, sorted
	reset   bool
}

// burst opens streams on one channel and publishes events to it in one request.
func (v *viewing) burst(ctx context.Context, proxy grip.Proxy) (burst, error) {
	channel := v.newChannel()
	var streams []*doctorStream
	defer func() {
		for _, s := range streams {
			s.close()
		}
	}()
	for range burstStreams {
		s, err := v.openChannel(ctx, channel)
		if err != nil {
			return burst{}, err
		}
		streams = append(streams, s)
	}
	items := v.items(channel)
	w := watch(streams)
	if err := pushpin.Post(ctx, proxy, items); err != nil {
		return burst{}, err
	}
	return w.result(ctx, len(streams)*burstEvents), nil
}

// items are the burst's events, made as those of the log are.
func (v *viewing) items(channel channels.Channel) []grip.Item {
	var items []grip.Item
	for i := range burstEvents {
		e := channels.Event{
			Draft:     channels.Draft{Channels: []channels.Channel{channel}, Type: probeEvent, Data: []byte("{}")},
			Positions: []channels.Position{{Channel: channel, Seq: channels.Seq(i + 1)}},
		}
		items = e.AppendItems(items, v.cfg.Grip.Prefix)
	}
	return items
}

// A watcher notes when events come on any of some streams.
type watcher struct {
	start time.Time
	news  chan struct{}

	mu      sync.Mutex
	arrived []time.Duration
	reset   bool
	ended   int
}

func watch(streams []*doctorStream) *watcher {
	w := &watcher{start: time.Now(), news: make(chan struct{}, 1)}
	for _, s := range streams {
		go func() {
			for {
				event, ok := s.next()
				w.note(event, ok)
				if !ok {
					return
				}
			}
		}()
	}
	return w
}

func (w *watcher) note(event string, ok bool) {
	w.mu.Lock()
	switch {
	case !ok:
		w.ended++
	case event == probeEvent:
		w.arrived = append(w.arrived, time.Since(w.start))
	case event == streamReset:
		w.reset = true
	}
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// result waits until want events have come, or no more do.
func (w *watcher) result(ctx context.Context, want int) burst {
	const silence = 2 * time.Second
	for {
		w.mu.Lock()
		b := burst{streams: want / burstEvents, arrived: slices.Sorted(slices.Values(w.arrived)), reset: w.reset}
		w.mu.Unlock()
		if len(b.arrived) >= want || b.reset {
			return b
		}
		select {
		case <-w.news:
		case <-time.After(silence):
			return b
		case <-ctx.Done():
			return b
		}
	}
}

// span is the time from the first event to the last.
func (b *burst) span() time.Duration {
	if len(b.arrived) == 0 {
		return 0
	}
	return b.arrived[len(b.arrived)-1] - b.arrived[0]
}

// rate returns how many events a second were let through, 0 where nothing held them back. Pushpin's message_rate spreads them
// evenly (2,500 a second: 400 µs each), while a machine that is merely slow delivers what waits in a few large steps.
func (b *burst) rate() int {
	const noticeable = 50 * time.Millisecond
	span := b.span()
	if span < noticeable {
		return 0
	}
	for quarter := 1; quarter <= 3; quarter++ {
		at := b.arrived[len(b.arrived)*quarter/4] - b.arrived[0]
		if deviation := at - span*time.Duration(quarter)/4; deviation.Abs() > span/6 {
			return 0
		}
	}
	return int(float64(len(b.arrived)) / span.Seconds())
}
