package pushpin

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	firstRestart = 100 * time.Millisecond
	lastRestart  = 5 * time.Second
	// A unit that has lived this long is not misconfigured.
	settled = 2 * time.Second
	// listenAfter is when condure starts to listen: clients who come before the other parts have found each other would
	// be answered by an error, which ends a native EventSource, or not at all. A refused connection they try again.
	listenAfter = 400 * time.Millisecond
)

// A unit is the children that have to start again together.
//
// Condure, proxy and handler are one: each remembers connections that the others hold, and a
// handler that starts anew knows no subscriber, whose streams would stay open and silent. When all
// start again, clients are cut off and come back at once. Zurl is its own: holds do not need it.
type unit []child

// keep runs the unit until ctx ends. It fails only where the unit has never worked.
func (u unit) keep(ctx context.Context, dir string, files uint64, log *slog.Logger) error {
	delay := firstRestart
	for first := true; ; first = false {
		lived, err := u.run(ctx, dir, files, log)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // how children end that were told to is no failure
		case first && lived < settled && !killed(err):
			return err
		case lived > lastRestart:
			delay = firstRestart
		}
		log.Error("pushpin: a part ended, starting it again", "error", err, "in", delay)
		if !sleep(ctx, delay) {
			return nil
		}
		delay = min(2*delay, lastRestart)
	}
}

// run runs all children until the first of them has ended, and then ends the others. It tells how the
// first one ended, and how long that took.
func (u unit) run(ctx context.Context, dir string, files uint64, log *slog.Logger) (lived time.Duration, err error) {
	start := time.Now()
	var first sync.Once
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range u {
		g.Go(func() error {
			if c.after > 0 && !sleep(ctx, c.after) {
				return ctx.Err()
			}
			err := c.run(ctx, dir, files, log)
			first.Do(func() { lived = time.Since(start) })
			return err
		})
	}
	err = g.Wait()
	return lived, err
}

// killed tells whether a child ended by a signal, which says nothing about its configuration.
func killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && !exit.Exited()
}

// sleep waits for d and tells whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
