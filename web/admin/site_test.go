package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/web"
	"github.com/griphub/griphub/web/admin"
)

// A scene is the pages behind the server that they are a part of, on a real store.
type scene struct {
	testing.TB
	server *web.Server
	store  store.Store
	sealer *web.Sealer
	sender *sender
	now    time.Time
	// as is who asks, as visitors read it.
	as string
}

// visitors authenticates by the header X-User, as "7" or "7 admin", or by a token of the same form, with a "." for the blank.
type visitors struct{ until time.Time }

func (v visitors) Authenticate(r *http.Request) (channels.Principal, error) {
	text := r.Header.Get("X-User")
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		text = strings.ReplaceAll(token, ".", " ")
	} else if cookie, err := r.Cookie("griphub_token"); err == nil {
		text = strings.ReplaceAll(cookie.Value, ".", " ")
	}
	user, rest, _ := strings.Cut(text, " ")
	switch user {
	case "forged":
		return channels.Principal{}, fmt.Errorf("SECRET: forged")
	case "undecided":
		return channels.Principal{}, web.ErrUndecided
	case "expired":
		return channels.Principal{User: user, Admin: true, Expires: v.until.Add(-24 * time.Hour)}, nil
	}
	return channels.Principal{User: user, Admin: rest == "admin", Expires: v.until}, nil
}

// A sender takes commands, and answers none.
type sender struct{ sent []string }

func (s *sender) Send(_ context.Context, _ channels.DeviceRef, message []byte, _ string, _ time.Duration) error {
	s.sent = append(s.sent, string(message))
	return nil
}

func (s *sender) Answers() bool { return false }

// audience says that two watch every channel.
type audience struct{}

func (audience) Presence(channels.Channel) []channels.Presence {
	return []channels.Presence{{Viewers: 2, State: channels.PresenceKnown}}
}

var rules = channels.Rules{
	{Match: "quiet", Read: channels.AccessNobody, Unstored: true},
	{Match: "short", Read: channels.AccessToken, Retention: channels.Retention{Age: time.Hour, Count: 7}},
	{Match: "**", Read: channels.AccessPublic, Retention: channels.Retention{Age: 48 * time.Hour}},
}

