package pushpin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// A controlPort is a proxy's control port that does what a test tells it to.
type controlPort struct {
	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	answer func(w http.ResponseWriter, p posted)
	took   []posted // what was answered with 200, but not empty requests
	all    []posted
}

// posted is a request to a control port.
type posted struct {
	n     int // 1 for the first that was not empty, counting all outcomes
	path  string
	items []postedItem
	size  int
	*http.Request
}

type postedItem struct {
	Channel string
	ID      string
	PrevID  string `json:"prev-id"`
	NoSeq   bool   `json:"no-seq"`
	Formats map[string]struct{ Action, Content string }
}

func (i postedItem) hint() bool { return i.Formats["http-stream"].Action == "hint" }

// newControlPort answers every request as answer does, which takes it if it writes nothing; nil takes everything.
func newControlPort(t testing.TB, answer func(w http.ResponseWriter, p posted)) *controlPort {
	t.Helper()
	c := &controlPort{t: t, answer: answer}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *controlPort) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// As Pushpin does.
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodPost || r.ContentLength < 0 {
		c.t.Errorf("%s %s with length %d", r.Method, r.URL, r.ContentLength)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p := posted{path: r.URL.Path, size: len(text), Request: r}
	if len(text) > 0 {
		var body struct{ Items *[]postedItem }
		if err := json.Unmarshal(text, &body); err != nil || body.Items == nil {
			c.t.Errorf("body %.100q: %v", text, err)
			return
		}
		p.items = *body.Items
		if len(p.items) == 0 {
			return // is anybody there?
		}
	}
	c.mu.Lock()
	p.n = len(c.all) + 1
	c.all = append(c.all, p)
	answer := c.answer
	c.mu.Unlock()
	status := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	if answer != nil {
		answer(status, p)
	}
	if status.code == http.StatusOK {
		c.mu.Lock()
		c.took = append(c.took, p)
		c.mu.Unlock()
	}
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// become changes how the port answers from now on.
func (c *controlPort) become(answer func(w http.ResponseWriter, p posted)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

// ids returns "channel:id" of what was taken, in order, and "channel:hint" for hints.
func (c *controlPort) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, p := range c.took {
		for _, i := range p.items {
			if i.hint() {
				ids = append(ids, i.Channel+":hint")
			} else {
				ids = append(ids, i.Channel+":"+i.ID)
			}
		}
	}
	return ids
}

// requests returns every request so far that was not empty, whatever became of it.
func (c *controlPort) requests() []posted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]posted(nil), c.all...)
}

func (c *controlPort) proxy() grip.Proxy { return parseProxy(c.t, c.server.URL) }

func parseProxy(t testing.TB, url string) grip.Proxy {
	t.Helper()
	p, err := grip.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// listenAt is a control port at an address at which nobody has listened before.
func listenAt(t *testing.T, address string) *controlPort {
	port := &controlPort{t: t}
	server := http.Server{Addr: address, Handler: port}
	listening := make(chan error)
	go func() { listening <- server.ListenAndServe() }()
	t.Cleanup(func() {
		server.Close()
		<-listening
	})
	return port
}

func status(code int) func(http.ResponseWriter, posted) {
	return func(w http.ResponseWriter, _ posted) { w.WriteHeader(code) }
}

// startClient runs a hasty client until the test ends.
func startClient(t testing.TB, options pushpin.Options, proxies ...grip.Proxy) *pushpin.Client {
	t.Helper()
	c, stop := newClient(t, options, proxies...)
	t.Cleanup(stop)
	return c
}

// newClient runs a hasty client until stop.
func newClient(t testing.TB, options pushpin.Options, proxies ...grip.Proxy) (c *pushpin.Client, stop func()) {
	t.Helper()
	c = restingClient(options, proxies...)
	return c, runClient(t, c)
}

// restingClient makes a hasty client that does not run yet.
func restingClient(options pushpin.Options, proxies ...grip.Proxy) *pushpin.Client {
	if options.Render == nil {
		options.Render = render
	}
	if options.DrainTimeout == 0 {
		options.DrainTimeout = 50 * time.Millisecond
	}
	c := pushpin.NewClient(proxies, options)
	c.Hasten()
	return c
}

func runClient(t testing.TB, c *pushpin.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// render makes a line of an event, on its first channel.
func render(dst []grip.Item, e *channels.Event) []grip.Item {
	p := e.Positions[0]
	return append(dst, grip.Item{
		Channel:    string(p.Channel),
		ID:         p.Seq.String(),
		PrevID:     (p.Seq - 1).String(),
		HTTPStream: &grip.HTTPStream{Content: append(bytes.Clone(e.Data), '\n')},
	})
}

// event is the event with the number seq of a channel.
func event(channel string, seq int) channels.Event {
	return sizedEvent(channel, seq, 0)
}

// sizedEvent is an event that weighs about size bytes.
func sizedEvent(channel string, seq, size int) channels.Event {
	data := fmt.Sprintf("%s %d", channel, seq)
	return channels.Event{
		Draft:     channels.Draft{Data: []byte(data + strings.Repeat("x", max(0, size-len(data)-100)))},
		Positions: channels.Cursor{{Channel: channels.Channel(channel), Seq: channels.Seq(seq)}},
	}
}

func flush(t testing.TB, c *pushpin.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.Flush(ctx)
	if ctx.Err() != nil {
		t.Fatalf("Flush: %v", err)
	}
	return err
}

// A logbook remembers what was logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) count(text string) int { return strings.Count(l.String(), text) }
