package web_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

// A naming handler names the request in each record.
type naming struct{ slog.Handler }

func (n naming) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("request", web.RequestID(ctx)))
	return n.Handler.Handle(ctx, r)
}

// loggedHub logs with the request's id.
func loggedHub(t *testing.T, changes ...func(*web.Options)) (h *hub, logged *strings.Builder) {
	t.Helper()
	logged = new(strings.Builder)
	log := slog.New(naming{slog.NewTextHandler(logged, nil)})
	return openHub(t, append(changes, func(o *web.Options) { o.Logger = log })...), logged
}

func TestARequestKeepsItsIDOrGetsOne(t *testing.T) {
	h, _ := loggedHub(t)
	for given, kept := range map[string]bool{
		"7b5ee1a2-1f1f-4c5a-9c5b-0d2f6f0c9a11": true, "01ARZ3NDEKTSV4RRFFQ69G5FAV": true, "a/b+c==": true, "1-67891233:abc_d.e": true,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "": false, "a b": false, "a\tb": false, `a"b`: false, "é": false, "a;b": false, "a,b": false,
	} {
		for _, target := range []string{"/events/foo/", "/nowhere", "/api/devices"} {
			w := h.get(target, "X-Request-Id", given)
			got := w.Header().Get("X-Request-Id")
			if (got == given) != kept || !kept && !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(got) {
				t.Errorf("%s: of the id %q it makes %q", target, given, got)
			}
		}
	}
	if one, other := h.get("/").Header().Get("X-Request-Id"), h.get("/").Header().Get("X-Request-Id"); one == other {
		t.Errorf("two requests have the id %s", one)
	}
}

func TestEveryLineOfARequestHasItsID(t *testing.T) {
	h, logged := loggedHub(t, func(o *web.Options) {
		o.AccessLog = true
		o.Log, o.Reader = downLog{o.Log}, channels.NewReader(downLog{}, standardRules)
	})
	h.get("/api/channels/foo/events", "X-Request-Id", "r-1")
	lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "request failed") || !strings.Contains(lines[1], `msg="GET /api/channels/:channel/events" status=500`) {
		t.Errorf("the lines are %q", lines)
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, " request=r-1") {
			t.Errorf("the line has no id: %s", line)
		}
	}
	bug, logged := loggedHub(t, func(o *web.Options) { o.Authenticator = panicking{"a bug"} })
	bug.get("/events/foo/", "X-Request-Id", "r-2")
	if !strings.Contains(logged.String(), "request=r-2") {
		t.Errorf("a panic is logged as %s", logged)
	}
}

func TestTheAccessLogShowsNoSecret(t *testing.T) {
	h, logged := loggedHub(t, func(o *web.Options) { o.AccessLog = true })
	targets := []string{"/events/SECRET/?access_token=SECRET", "/next/SECRET", "/SECRET", "/iot/poll/SECRET/?cursor=SECRET"}
	for _, target := range targets {
		h.get(target, "Authorization", "Bearer SECRET", "Cookie", "griphub_token=SECRET", "X-Request-Id", "r-1")
	}
	if n := strings.Count(logged.String(), "\n"); n != len(targets) || strings.Contains(logged.String(), "SECRET") {
		t.Errorf("%d lines: %s", n, logged)
	}
}

func BenchmarkRequest(b *testing.B) {
	h := openHub(b, func(o *web.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	r := h.request("GET", "/nowhere", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.server.ServeHTTP(httptest.NewRecorder(), r)
	}
}
