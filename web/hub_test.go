package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
	"github.com/griphub/griphub/web"
)

// postgres starts for the tests that need it.
var postgres pgtest.Server

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(postgres.Main(m))
}

const (
	proxySecret = "0123456789abcdef-proxy"
	linkSecret  = "0123456789abcdef-links"
	publishKey  = "0123456789abcdef-publisher"
)

// A clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// visitors authenticates by the header X-User, so that scenes can say who asks: "7", "7 admin", "7 reads=a_* writes=b".
type visitors struct{}

func (visitors) Authenticate(r *http.Request) (channels.Principal, error) {
	var p channels.Principal
	for i, word := range strings.Fields(r.Header.Get("X-User")) {
		reads, isReads := strings.CutPrefix(word, "reads=")
		writes, isWrites := strings.CutPrefix(word, "writes=")
		switch {
		case word == "forged":
			return p, fmt.Errorf("SECRET: the token is not signed by us")
		case i == 0:
			p.User = word
		case word == "admin":
			p.Admin = true
		case isReads:
			p.Channels = append(p.Channels, channels.Pattern(reads))
		case isWrites:
			p.Publish = append(p.Publish, channels.Pattern(writes))
		case strings.HasPrefix(word, "until="):
			end, err := time.Parse(time.RFC3339, word[len("until="):])
			if err != nil {
				return p, err
			}
			p.Expires = end
		}
	}
	return p, nil
}

// A hub is a server on a real store, without a proxy.
type hub struct {
	testing.TB
	server    *web.Server
	store     store.Store
	publisher *channels.Publisher
	clock     *clock
	logged    *bytes.Buffer
	sent      *sentEvents
	key       grip.Key
}

// sentEvents is a sink.
type sentEvents struct {
	mu     sync.Mutex
	events []channels.Event
}

func (s *sentEvents) Send(events []channels.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
}

// standardRules: names say who may read.
var standardRules = channels.Rules{
	{Match: "iot_**", Read: channels.AccessAuthenticated},
	{Match: "token_**", Read: channels.AccessToken},
	{Match: "members_**", Read: channels.AccessAuthenticated},
	{Match: "shared_**", Read: channels.AccessPublic, Shared: true},
	{Match: "hidden", Read: channels.AccessNobody},
	{Match: "gauge**", Read: channels.AccessPublic, Unstored: true},
	{Match: "**", Read: channels.AccessPublic},
}

// openHub starts a hub; change adjusts its options.
func openHub(t testing.TB, changes ...func(*web.Options)) *hub {
	t.Helper()
	return openHubOn(t, "sqlite:"+filepath.Join(t.TempDir(), "hub.db"), changes...)
}

// openHubOn starts a hub on the database.
func openHubOn(t testing.TB, database string, changes ...func(*web.Options)) *hub {
	t.Helper()
	h := &hub{TB: t, clock: &clock{now: time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)}, logged: &bytes.Buffer{}, sent: &sentEvents{}}
	var err error
	if h.store, err = store.Open(t.Context(), database, store.Options{Now: h.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if h.key, err = grip.NewSecret([]byte(proxySecret)); err != nil {
		t.Fatal(err)
	}
	sealer, err := web.NewSealer(linkSecret)
	if err != nil {
		t.Fatal(err)
	}
	h.publisher = channels.NewPublisher(h.store, standardRules, h.sent, h.clock.Now)
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.publisher.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	opts := web.Options{
		Log: h.store, Records: h.store, Reader: channels.NewReader(h.store, standardRules), Publisher: h.publisher, Registry: h.store, Editor: h.store, Moments: h.store,
		Authenticator: visitors{}, Authorizer: standardRules, Sealer: sealer,
		Verifier:     grip.NewVerifier([]grip.Proxy{{Key: h.key}}),
		RequireProxy: true,
		Stream: web.StreamOptions{
			MaxChannels: 10, KeepAlive: 20 * time.Second, DeviceKeepAlive: 30 * time.Second, RealtimeKeepAlive: 5 * time.Second,
			Recheck: time.Minute,
		},
		PublishKeys: []web.PublishKey{
			{Name: "another", Digest: sha256.Sum256([]byte("0123456789abcdef-another"))},
			{Name: "standard", Digest: sha256.Sum256([]byte(publishKey))},
		},
		Logger: slog.New(slog.NewTextHandler(h.logged, nil)),
		Now:    h.clock.Now,
	}
	for _, change := range changes {
		change(&opts)
	}
	if h.server, err = web.NewServer(opts); err != nil {
		t.Fatal(err)
	}
	return h
}

// gripSig is what the proxy signs requests with.
func (h *hub) gripSig() string {
	h.Helper()
	sig, err := h.key.Sign("pushpin", h.clock.Now().Add(time.Hour))
	if err != nil {
		h.Fatal(err)
	}
	return sig
}

// request is one through the proxy; fields are header names and values in turn.
func (h *hub) request(method, target string, body io.Reader, fields ...string) *http.Request {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), method, target, body)
	r.Header.Set(grip.HeaderSig, h.gripSig())
	for i := 0; i < len(fields); i += 2 {
		r.Header.Del(fields[i])
		if fields[i+1] != "" {
			r.Header.Set(fields[i], fields[i+1])
		}
	}
	return r
}

