package load

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Options of an Audience.
type Options struct {
	// AtOnce bounds the connections that are being made at the same time; 0 means 64.
	AtOnce int
	// Resume makes streams come back, also in the measurement, and say where they stood (Last-Event-ID), as an EventSource does.
	Resume bool
	// Newest tells that an event stands for those before it that were not shown: they count as delivered with it.
	Newest bool
}

// errNone stands for a failure where there was none.
var errNone = errors.New("none")

// An Audience watches. Make one with Open, and Close it.
type Audience struct {
	streams []*stream
	resumes bool
	newest  bool
	dialing chan struct{}
	buffers sync.Pool
	cancel  context.CancelFunc
	running sync.WaitGroup

	// dropping tells that Drop cuts the streams. reopen is closed when they may come again.
	dropping atomic.Bool
	reopen   atomic.Pointer[chan struct{}]

	measuring atomic.Bool
	open      atomic.Int64
	lastError atomic.Pointer[error]

	delivered, duplicated, closed, refused atomic.Uint64
	last                                   atomic.Int64 // when the last measured event came, as in Mark.At
	latency                                Histogram
}

// bufferBytes is what a stream reads at once.
const bufferBytes = 64 << 10

// Open begins to watch the targets, and returns when all of them are open. Until Measure a stream that ends is opened
// again, and nothing is counted.
func Open(ctx context.Context, targets []Target, options Options) (*Audience, error) {
	a := &Audience{resumes: options.Resume, newest: options.Newest}
	if options.AtOnce == 0 {
		options.AtOnce = 64
	}
	a.dialing = make(chan struct{}, options.AtOnce)
	a.buffers.New = func() any {
		buf := make([]byte, bufferBytes)
		return &buf
	}
	for _, t := range targets {
		address, err := url.Parse(t.URL)
		if err != nil {
			return nil, err
		}
		a.streams = append(a.streams, &stream{of: a, target: t, address: address, next: 1})
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	for _, s := range a.streams {
		a.running.Go(func() { s.run(running) })
	}
	if err := a.AwaitOpen(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close ends all streams.
func (a *Audience) Close() {
	a.cancel()
	a.running.Wait()
}

// pollEvery is how often the waiting look: seldom enough to cost nothing.
const pollEvery = 2 * time.Millisecond

// await waits until the condition holds.
func await(ctx context.Context, condition func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// AwaitOpen waits until all streams are open.
func (a *Audience) AwaitOpen(ctx context.Context) error { return a.AwaitPart(ctx, 1) }

// AwaitPart waits until so large a part of the streams is open, up to 1.
func (a *Audience) AwaitPart(ctx context.Context, part float64) error {
	enough := int64(float64(len(a.streams)) * part)
	if err := await(ctx, func() bool { return a.open.Load() >= enough }); err != nil {
		return fmt.Errorf("%d of %d streams are open: %w; the last failure: %w", a.open.Load(), len(a.streams), err, a.failure())
	}
	return nil
}

// failed notes why a stream was not opened.
func (a *Audience) failed(err error) { a.lastError.Store(&err) }

func (a *Audience) failure() error {
	if err := a.lastError.Load(); err != nil && *err != nil {
		return *err
	}
	return errNone
}

// Warm tells whether every stream's connection has brought at least n events whose mark is 0. A proxy may cut a stream
// that it seemed to have opened.
func (a *Audience) Warm(n int) bool {
	for _, s := range a.streams {
		if !s.open.Load() || int(s.warm.Load()) < n {
			return false
		}
	}
	return true
}

// Retry cuts the streams that are not warm, so that they are opened again.
func (a *Audience) Retry(n int) {
	for _, s := range a.streams {
		if conn := s.conn.Load(); conn != nil && int(s.warm.Load()) < n {
			_ = conn.Close()
		}
	}
}

// Cool makes Warm begin anew.
func (a *Audience) Cool() {
	for _, s := range a.streams {
		s.warm.Store(0)
	}
}

// Measure begins to count, from the mark 1 on each channel. A stream that ends from now on remains closed, unless it resumes.
func (a *Audience) Measure() {
	a.latency.Reset()
	a.measuring.Store(true)
}

// Latency has the durations from Mark.At to arrival.
func (a *Audience) Latency() *Histogram { return &a.latency }

// add counts what one read has brought.
func (a *Audience) add(t *tally) {
	if t.delivered > 0 {
		a.delivered.Add(t.delivered)
		a.last.Store(t.now)
	}
	if t.duplicated > 0 {
		a.duplicated.Add(t.duplicated)
	}
}

// A Count is what has come since Measure.
type Count struct {
	Delivered  uint64 // in their order
	Duplicated uint64 // a second time, or after a later one
	Lost       uint64
	Closed     uint64 // streams that the server has ended
	Refused    uint64 // attempts to open a stream that failed, and streams that were ended and resume
	Last       time.Time
}

// Delivered is how many events have come so far.
func (a *Audience) Delivered() uint64 { return a.delivered.Load() }

// Await waits until every stream has all of published, the number of events by channel, or nothing has come for quiet, and
// returns the count.
func (a *Audience) Await(ctx context.Context, published []uint64, quiet time.Duration) Count {
	expected := a.Expected(published)
	seen, since := uint64(0), time.Now()
	_ = await(ctx, func() bool {
		n := a.delivered.Load()
		if n != seen {
			seen, since = n, time.Now()
		}
		return n >= expected || time.Since(since) > quiet
	})
	c := Count{
		Delivered: a.delivered.Load(), Duplicated: a.duplicated.Load(), Closed: a.closed.Load(), Refused: a.refused.Load(),
		Last: time.Unix(0, a.last.Load()),
	}
	c.Lost = expected - min(expected, c.Delivered)
	return c
}

// Expected is how many deliveries all streams together make of so many events by channel.
func (a *Audience) Expected(published []uint64) (n uint64) {
	for _, s := range a.streams {
		n += published[s.target.Channel]
	}
	return n
}

// Drop cuts all connections at once. The streams remain closed until Reopen.
func (a *Audience) Drop(ctx context.Context) error {
	gate := make(chan struct{})
	a.reopen.Store(&gate)
	a.dropping.Store(true)
	for _, s := range a.streams {
		if conn := s.conn.Load(); conn != nil {
			_ = conn.Close()
		}
	}
	return await(ctx, func() bool { return a.open.Load() == 0 })
}

// Reopen lets all streams that Drop has cut connect again, at once.
func (a *Audience) Reopen() {
	a.dropping.Store(false)
	close(*a.reopen.Load())
}

func (a *Audience) awaitReopening(ctx context.Context) {
	select {
	case <-*a.reopen.Load():
	case <-ctx.Done():
	}
}
