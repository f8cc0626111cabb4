package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"testing"
	"time"
)

// EventSourceOptions are what a browser's EventSource has from its page. The zero value is a plain one.
type EventSourceOptions struct {
	// Header is sent with each request: cookies, and what polyfills can set.
	Header http.Header
	// Retry is the reconnection time until the stream sets one with "retry:". 0 means 100 ms; browsers take seconds.
	Retry time.Duration
	// Stubborn connects again after HTTP errors too, and where no answer comes for 5 s, which browsers do not. It is for
	// scenes in which the proxy goes away: one that has just started answers with errors, or not at all, for an instant.
	Stubborn bool
	// Client makes the requests; nil for one with a connection of its own.
	Client *http.Client
}

// An EventSource follows an event stream as browsers do by the HTML Standard, section 9.2: when the connection is lost
// or ends it asks again with Last-Event-ID, and it gives up at any answer that is not 200 with text/event-stream, unless it
// is told to be stubborn. It keeps everything it has seen. It is closed at the end of the test.
type EventSource struct {
	url     string
	options EventSourceOptions
	client  *http.Client
	events  feed[Event]
	cancel  context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	retry    time.Duration
	lastID   string
	raw      []byte
	header   http.Header
	opens    int
	comments []Comment
	cut      context.CancelFunc
	err      error
}

// Watch opens an EventSource, and returns at once.
func Watch(t testing.TB, url string, options EventSourceOptions) *EventSource {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	// A connection of its own, which nothing else keeps open.
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	if options.Stubborn {
		transport.ResponseHeaderTimeout = 5 * time.Second
	}
	s := &EventSource{
		url: url, options: options, client: options.Client,
		cancel: cancel, done: make(chan struct{}), retry: options.Retry,
	}
	if s.client == nil {
		s.client = &http.Client{Transport: transport}
	}
	if s.retry == 0 {
		s.retry = 100 * time.Millisecond
	}
	go s.run(ctx)
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("%s: %s", url, s.summary())
		}
	})
	return s
}

// Close ends it, as a page that is left does.
func (s *EventSource) Close() {
	s.cancel()
	<-s.done
}

// Cut breaks the connection, as a network does that is lost. The EventSource connects again by itself.
func (s *EventSource) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut != nil {
		s.cut()
	}
}

// Next returns the next event that is not a "keep-alive" and not taken yet. It fails the test if none comes.
func (s *EventSource) Next(t testing.TB) Event {
	t.Helper()
	return s.Find(t, "any event", func(Event) bool { return true })
}

// Find takes events until one matches; what names it in the failure if none does. A "keep-alive" never matches.
func (s *EventSource) Find(t testing.TB, what string, match func(Event) bool) Event {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; {
		e, ok := s.events.take(deadline)
		if !ok {
			t.Fatalf("%s: waited in vain for %s", s.url, what)
		}
		if e.Type != "keep-alive" && match(e) {
			return e
		}
	}
}

// Expect returns the next event, which must be of the type.
func (s *EventSource) Expect(t testing.TB, eventType string) Event {
	t.Helper()
	e := s.Next(t)
	if e.Type != eventType {
		t.Fatalf("%s: got event %q with data %.200q, want event %q", s.url, e.Type, e.Data, eventType)
	}
	return e
}

// AwaitEnd returns why the EventSource has given up, waiting until it does.
func (s *EventSource) AwaitEnd(t testing.TB) error {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(Patience):
		t.Fatalf("%s: waited in vain for the EventSource to give up", s.url)
	}
	return s.err
}

// Events are all events so far, taken or not.
func (s *EventSource) Events() []Event { return s.events.all() }

// Comments are all comments so far.
func (s *EventSource) Comments() []Comment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.comments[:len(s.comments):len(s.comments)]
}

// Raw is what the newest connection has brought so far, byte for byte.
func (s *EventSource) Raw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.raw)
}

// Header is that of the newest answer, nil before the first.
func (s *EventSource) Header() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.header
}

// Opens is how often a connection was opened.
func (s *EventSource) Opens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens
}

func (s *EventSource) summary() string {
	events := s.Events()
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 5
	last := events[max(0, len(events)-most):]
	return fmt.Sprintf("opened %d times, %d events, %d comments, end: %v; the last events: %+v",
		s.opens, len(events), len(s.comments), s.err, last)
}

// errFutile tells an answer after which an EventSource does not connect again.
var errFutile = errors.New("gave up")

func (s *EventSource) run(ctx context.Context) {
	defer close(s.done)
	defer s.events.end()
	for {
		err := s.connect(ctx)
		s.mu.Lock()
		s.err = err
		pause := s.retry
		s.mu.Unlock()
		if errors.Is(err, errFutile) && !s.options.Stubborn {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// connect opens the stream and reads it to its end.
func (s *EventSource) connect(ctx context.Context) error {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errFutile, err)
	}
	for name, values := range s.options.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cache-Control", "no-store")
	s.mu.Lock()
	s.cut = cut
	if s.lastID != "" {
		req.Header.Set("Last-Event-ID", s.lastID)
	}
	s.mu.Unlock()
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s.mu.Lock()
	s.header = resp.Header
	s.raw = nil
	s.mu.Unlock()
	if err := acceptable(resp); err != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		s.keepRaw(body)
		return err
	}
	s.mu.Lock()
	s.opens++
	s.mu.Unlock()
	return s.parser().read(io.TeeReader(resp.Body, writerFunc(s.keepRaw)))
}

func acceptable(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", errFutile, resp.StatusCode)
	}
	contentType := resp.Header.Get("Content-Type")
	if essence, _, err := mime.ParseMediaType(contentType); err != nil || essence != "text/event-stream" {
		return fmt.Errorf("%w: content type %q", errFutile, contentType)
	}
	return nil
}

func (s *EventSource) parser() *parser {
	return &parser{
		event: s.events.add,
		comment: func(c Comment) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.comments = append(s.comments, c)
		},
		retry: func(d time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.retry = d
		},
		lastID: func(id string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lastID = id
		},
	}
}

func (s *EventSource) keepRaw(part []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw = append(s.raw, part...)
}

type writerFunc func([]byte)

func (f writerFunc) Write(part []byte) (int, error) {
	f(part)
	return len(part), nil
}
