package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A stage is a part of the program that runs until it is told to stop.
type stage struct {
	name string
	// run blocks until ctx ends, and then until everything is put away.
	run func(ctx context.Context) error
	// ready blocks until the stages after this one may start; nil where they may at once.
	ready func(ctx context.Context) error
}

// stopPatience bounds how long one stage may take to stop before the next is told to; it goes on
// stopping meanwhile.
const stopPatience = 15 * time.Second

// runStages starts the stages in order. When ctx ends, or a stage does, it stops them one after the other in
// reverse order, so that each can still hand what it holds to those before it: intake first, then the log,
// then the proxies. It returns the first failure.
func runStages(ctx context.Context, log *slog.Logger, stages ...stage) error {
	ended := make(chan error, len(stages))
	var started []*runningStage
	var failure error
	for _, s := range stages {
		r := startStage(s, ended)
		started = append(started, r)
		if failure = r.awaitReady(ctx, ended); failure != nil || ctx.Err() != nil {
			break
		}
	}
	if failure == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case failure = <-ended:
		}
	}
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		select {
		case <-r.done:
			if failure == nil {
				failure = r.err
			}
		case <-time.After(stopPatience):
			log.Warn("a part is slow to stop", "part", r.name)
		}
	}
	return failure
}

// unlessStopped is the error with which a start has failed, nil where it did because ctx has ended: a program that is told
// to stop before it has begun has done so.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

type runningStage struct {
	stage
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// startStage runs the stage with a context of its own. A stage that ends before it is told to has failed.
func startStage(s stage, ended chan<- error) *runningStage {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningStage{stage: s, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		err := s.run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("ended by itself")
			}
			r.err = fmt.Errorf("%s: %w", s.name, err)
			ended <- r.err
			return
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			r.err = fmt.Errorf("stop %s: %w", s.name, err)
		}
	}()
	return r
}

// awaitReady returns when the stage is ready, ctx ends, or with the failure of any stage.
func (r *runningStage) awaitReady(ctx context.Context, ended <-chan error) error {
	if r.ready == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- r.ready(ctx) }()
	select {
	case err := <-ready:
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		return nil
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
