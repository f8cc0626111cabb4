package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/bench/load"
	"github.com/griphub/griphub/bench/subject"
	"github.com/griphub/griphub/bench/usage"
	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// Growth appends to a log that is small and to one that is large, in each case with trimming under way.
type growth struct {
	small, large int // stored events
	lasting      time.Duration
}

func (g growth) by(postgres bool) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (r result, err error) {
		g := g
		g.small, g.large, g.lasting = m.scaled(g.small, 1000), m.scaled(g.large, 10_000), m.lasting(g.lasting)
		a := &appender{start: time.Now().Add(-24 * time.Hour)}
		log, closeLog, err := openLog(ctx, m.site, postgres, store.Options{Now: a.now})
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, closeLog()) }()
		a.log = log
		if err := a.fill(ctx, g.small); err != nil {
			return r, err
		}
		before, err := a.rate(ctx, g.lasting)
		if err != nil {
			return r, err
		}
		if err := a.fill(ctx, g.large); err != nil {
			return r, err
		}
		began, err := usage.Take()
		if err != nil {
			return r, err
		}
		profiled, err := m.profileItself()
		if err != nil {
			return r, err
		}
		after, err := a.rate(ctx, g.lasting)
		if err := errors.Join(err, profiled()); err != nil {
			return r, err
		}
		ended, err := usage.Take()
		if err != nil {
			return r, err
		}
		r = newResult()
		r.Values[rate], r.Values[slowdown] = after, after/before
		r.use(ended.Since(began), after*g.lasting.Seconds())
		return r, nil
	}
}

func openLog(ctx context.Context, site subject.Site, postgres bool, options store.Options) (log store.Store, closeLog func() error, err error) {
	if !postgres {
		log, err = store.OpenSQLite(ctx, filepath.Join(site.Dir, "griphub.db"), options)
		if err != nil {
			return nil, nil, err
		}
		return log, log.Close, nil
	}
	url, stop, err := subject.StartPostgres()
	if err != nil {
		return nil, nil, err
	}
	if log, err = store.OpenPostgres(ctx, url, options); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return log, func() error { return errors.Join(log.Close(), stop()) }, nil
}

// appendBatch is what a busy hub commits at once.
const appendBatch = 1000

// An appender fills a log. Its clock goes on by a microsecond with each event, so that so many microseconds of retention
// keep so many events.
type appender struct {
	log   channels.Log
	start time.Time

	mu      sync.Mutex
	n       int // events so far
	trimmed int // those of them that are gone
}

func (a *appender) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.start.Add(time.Duration(a.n) * time.Microsecond)
}

// append stores a batch of readings of a thousand devices.
func (a *appender) append(ctx context.Context) error {
	now := a.now()
	var batch channels.Batch
	for i := range appendBatch {
		id := fmt.Sprint(i)
		batch.Drafts = append(batch.Drafts, channels.Draft{
			Channels: []channels.Channel{channels.Channel("iot_pump_" + id), "iot_pump"},
			Type:     "data", Data: load.Mark{N: uint64(i)}.AppendJSON(nil, eventBytes),
			Device: channels.DeviceRef{Type: "pump", ID: id}, Time: now.Add(time.Duration(i) * time.Microsecond),
		})
	}
	if _, err := a.log.Append(ctx, batch); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += appendBatch
	return nil
}

// fill appends until so many events are stored.
func (a *appender) fill(ctx context.Context, events int) error {
	for a.n-a.trimmed < events {
		if err := a.append(ctx); err != nil {
			return err
		}
	}
	return nil
}

// trimEvery is how often the log is trimmed: a hub does so once a minute.
const trimEvery = time.Second

// rate tells how many events a second are appended while the oldest are trimmed, so that as many are stored as at the beginning.
// The time that the last of the trimming takes counts, too.
func (a *appender) rate(ctx context.Context, lasting time.Duration) (float64, error) {
	stored := a.n - a.trimmed
	keep := channels.Retention{Age: time.Duration(stored) * time.Microsecond}
	trimmer := channels.Trimmer{Log: a.log, Keep: func(channels.Channel) channels.Retention { return keep }, Now: a.now}
	appended := make(chan struct{})
	var trimming errgroup.Group
	trimming.Go(func() error {
		for {
			select {
			case <-appended:
				return trimmer.Pass(ctx)
			case <-time.After(trimEvery):
			}
			if err := trimmer.Pass(ctx); err != nil {
				return err
			}
		}
	})
	began, before := time.Now(), a.n
	var err error
	for time.Since(began) < lasting && err == nil {
		err = a.append(ctx)
	}
	close(appended)
	err = errors.Join(err, trimming.Wait())
	a.trimmed = a.n - stored
	return float64(a.n-before) / time.Since(began).Seconds(), err
}
