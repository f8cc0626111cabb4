package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/griphub/griphub/bench/load"
	"github.com/griphub/griphub/bench/subject"
)

// Appends are events that nobody watches, published by so many clients, each with one request at a time.
type appends struct {
	events, batch, clients int
	// command publishes with `griphub publish --jsonl` instead.
	command bool
}

func (a appends) by(starter subject.Griphub) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (r result, err error) {
		a := a
		a.events = m.scaled(a.events, 2*a.batch*a.clients)
		s, err := starter.Start(ctx, m.site)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		return m.timed(ctx, s, a.events, func() (time.Duration, error) { return a.publish(ctx, s.(*subject.Hub)) })
	}
}

func (a appends) publish(ctx context.Context, hub *subject.Hub) (time.Duration, error) {
	if a.command {
		return hub.PublishCommand(ctx, marked(0, a.events))
	}
	began := time.Now()
	errs := make([]error, a.clients)
	var done sync.WaitGroup
	for client := range a.clients {
		done.Go(func() {
			for left := a.events / a.clients; left > 0 && errs[client] == nil; left -= a.batch {
				errs[client] = hub.Publish(ctx, marked(client, min(left, a.batch)))
			}
		})
	}
	done.Wait()
	return time.Since(began), errors.Join(errs...)
}

// marked are n events for one of a hundred channels each.
func marked(first, n int) []subject.Event {
	const channels = 100
	events := make([]subject.Event, n)
	for i := range events {
		events[i] = subject.Event{Channel: (first + i) % channels, Data: load.Mark{N: uint64(i), At: load.Now()}.AppendJSON(nil, eventBytes)}
	}
	return events
}

// A holding asks griphub itself, without the proxy, for streams: what a proxy's hold request costs it.
type holding struct {
	requests, clients int
	// missed is how many events each stream has missed; 0 for a stream that begins.
	missed int
}

func (h holding) by(starter subject.Griphub) func(context.Context, *measurement) (result, error) {
	return func(ctx context.Context, m *measurement) (r result, err error) {
		h := h
		h.requests = m.scaled(h.requests, 4*h.clients)
		s, err := starter.Start(ctx, m.site)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		hub := s.(*subject.Hub)
		const channel, stored = 0, 1000
		var events []subject.Event
		for i := range stored {
			events = append(events, subject.Event{Channel: channel, Data: load.Mark{N: uint64(i + 1), At: load.Now()}.AppendJSON(nil, eventBytes)})
		}
		if err := hub.Publish(ctx, events); err != nil {
			return r, err
		}
		cursor := ""
		if h.missed > 0 {
			cursor = hub.Cursor(channel, stored-h.missed)
		}
		return m.timed(ctx, s, h.requests, func() (time.Duration, error) {
			began := time.Now()
			err := h.ask(ctx, hub, channel, cursor)
			return time.Since(began), err
		})
	}
}

// ask makes the requests.
func (h holding) ask(ctx context.Context, hub *subject.Hub, channel int, cursor string) error {
	errs := make([]error, h.clients)
	var done sync.WaitGroup
	for client := range h.clients {
		done.Go(func() {
			asker, err := load.NewAsker(ctx, hub.Backend()+hub.StreamPath(channel), cursor)
			if err != nil {
				errs[client] = err
				return
			}
			defer asker.Close()
			for range h.requests / h.clients {
				n, err := asker.Ask()
				if err == nil && n < uint64(h.missed) {
					err = fmt.Errorf("the answer has %d events, want %d", n, h.missed)
				}
				if err != nil {
					errs[client] = err
					return
				}
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}
