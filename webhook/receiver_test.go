package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/webhook"
)

// patience bounds what takes as long as it takes.
const patience = 30 * time.Second

var secret = webhook.Secret("0123456789abcdef0123456789abcdef")

// A message is what a receiver got.
type message struct {
	id   string
	body channels.BackendEvent
}

// A receiver is an HTTP server that takes what a subscriber sends, and answers as it is told to.
type receiver struct {
	testing.TB
	*httptest.Server
	// answer is asked for each request with the number of requests before it.
	answer func(n int, w http.ResponseWriter, r *http.Request)

	mu   sync.Mutex
	all  []message
	news chan struct{}
}

// status answers with the statuses in turn, and then with 204.
func status(codes ...int) func(int, http.ResponseWriter, *http.Request) {
	return func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < len(codes) {
			w.WriteHeader(codes[n])
			_, _ = fmt.Fprintf(w, "answer %d", n)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func newReceiver(t testing.TB, answer func(int, http.ResponseWriter, *http.Request)) *receiver {
	t.Helper()
	r := &receiver{TB: t, answer: answer, news: make(chan struct{}, 10_000)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if err := secret.Verify(req.Header, body, time.Now()); err != nil {
		r.Errorf("%s: %v", body, err)
	}
	m := message{id: req.Header.Get(webhook.HeaderID)}
	if err := json.Unmarshal(body, &m.body); err != nil {
		r.Errorf("%s: %v", body, err)
	}
	if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
		r.Errorf("the request is %s of %s", req.Method, req.Header.Get("Content-Type"))
	}
	r.mu.Lock()
	n := len(r.all)
	r.all = append(r.all, m)
	r.mu.Unlock()
	r.news <- struct{}{}
	r.answer(n, w, req)
}

// await waits for so many requests, and returns all.
func (r *receiver) await(n int) []message {
	r.Helper()
	for deadline := time.After(patience); ; {
		r.mu.Lock()
		all := append([]message(nil), r.all...)
		r.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-r.news:
		case <-deadline:
			r.Fatalf("got %d messages, want %d", len(all), n)
		}
	}
}

// ids are the messages' own.
func ids(all []message) string {
	var text []string
	for _, m := range all {
		text = append(text, m.id)
	}
	return fmt.Sprint(text)
}

// A scene is a log, and a subscriber that follows it.
type scene struct {
	testing.TB
	log    *logtest.Memory
	bell   *channels.Bell
	logged *lockedBuffer
	opts   webhook.SubscriberOptions
}

// lockedBuffer is a log that is written to while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newScene(t testing.TB, url string) *scene {
	t.Helper()
	s := &scene{TB: t, log: logtest.NewMemory(time.Now, 0, channels.Retention{}), bell: &channels.Bell{}, logged: &lockedBuffer{}}
	s.opts = webhook.SubscriberOptions{
		Name: "crm", Channels: []channels.Channel{"orders", channels.System}, Retries: 2,
		Endpoint: webhook.Endpoint{URL: url, Secret: secret, Timeout: 2 * time.Second},
		Log:      s.log, Bell: s.bell, Logger: slog.New(slog.NewTextHandler(s.logged, nil)), Now: time.Now,
	}
	return s
}

// start runs a subscriber until stop is called, or the test ends.
func (s *scene) start() (sub *webhook.Subscriber, stop func()) {
	s.Helper()
	sub, err := webhook.NewSubscriber(s.opts)
	if err != nil {
		s.Fatal(err)
	}
	sub.Hurry()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sub.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("Run: %v", err)
		}
	})
	s.Cleanup(stop)
	s.eventually("the subscriber keeps its place", func() bool { return s.bookmark() != "" })
	return sub, stop
}

func (s *scene) bookmark() string {
	s.Helper()
	cursor, err := s.log.Bookmark(context.Background(), "webhook/crm")
	if err != nil {
		s.Fatal(err)
	}
	return cursor.String()
}

func (s *scene) eventually(what string, is func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain: %s\n%s", what, s.logged)
		}
	}
}

// publish stores an event and rings.
func (s *scene) publish(channel channels.Channel, eventType, data string) channels.Event {
	s.Helper()
	return s.append(channels.Draft{Channels: []channels.Channel{channel}, Type: eventType, Data: []byte(data), Private: []byte(`{"secret":true}`)})
}

func (s *scene) append(d channels.Draft) channels.Event {
	s.Helper()
	events, err := s.log.Append(context.Background(), channels.Batch{Drafts: []channels.Draft{d}})
	if err != nil {
		s.Fatal(err)
	}
	s.bell.Send(events)
	return events[0]
}

func (s *scene) undelivered() []channels.Undelivered {
	s.Helper()
	list, err := s.log.Undelivered(context.Background(), channels.UndeliveredQuery{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	return list
}