func (h *hub) do(r *http.Request) *httptest.ResponseRecorder {
	h.Helper()
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	return w
}

func (h *hub) get(target string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	return h.do(h.request(http.MethodGet, target, nil, fields...))
}

func (h *hub) post(target, body string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	return h.do(h.request(http.MethodPost, target, strings.NewReader(body), fields...))
}

// publish stores an event with the data on the channels.
func (h *hub) publish(data string, on ...channels.Channel) channels.Event {
	h.Helper()
	return h.publishDraft(channels.Draft{Channels: on, Type: "message", Data: []byte(data)})
}

func (h *hub) publishDraft(d channels.Draft) channels.Event {
	h.Helper()
	events, err := h.publisher.Publish(h.Context(), channels.Batch{Drafts: []channels.Draft{d}})
	if err != nil {
		h.Fatal(err)
	}
	return events[0]
}

// device stores an event of a device, and the device as it is after it.
func (h *hub) device(deviceType, id, data string) channels.Event {
	h.Helper()
	ref := channels.DeviceRef{Type: deviceType, ID: id}
	d, err := devices.Broadcast(ref, devices.EventData, json.RawMessage(data), h.clock.Now())
	if err != nil {
		h.Fatal(err)
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(data), &values); err != nil {
		h.Fatal(err)
	}
	state := devices.Changes{{DeviceRef: ref, Register: true, State: devices.State{
		Status: devices.Online, LastSeen: h.clock.Now(), Values: values}}}
	events, err := h.publisher.Publish(h.Context(), channels.Batch{Drafts: []channels.Draft{d}, State: []any{state}})
	if err != nil {
		h.Fatal(err)
	}
	return events[0]
}

// trim deletes all events but the newest of each channel.
func (h *hub) trim() {
	h.Helper()
	newest := func(channels.Channel) channels.Retention { return channels.Retention{Count: 1} }
	for {
		n, err := h.store.Trim(h.Context(), newest, h.clock.Now())
		if err != nil {
			h.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// wantHeader compares one header.
func wantHeader(t testing.TB, w *httptest.ResponseRecorder, name, want string) {
	t.Helper()
	if got := w.Header().Get(name); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// A problem is an error body, in both of its shapes.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		At      string `json:"at"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
	} `json:"error"`
}

// wantProblem reads an answer that is an error of the status.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int) problem {
	t.Helper()
	var p problem
	if w.Code != status {
		t.Errorf("the status is %d, want %d: %s", w.Code, status, w.Body)
		return p
	}
	wantHeader(t, w, "Content-Type", "application/problem+json")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("the body %q: %v", w.Body, err)
		return p
	}
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" || p.Detail != p.Error.Message || p.Error.Code == "" {
		t.Errorf("the problem is %s", w.Body)
	}
	if cache := w.Header().Get("Cache-Control"); cache != "no-store" && cache != "no-cache" {
		t.Errorf("an intermediary may keep the problem: Cache-Control is %q", cache)
	}
	if challenge := w.Header().Get("WWW-Authenticate"); (status == http.StatusUnauthorized) != (challenge == `Bearer realm="griphub"` && p.Error.Code == "unauthorized") {
		t.Errorf("the challenge is %q, the code %q", challenge, p.Error.Code)
	}
	return p
}

// wantPostponed demands what has a native EventSource come back in a while: a stream that ends at once.
func wantPostponed(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	wantHeader(t, w, "Content-Type", "text/event-stream")
	if body := w.Body.String(); w.Code != http.StatusOK || body != "retry: 5000\n" {
		t.Errorf("the answer is %d %q", w.Code, body)
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Grip-") {
			t.Errorf("the proxy holds it: %v", w.Header())
		}
	}
}

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
