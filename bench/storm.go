package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/griphub/griphub/bench/load"
	"github.com/griphub/griphub/bench/subject"
	"github.com/griphub/griphub/bench/usage"
)

// A storm cuts all streams at the same time. Some events are published, and then all viewers come back at once.
type storm struct {
	viewers, missed int
	// resumes tells that the viewers get what they have missed.
	resumes bool
}

func (s storm) by(starter subject.Starter) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (result, error) {
		s := s
		s.viewers = m.scaled(s.viewers, 10)
		crowd := audience{channels: 1, viewers: s.viewers, options: load.Options{Resume: true, AtOnce: 500}}
		return m.stage(ctx, starter, crowd, func(sc *scene) (result, error) { return s.run(ctx, sc) })
	}
}

func (s storm) run(ctx context.Context, sc *scene) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := sc.say(ctx, 1); err != nil {
		return r, err
	}
	const quiet = 5 * time.Second
	sc.audience.Await(ctx, sc.published, quiet)
	if err := sc.audience.Drop(ctx); err != nil {
		return r, err
	}
	if s.resumes {
		if err := sc.say(ctx, s.missed); err != nil {
			return r, err
		}
	}
	start := time.Now()
	sc.audience.Reopen()
	// A few streams that Pushpin does not answer take longer than all others.
	const most = 0.99
	if err := sc.audience.AwaitPart(ctx, most); err != nil {
		return r, err
	}
	nearly := time.Since(start)
	if err := sc.audience.AwaitOpen(ctx); err != nil {
		return r, err
	}
	took := time.Since(start)
	// The event after the storm shows that all are held.
	if err := sc.say(ctx, 1); err != nil {
		return r, err
	}
	// A stream that Pushpin ends now comes back with it, as slowly as any of the storm.
	const back = time.Minute
	sc.audience.Await(ctx, sc.published, back)
	r, err = sc.finish(ctx, start)
	if err != nil {
		return r, err
	}
	r.Values[opening], r.Values[opening99] = took.Seconds(), nearly.Seconds()
	r.Values[rate] = float64(s.viewers) / took.Seconds()
	// Latency is no part of it: the viewers were away.
	delete(r.Values, p50)
	delete(r.Values, p99)
	return r, nil
}

// say publishes n events on the first channel.
func (sc *scene) say(ctx context.Context, n int) error {
	var batch []subject.Event
	for range n {
		batch = append(batch, sc.event(0, eventBytes, load.Now()))
	}
	if err := sc.subject.Publish(ctx, batch); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// A crowd measures griphub's memory with so many viewers, after so many devices have sent something.
type crowd struct{ viewers, devices int }

func (c crowd) by(starter subject.Griphub) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (r result, err error) {
		c := c
		c.viewers, c.devices = m.scaled(c.viewers, 10), m.scaled(c.devices, 100)
		s, err := starter.Start(ctx, m.site)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		if err := s.(*subject.Hub).Report(ctx, c.devices); err != nil {
			return r, err
		}
		const channels = 100
		targets, err := audience{channels: channels, viewers: max(1, c.viewers/channels)}.targets(s)
		if err != nil {
			return r, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		viewers, err := load.Open(ctx, targets, load.Options{})
		if err != nil {
			return r, err
		}
		defer viewers.Close()
		time.Sleep(settling)
		now, err := usage.Take()
		if err != nil {
			return r, err
		}
		r = newResult()
		r.use(now, 0)
		r.Values[memory] = r.Usage[filepath.Base(m.site.Griphub)].RSS
		return r, nil
	}
}
