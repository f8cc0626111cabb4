package channels

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxGathered bounds the events that a Conflater holds back, of all channels together. Where it is exceeded, all are shown at once.
const maxGathered = 50_000

// A Conflater is a Sink in front of another that shows the viewers of some channels only the newest: events of a channel
// whose rule has a MaxRate are gathered, and at most that often a second the newest of each device goes on, in the order of
// their numbers. A channel that was silent for so long does not wait. Events of other channels go on as they are.
//
// The log knows nothing of it. What goes on tells which event it follows for the viewers, so that those who miss something
// find all of it in the log. Of events that are not directly behind one another, because somebody else appends to the
// channel as well, none stands for an earlier one: what the other has appended is shown by the other.
//
// Make one with NewConflater; its methods may be called concurrently.
type Conflater struct {
	sink  Sink
	rules Rules
	key   func(e *Event) (key string, ok bool)
	// idle tells that no rule has a MaxRate.
	idle bool

	mu       sync.Mutex
	channels map[Channel]*gathering
	queue    dueQueue
	held     int
	stopped  bool
	wake     chan struct{}

	conflated atomic.Uint64
}

// NewConflater returns a Conflater that works while its Run does. key names what an event is the state of, such as a device:
// a newer event stands for an older one with the same key. ok is false for events that are no state; they are all shown.
func NewConflater(sink Sink, rules Rules, key func(e *Event) (key string, ok bool)) *Conflater {
	return &Conflater{
		sink: sink, rules: rules, key: key,
		idle:     !slices.ContainsFunc(rules, func(r Rule) bool { return r.MaxRate > 0 }),
		channels: make(map[Channel]*gathering), wake: make(chan struct{}, 1),
	}
}

// Conflated is how many events of a channel were not shown because a newer one was, so far.
func (c *Conflater) Conflated() uint64 { return c.conflated.Load() }

// Held is how many events it holds back now.
func (c *Conflater) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Send takes events. It does not block.
func (c *Conflater) Send(events []Event) {
	if c.idle {
		c.sink.Send(events)
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	on := make([]Event, 0, len(events))
	var idle []*gathering
	for i := range events {
		e := &events[i]
		direct := e.Positions[:0:0]
		for _, p := range e.Positions {
			rate := c.rules.For(p.Channel).MaxRate
			if rate <= 0 || c.stopped {
				direct = append(direct, p)
				continue
			}
			g := c.channels[p.Channel]
			if g == nil {
				g = &gathering{name: p.Channel, interval: time.Duration(float64(time.Second) / rate), place: -1}
				c.channels[p.Channel] = g
				idle = append(idle, g)
			}
			c.gather(g, e, p)
		}
		if len(direct) == len(e.Positions) {
			on = append(on, *e)
		} else if len(direct) > 0 {
			part := *e
			part.Positions = direct
			on = append(on, part)
		}
	}
	for _, g := range idle {
		on = c.release(on, g, now)
	}
	if c.held > maxGathered {
		for _, g := range c.channels {
			on = c.release(on, g, now)
		}
	}
	if len(on) > 0 {
		c.sink.Send(on)
	}
	if len(idle) > 0 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Conflater) gather(g *gathering, e *Event, p Position) {
	key, ok := "", false
	if len(e.SkipUsers) == 0 && e.ReplayOf == 0 && !e.hidden() {
		key, ok = c.key(e)
	}
	part := *e
	part.Positions = []Position{p}
	if g.add(part, key, ok) {
		c.conflated.Add(1)
	} else {
		c.held++
	}
}

// release appends what the channel shows now, and sets when it may show something again.
func (c *Conflater) release(on []Event, g *gathering, now time.Time) []Event {
	c.held -= g.live
	on = g.take(on)
	g.due = now.Add(g.interval)
	if g.place < 0 {
		heap.Push(&c.queue, g)
	} else {
		heap.Fix(&c.queue, g.place)
	}
	return on
}

// Run shows what was gathered when its time has come, until ctx ends; then it shows all that is left, holds nothing back any
// more, and returns nil. It must be called once.
func (c *Conflater) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.stop()
			return nil
		case <-timer.C:
		case <-c.wake:
		}
		if wait, ok := c.tick(time.Now()); ok {
			timer.Reset(wait)
		}
	}
}

