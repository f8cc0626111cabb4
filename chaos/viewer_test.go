package chaos

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// A viewer watches channels until it is left.
type viewer interface {
	// what it is, such as "event stream", and what it watches.
	what() (kind, path string)
	watches() []string
	// place is where it stands on the channel, ok is false for nowhere yet.
	place(channel string) (seq int64, ok bool)
	// connections counts how often it has connected.
	connections() int
	// left tells that nobody watches any more: it need not have seen everything.
	left() bool
	// result is what it was shown. It is called when the viewer is closed.
	result() *view
	close()
}

// A stream is an EventSource on a page.
type stream struct {
	path     string
	channels []string
	source   *e2e.EventSource
	passing  bool // the page is left before the end

	mu     sync.Mutex
	parsed int // events that were looked at for at
	at     map[string]int64
}

// openStream opens a page with an EventSource on the path. Its script opens it anew where the browser gives up, with
// the last event's id, and where no answer comes.
func openStream(t *testing.T, url func(string) string, path string, channels ...string) *stream {
	t.Helper()
	return &stream{
		path: path, channels: channels, at: map[string]int64{},
		source: e2e.Watch(t, url(path), e2e.EventSourceOptions{Retry: 200 * time.Millisecond, Stubborn: true}),
	}
}

func (s *stream) what() (kind, path string) {
	if s.passing {
		return "event stream, left", s.path
	}
	return "event stream", s.path
}
func (s *stream) watches() []string { return s.channels }
func (s *stream) connections() int  { return s.source.Opens() }
func (s *stream) result() *view     { return viewStream(s.source.Events()) }

func (s *stream) place(channel string) (seq int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.source.Events()
	for _, e := range events[s.parsed:] {
		if cursor, err := e2e.ParseCursor(e.ID); err == nil {
			s.at = cursor
		}
	}
	s.parsed = len(events)
	seq, ok = s.at[channel]
	return seq, ok
}

func (s *stream) left() bool { return s.passing }
func (s *stream) close()     { s.source.Close() }

// A watcher is a viewer with a loop of its own.
type watcher struct {
	kind, path string
	channels   []string
	passing    bool // the page is left before the end
	seen       *view
	cancel     context.CancelFunc
	done       chan struct{}

	mu    sync.Mutex
	opens int
}

func newWatcher(kind, path string, channels []string) *watcher {
	return &watcher{kind: kind, path: path, channels: channels, seen: newView(), done: make(chan struct{})}
}

// start runs connect again and again, with a pause between, until the viewer is closed.
func (w *watcher) start(pause time.Duration, connect func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			connect(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
}

func (w *watcher) what() (kind, path string) {
	if w.passing {
		return w.kind + ", left", w.path
	}
	return w.kind, w.path
}
func (w *watcher) watches() []string                         { return w.channels }
func (w *watcher) place(channel string) (seq int64, ok bool) { return w.seen.place(channel) }
func (w *watcher) left() bool                                { return w.passing }

func (w *watcher) opened() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opens++
}

func (w *watcher) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opens
}

func (w *watcher) close() {
	w.cancel()
	<-w.done
}

func (w *watcher) result() *view {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	w.seen.settle()
	return w.seen
}
