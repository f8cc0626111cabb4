package main

import (
	"context"
	"fmt"
	"time"

	"github.com/griphub/griphub/bench/load"
	"github.com/griphub/griphub/bench/subject"
)

// publishBatch is how many events are published at once at most: more gain nothing at Pushpin's control port.
const publishBatch = 100

// eventBytes is the size of an event's data.
const eventBytes = 120

// A flood publishes events as fast as they are taken, round and round the channels.
type flood struct {
	audience
	events int
	// batch is how many are published at once, 0 for publishBatch.
	batch int
}

func (f flood) by(starter subject.Starter) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (result, error) {
		f := f
		f.channels, f.events = m.scaled(f.channels, 2), m.scaled(f.events, 100)
		if f.batch == 0 {
			f.batch = publishBatch
		}
		return m.stage(ctx, starter, f.audience, func(sc *scene) (result, error) {
			start := time.Now()
			for sent := 0; sent < f.events; {
				var batch []subject.Event
				for ; len(batch) < f.batch && sent < f.events; sent++ {
					batch = append(batch, sc.event(sent%f.channels, eventBytes, load.Now()))
				}
				if err := sc.subject.Publish(ctx, batch); err != nil {
					return result{}, fmt.Errorf("publish: %w", err)
				}
			}
			return sc.finish(ctx, start)
		})
	}
}

// A pace publishes events at a rate, whether or not they are brought to the viewers in time.
type pace struct {
	audience
	perSecond float64
	lasting   time.Duration
	// burst is how many events are due at the same moment; 0 means one.
	burst int
}

func (p pace) by(starter subject.Starter) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (result, error) {
		p := p
		p.scale(m)
		return m.stage(ctx, starter, p.audience, func(sc *scene) (result, error) {
			start := time.Now()
			if _, err := sc.pace(ctx, p.perSecond, p.burst, p.lasting); err != nil {
				return result{}, err
			}
			return sc.finish(ctx, start)
		})
	}
}

// scale leaves the rate as it is: with fewer viewers it is less work.
func (p *pace) scale(m *measurement) {
	if p.channels > 1 {
		p.channels = m.scaled(p.channels, 2)
	} else {
		p.viewers = m.scaled(p.viewers, 2)
	}
	p.burst = m.scaled(p.burst, 1)
	p.lasting = m.lasting(p.lasting)
}

// pace publishes for so long, one call after the other, each with what is due. It tells how far it was behind at the end; what could
// not be published within twice the time is not published.
func (sc *scene) pace(ctx context.Context, perSecond float64, burst int, lasting time.Duration) (behind time.Duration, err error) {
	var interval time.Duration
	if s, ok := sc.subject.(interface{ Interval() time.Duration }); ok {
		interval = s.Interval()
	}
	start := time.Now()
	total := int(perSecond * lasting.Seconds())
	due := func(i int) time.Time {
		return start.Add(time.Duration(float64(i/burst*burst) / perSecond * float64(time.Second)))
	}
	for sent := 0; sent < total; {
		began := time.Now()
		if began.Sub(start) > 2*lasting+time.Second {
			break
		}
		if wait := due(sent).Sub(began); wait > 0 {
			time.Sleep(wait)
			continue
		}
		var batch []subject.Event
		for ; sent < total && len(batch) < publishBatch && !due(sent).After(began); sent++ {
			batch = append(batch, sc.event(sent%len(sc.published), eventBytes, due(sent).UnixNano()))
		}
		if err := sc.subject.Publish(ctx, batch); err != nil {
			return 0, fmt.Errorf("publish: %w", err)
		}
		time.Sleep(time.Until(began.Add(interval)))
	}
	sc.ended = time.Now()
	return sc.ended.Sub(start) - lasting, nil
}

// A climb raises the rate until the viewers do not get everything in time, and reports the last rate at which they did.
type climb struct {
	audience
	perSecond []float64
	lasting   time.Duration // of each rate
	p99       time.Duration // what is in time
}

func (c climb) by(starter subject.Starter) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (best result, err error) {
		c := c
		c.viewers, c.lasting = m.scaled(c.viewers, 2), m.lasting(c.lasting)
		c.perSecond = c.perSecond[:min(len(c.perSecond), m.scaled(10*len(c.perSecond), 1))]
		best = newResult()
		best.Values[rate] = 0
		for _, perSecond := range c.perSecond {
			one := pace{audience: c.audience, perSecond: perSecond, lasting: c.lasting, burst: 1}
			r, err := m.stage(ctx, starter, c.audience, func(sc *scene) (result, error) {
				start := time.Now()
				behind, err := sc.pace(ctx, one.perSecond, one.burst, one.lasting)
				if err != nil {
					return result{}, err
				}
				r, err := sc.finish(ctx, start)
				if behind > c.lasting/10+c.p99 {
					r.Values[rate] = 0
				}
				return r, err
			})
			if err != nil {
				return best, err
			}
			m.site.Log.Info("climb", "events/s", perSecond, "values", r.Values)
			if !r.sound() || r.Values[rate] == 0 || r.Values[p99] > milliseconds(c.p99) {
				break
			}
			best = r
		}
		return best, nil
	}
}