func open(t testing.TB, changes ...func(*admin.Options)) *scene {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	s := &scene{TB: t, now: time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC), as: "ops admin", sender: &sender{}}
	clock := func() time.Time { return s.now }
	var err error
	if s.store, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "hub.db"), store.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	publisher := channels.NewPublisher(s.store, rules, channels.Sinks{}, clock)
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.sealer, err = web.NewSealer("a secret of sixteen bytes"); err != nil {
		t.Fatal(err)
	}
	reader := channels.NewReader(s.store, rules)
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	options := admin.Options{
		Log: s.store, Records: s.store, Overview: s.store, Publisher: publisher, Rules: rules, Registry: s.store, Editor: s.store,
		Commander: devices.NewCommander(reader, publisher, s.store, s.sender, clock), Audience: audience{},
		Authenticator: visitors{s.now.Add(24 * time.Hour)}, Cookie: "griphub_token", Sealer: s.sealer,
		Health: func() admin.Health {
			return admin.Health{
				Proxies: []admin.Proxy{{Name: "http://127.0.0.1:5561", State: "down", Error: "connection refused"}},
				Broker:  admin.Broker{Address: "mqtt://broker", Connected: true}, Problem: "no proxy",
			}
		},
		Metrics: registry, Logger: log, Now: clock,
	}
	for _, change := range changes {
		change(&options)
	}
	pages, err := admin.New(options)
	if err != nil {
		t.Fatal(err)
	}
	s.server, err = web.NewServer(web.Options{
		Log: s.store, Records: s.store, Reader: reader, Publisher: publisher, Registry: s.store, Editor: s.store, Moments: s.store,
		Authenticator: options.Authenticator, Authorizer: rules, Sealer: s.sealer, Admin: pages, Registerer: registry, Stream: web.StreamOptions{MaxChannels: 10}, Logger: log, Now: clock,
		CORS: web.CORS{Origins: []string{"https://friend.test"}, Credentials: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do makes a request; fields are header names and values in turn.
func (s *scene) do(method, target, body string, fields ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, target, strings.NewReader(body))
	r.Header.Set("X-User", s.as)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

func (s *scene) get(target string) *httptest.ResponseRecorder {
	s.Helper()
	return s.do(http.MethodGet, target, "")
}

// page is the text of a page that is there.
func (s *scene) page(target string) string {
	s.Helper()
	w := s.get(target)
	if w.Code != http.StatusOK {
		s.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// formToken is what forms of the user carry.
func (s *scene) formToken(user string) string {
	s.Helper()
	text, err := s.sealer.Seal("admin-form", user, s.now.Add(time.Hour))
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// send posts a form of names and values in turn, with the token of who asks.
func (s *scene) send(target string, pairs ...string) *httptest.ResponseRecorder {
	s.Helper()
	user, _, _ := strings.Cut(s.as, " ")
	form := url.Values{"form": {s.formToken(user)}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return s.do(http.MethodPost, target, form.Encode())
}

func (s *scene) append(batch channels.Batch) []channels.Event {
	s.Helper()
	events, err := s.store.Append(s.Context(), batch)
	if err != nil {
		s.Fatal(err)
	}
	return events
}

// event stores one.
func (s *scene) event(eventType, data string, on ...channels.Channel) channels.Event {
	s.Helper()
	return s.append(channels.Batch{Drafts: []channels.Draft{{Channels: on, Type: eventType, Data: []byte(data), Scope: channels.ScopeChannel}}})[0]
}

// device registers one.
func (s *scene) device(deviceType, id string) channels.DeviceRef {
	s.Helper()
	ref := channels.DeviceRef{Type: deviceType, ID: id}
	s.append(channels.Batch{State: []any{devices.Changes{{DeviceRef: ref, Register: true, State: devices.State{
		Status: devices.Online, LastSeen: s.now, Values: map[string]json.RawMessage{"flow": json.RawMessage("1.5")},
	}}}}})
	return ref
}

// letter puts a message away.
func (s *scene) letter(subscriber string) int64 {
	s.Helper()
	s.append(channels.Batch{State: []any{channels.Undelivered{Subscriber: subscriber, Event: 1, Message: "m", Body: []byte(`{"n":1}`), Reason: "422"}}})
	found, err := s.store.Undelivered(s.Context(), channels.UndeliveredQuery{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	return found[0].ID
}

// everything fills the log, and returns the pages that show it.
func (s *scene) everything() []string {
	e := s.append(channels.Batch{
		Drafts:  []channels.Draft{{Channels: []channels.Channel{"room"}, Type: "note", Data: []byte(`{"n":1}`), Private: []byte(`"SECRET"`), Scope: channels.ScopeChannel}},
		Refused: []channels.Refusal{{Source: "things/x", Reason: "no JSON", Payload: []byte("SECRET")}},
	})[0]
	s.device("pump", "p1")
	letter := s.letter("crm")
	return []string{
		"/admin", "/admin/", "/admin/?channel=room", fmt.Sprint("/admin/events/", e.ID), "/admin/devices", "/admin/device?type=pump&id=p1",
		"/admin/channels", "/admin/channel?name=room", "/admin/channel?name=quiet", "/admin/dead", fmt.Sprint("/admin/dead/", letter),
		"/admin/refused", "/admin/refused/1", "/admin/system",
	}
}

// rowsOf are the first cells of the list in the page.
func rowsOf(page string) []string {
	var rows []string
	for _, m := range regexp.MustCompile(`(?s)<th scope="row"><a href="[^"]*">(.*?)</a>`).FindAllStringSubmatch(page, -1) {
		rows = append(rows, html.UnescapeString(m[1]))
	}
	return rows
}
