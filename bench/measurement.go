package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/pprof"
	"time"

	"github.com/griphub/griphub/bench/load"
	"github.com/griphub/griphub/bench/subject"
	"github.com/griphub/griphub/bench/usage"
)

// A measurement is one run of one side.
type measurement struct {
	site  subject.Site
	scale float64
	// profile is a file for what griphub spends its time on; empty for none.
	profile string
}

// profiling is how long a profile takes: shorter than what is measured.
const profiling = 2 * time.Second

// profileItself takes a profile of this program, for what is measured inside it, until stop is called.
func (m *measurement) profileItself() (stop func() error, err error) {
	if m.profile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(m.profile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// begin takes a profile of a griphub from now on. wait returns when it is there.
func (m *measurement) begin(ctx context.Context, s subject.Subject) (wait func() error) {
	hub, ok := s.(*subject.Hub)
	if !ok || m.profile == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- hub.Profile(ctx, m.profile, profiling) }()
	return func() error { return <-done }
}

// timed has the subject do n units of work, and tells how many it did a second and what that took of every process. The
// work tells how long it was.
func (m *measurement) timed(ctx context.Context, s subject.Subject, n int, work func() (time.Duration, error)) (r result, err error) {
	before, err := usage.Take()
	if err != nil {
		return r, err
	}
	profiled := m.begin(ctx, s)
	took, err := work()
	if err := errors.Join(err, profiled()); err != nil {
		return r, err
	}
	after, err := usage.Take()
	if err != nil {
		return r, err
	}
	r = newResult()
	r.Values[rate] = float64(n) / took.Seconds()
	r.use(after.Since(before), float64(n))
	return r, nil
}

// scaled is the share of n that the run's scale asks for, at least least.
func (m *measurement) scaled(n, least int) int {
	return max(least, int(math.Round(float64(n)*m.scale)))
}

// lasting is less at a smaller scale, but not as much less as the work is.
func (m *measurement) lasting(d time.Duration) time.Duration {
	return max(200*time.Millisecond, time.Duration(float64(d)*math.Sqrt(m.scale)))
}

// patience bounds every wait for something that has to come.
const patience = 3 * time.Minute

// A scene is a subject with its audience, warm, and the count of what was published.
type scene struct {
	subject   subject.Subject
	audience  *load.Audience
	published []uint64 // by channel
	began     usage.Snapshot
	opened    time.Duration // how long it took until all streams worked
	ended     time.Time     // the last publish at a given rate
}

// An audience is who watches.
type audience struct {
	channels, viewers int // viewers of each channel
	sockets           bool
	// settled waits until a griphub knows of each channel who watches it, as one does that has run for a while.
	settled bool
	options load.Options
}

// targets are the streams of all viewers.
func (a audience) targets(s subject.Subject) ([]load.Target, error) {
	var targets []load.Target
	for v := range a.channels * a.viewers {
		channel := v % a.channels
		url := s.Stream(channel)
		if a.sockets {
			url = s.Socket(channel)
		}
		if url == "" {
			return nil, fmt.Errorf("it has no such streams")
		}
		targets = append(targets, load.Target{URL: url, Channel: channel})
	}
	return targets, nil
}

// stage starts the subject, opens the audience, and runs do.
func (m *measurement) stage(ctx context.Context, starter subject.Starter, a audience, do func(*scene) (result, error)) (r result, err error) {
	s, err := starter.Start(ctx, m.site)
	if err != nil {
		return r, err
	}
	defer func() {
		if stopped := s.Stop(); err == nil && stopped != nil {
			err = fmt.Errorf("stop: %w", stopped)
		}
	}()
	targets, err := a.targets(s)
	if err != nil {
		return r, err
	}
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	crowd, err := load.Open(opening, targets, a.options)
	if err != nil {
		return r, err
	}
	defer crowd.Close()
	sc := &scene{subject: s, audience: crowd, published: make([]uint64, a.channels)}
	if err := sc.warm(opening); err != nil {
		return r, err
	}
	sc.opened = time.Since(start)
	if hub, ok := s.(*subject.Hub); ok && a.settled {
		if err := hub.Settle(opening); err != nil {
			return r, err
		}
	}
	if sc.began, err = usage.Take(); err != nil {
		return r, err
	}
	crowd.Measure()
	profiled := m.begin(ctx, s)
	r, err = do(sc)
	return r, errors.Join(err, profiled())
}

// warm publishes events that are not counted until every stream has shown that it works: at once, since a proxy may cut a
// stream that it seemed to have opened, and again when Pushpin asks about the first subscribers of its channels, for which it lets
// them wait.
func (sc *scene) warm(ctx context.Context) error {
	const firstSubscribers = 1100 * time.Millisecond
	if err := sc.warmTo(ctx, 2); err != nil {
		return err
	}
	time.Sleep(firstSubscribers)
	sc.audience.Cool()
	if err := sc.warmTo(ctx, 1); err != nil {
		return err
	}
	time.Sleep(settling)
	return nil
}

// warmTo publishes until every stream has got n events.
func (sc *scene) warmTo(ctx context.Context, n int) error {
	pause := 50 * time.Millisecond
	const impatience = 15 * time.Second // one of several thousand streams brings nothing for a minute
	retry := time.Now().Add(impatience)
	for !sc.audience.Warm(n) {
		if time.Now().After(retry) {
			sc.audience.Retry(n)
			retry = time.Now().Add(impatience)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not all streams bring what is published: %w", ctx.Err())
		}
		var batch []subject.Event
		for channel := range sc.published {
			batch = append(batch, subject.Event{Channel: channel, Data: load.Mark{}.AppendJSON(nil, 0)})
		}
		for len(batch) > 0 {
			n := min(len(batch), publishBatch)
			if err := sc.subject.Publish(ctx, batch[:n]); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			batch = batch[n:]
		}
		for until := time.Now().Add(pause); time.Now().Before(until) && !sc.audience.Warm(n); {
			time.Sleep(5 * time.Millisecond)
		}
		pause = min(2*pause, 2*time.Second)
	}
	return nil
}

// settling is how long nothing happens before the measurement, so that no work of the opening is counted.
const settling = 300 * time.Millisecond

// event makes a channel's next event.
func (sc *scene) event(channel, size int, at int64) subject.Event {
	sc.published[channel]++
	return subject.Event{Channel: channel, Data: load.Mark{N: sc.published[channel], At: at}.AppendJSON(nil, size)}
}

// finish waits for what is still to come, and makes the result of a measurement that began at start.
func (sc *scene) finish(ctx context.Context, start time.Time) (result, error) {
	const quiet = 4 * time.Second
	count := sc.audience.Await(ctx, sc.published, quiet)
	now, err := usage.Take()
	if err != nil {
		return result{}, err
	}
	r := newResult()
	r.Values[delivered] = float64(count.Delivered)
	r.Values[lost] = float64(count.Lost)
	r.Values[duplicated] = float64(count.Duplicated)
	r.Values[closed] = float64(count.Closed)
	if count.Refused > 0 {
		r.Values[refused] = float64(count.Refused)
	}
	r.Values[opening] = sc.opened.Seconds()
	r.Values[p50] = milliseconds(sc.audience.Latency().Quantile(0.50))
	r.Values[p99] = milliseconds(sc.audience.Latency().Quantile(0.99))
	if !sc.ended.IsZero() && count.Delivered > 0 {
		r.Values[recovery] = max(0, count.Last.Sub(sc.ended).Seconds())
	}
	if took := count.Last.Sub(start).Seconds(); count.Delivered > 0 && took > 0 {
		r.Values[rate] = float64(count.Delivered) / took
	}
	r.use(now.Since(sc.began), float64(count.Delivered))
	return r, nil
}

// newSite makes the directory of a measurement, which remove deletes.
func newSite(program string, log *slog.Logger) (site subject.Site, remove func(), err error) {
	dir, err := os.MkdirTemp("", "griphub-bench-")
	if err != nil {
		return site, nil, err
	}
	return subject.Site{Dir: dir, Griphub: program, Log: log}, func() { _ = os.RemoveAll(dir) }, nil
}