// tick shows what is due, and tells how long until something is again; ok is false where nothing is.
func (c *Conflater) tick(now time.Time) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var on []Event
	for len(c.queue) > 0 && !c.queue[0].due.After(now) {
		g := c.queue[0]
		if g.live == 0 {
			// It was silent for the interval: its next event does not wait, and nothing is to be remembered.
			heap.Pop(&c.queue)
			delete(c.channels, g.name)
			continue
		}
		on = c.release(on, g, now)
	}
	if len(on) > 0 {
		c.sink.Send(on)
	}
	if len(c.queue) == 0 {
		return 0, false
	}
	return c.queue[0].due.Sub(now), true
}

func (c *Conflater) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	var on []Event
	for _, g := range c.channels {
		on = g.take(on)
	}
	c.channels, c.queue, c.held = make(map[Channel]*gathering), nil, 0
	if len(on) > 0 {
		c.sink.Send(on)
	}
}

// A gathering is what a channel holds back.
type gathering struct {
	name     Channel
	interval time.Duration
	// due is until when it holds back; place is its place in the queue, -1 for none.
	due   time.Time
	place int

	// events are in order; those that a newer one stands for are gone. live counts the others.
	events []gathered
	live   int
	// newest has the place in events of each key's newest, in the run of events directly behind one another that ends with
	// last.
	newest map[string]int
	last   Seq
}

// keptGone is how many events that are gone a gathering keeps at least before it is worth the work to drop them.
const keptGone = 64

// A gathered event follows, for viewers, the one with the number prev.
type gathered struct {
	event Event
	prev  Seq
	gone  bool
}

// add takes an event of one position, and tells whether it stands for an older one now.
func (g *gathering) add(e Event, key string, state bool) (replaces bool) {
	p := e.Positions[0]
	if p.Seq != 0 && p.Seq != g.last+1 || g.newest == nil {
		g.newest = make(map[string]int)
	}
	g.last = p.Seq
	if i, ok := g.newest[key]; ok && state {
		g.events[i].event, g.events[i].gone = Event{}, true
		g.live--
		replaces = true
	}
	if state {
		g.newest[key] = len(g.events)
	}
	g.events = append(g.events, gathered{event: e, prev: p.Seq - 1})
	g.live++
	if len(g.events) > 2*g.live+keptGone {
		g.compact()
	}
	return replaces
}

// compact drops what is gone. What follows it, follows what it did. The last event of a run is never gone, so that no
// event follows one of another run.
func (g *gathering) compact() {
	kept, moved := g.events[:0], make(map[int]int, g.live)
	var prev Seq
	skipped := false
	for i, h := range g.events {
		if !skipped {
			prev = h.prev
		}
		if skipped = h.gone; skipped {
			continue
		}
		h.prev = prev
		moved[i] = len(kept)
		kept = append(kept, h)
	}
	clear(g.events[len(kept):])
	g.events = kept
	for key, i := range g.newest {
		g.newest[key] = moved[i]
	}
}

// take appends the events that are to be shown, and begins anew.
func (g *gathering) take(on []Event) []Event {
	g.compact()
	for _, h := range g.events {
		if p := h.event.Positions[0]; p.Seq > 0 {
			h.event.unshown = p.Seq - 1 - h.prev
		}
		on = append(on, h.event)
	}
	g.events, g.live, g.newest = nil, 0, nil
	return on
}

// dueQueue is a heap of gatherings, the earliest due first.
type dueQueue []*gathering

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is heap.Interface's.
func (q *dueQueue) Push(x any) {
	g := x.(*gathering)
	g.place = len(*q)
	*q = append(*q, g)
}

// Pop is heap.Interface's.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	g := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	g.place = -1
	return g
}
