package channels_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// A tap is a log that shows what is appended to it, and can be held up or made to fail.
type tap struct {
	channels.Log
	gate chan struct{} // not nil: each Append takes one value first
	fail func(channels.Batch) error

	mu      sync.Mutex
	batches []channels.Batch
}

func newTap() *tap {
	return &tap{Log: logtest.NewMemory(time.Now, 0, channels.Retention{})}
}

func (l *tap) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	l.batches = append(l.batches, batch)
	l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(batch); err != nil {
			return nil, err
		}
	}
	return l.Log.Append(ctx, batch)
}

// sizes are how many drafts each transaction had.
func (l *tap) sizes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sizes []int
	for _, b := range l.batches {
		sizes = append(sizes, len(b.Drafts))
	}
	return sizes
}

// A record is a sink that keeps what it is handed.
type record struct {
	mu    sync.Mutex
	calls [][]channels.Event
}

func (r *record) Send(events []channels.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, slices.Clone(events))
}

func (r *record) events() []channels.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.calls...)
}

var keepAll = channels.Rules{
	{Match: "gauge**", Unstored: true},
	{Match: "**", Read: channels.AccessPublic},
}

// A scene is a publisher that runs.
type scene struct {
	*testing.T
	*channels.Publisher
	log  *tap
	sink *record
	stop context.CancelFunc
	done chan error
}

func (s *scene) run() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.Publisher.Run(ctx) }()
}

// end stops the publisher and waits for it.
func (s *scene) end() {
	s.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.Errorf("Run: %v", err)
	}
}

// play runs a scene in a bubble of its own: time stands still unless all wait, and no goroutine may remain.
func play(t *testing.T, act func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, log: newTap(), sink: &record{}}
		s.Publisher = channels.NewPublisher(s.log, keepAll, s.sink, time.Now)
		s.run()
		act(s)
		s.end()
	})
}

func plain(channel channels.Channel, n int) channels.Draft {
	return channels.Draft{Channels: []channels.Channel{channel}, Type: "t", Data: fmt.Append(nil, n)}
}

func batch(drafts ...channels.Draft) channels.Batch { return channels.Batch{Drafts: drafts} }

func (s *scene) publish(drafts ...channels.Draft) []channels.Event {
	s.Helper()
	events, err := s.Publish(s.Context(), batch(drafts...))
	if err != nil || len(events) != len(drafts) {
		s.Fatalf("publishing %d drafts: %d events, %v", len(drafts), len(events), err)
	}
	return events
}

// An answer is what a Publish in the background came to.
type answer struct {
	events []channels.Event
	err    error
}

// publishers publishes each batch at the same time.
func (s *scene) publishers(batches ...channels.Batch) []chan answer {
	answers := make([]chan answer, len(batches))
	for i, b := range batches {
		answers[i] = make(chan answer, 1)
		go func() {
			events, err := s.Publish(context.Background(), b)
			answers[i] <- answer{events, err}
		}()
	}
	synctest.Wait()
	return answers
}
