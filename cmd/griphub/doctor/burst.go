package doctor

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
	// burstTries is how often a burst is published until one comes without delay, and evenTries how many of them must
	// have come evenly for a rate to be believed in.
	burstTries = 4
	evenTries  = 2
	// prompt is the time in which a burst comes unless something holds it back; on an idle machine it is 2 ms.
	prompt = 50 * time.Millisecond
)

// events publishes a burst to streams of the doctor's own and reports what becomes of it.
func (c *proxyCheck) events(ctx context.Context, v *viewing) {
	check := c.name + " events"
	var b burst
	even := 0
	for range burstTries {
		var err error
		if b, err = v.burst(ctx, c.proxy); err != nil {
			c.Warn(check, "not tested: "+err.Error(), c.routeCure(err))
			return
		}
		if b.even() {
			even++
		}
		// A reset comes where the proxy asks the backend in between, whose log does not know the doctor's events.
		if !b.reset && !b.closed && b.span() < prompt {
			break
		}
	}
	sent := b.streams * burstEvents
	const settings = "set message_rate=0, message_hwm=0 and client_buffer_size=65536 in pushpin.conf and restart Pushpin"
	switch {
	case b.reset:
		c.Warn(check, "not tested: the proxy asks for the streams again before the events are there; the machine is very busy", "run the doctor again")
	case b.closed:
		c.Fail(check, "the proxy closes streams when events come", "see in Pushpin's log why")
	case len(b.arrived) == 0:
		c.Fail(check, "no event that is published at the control port comes to streams at the public address",
			"let "+c.key()+" name the control port of the proxy that browsers connect to")
	case len(b.arrived) < sent:
		c.Fail(check, fmt.Sprintf("of %d events to %d streams %d did not come", sent, b.streams, sent-len(b.arrived)), settings)
	case b.span() >= prompt && even >= evenTries:
		c.Fail(check, fmt.Sprintf("%d events came as if counted out, about %d a second: that is what message_rate does, and more than message_hwm are dropped in silence",
			sent, b.rate()), settings)
	case b.span() >= prompt:
		c.Warn(check, fmt.Sprintf("%d events took %s: the machine is busy, or message_rate holds them back", sent, b.span().Round(time.Millisecond)), settings)
	default:
		c.OK(check, "all of %d events to %d streams came, in %s", sent, b.streams, b.arrived[sent-1].Round(time.Millisecond))
	}
}

// A burst is what became of events that were published all at once.
type burst struct {
	streams int
	arrived []time.Duration // since the request, sorted
	// reset and closed tell that a stream was told to begin anew, or ended.
	reset, closed bool
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
		items = e.AppendItems(items, v.Config.Grip.Prefix)
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
	closed  bool
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
		w.closed = true
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
		b := burst{streams: want / burstEvents, arrived: slices.Sorted(slices.Values(w.arrived)), reset: w.reset, closed: w.closed}
		w.mu.Unlock()
		if len(b.arrived) >= want || b.reset || b.closed {
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

// rate is how many events came in a second.
func (b *burst) rate() int { return int(float64(len(b.arrived)) / b.span().Seconds()) }

// even tells whether the events came late and evenly. Pushpin's message_rate spreads them so (2,500 a second: 400 µs each),
// while a machine that is merely slow delivers what waits in a few large steps.
func (b *burst) even() bool {
	span := b.span()
	if span < prompt {
		return false
	}
	for quarter := 1; quarter <= 3; quarter++ {
		at := b.arrived[len(b.arrived)*quarter/4] - b.arrived[0]
		if deviation := at - span*time.Duration(quarter)/4; deviation.Abs() > span/6 {
			return false
		}
	}
	return true
}
