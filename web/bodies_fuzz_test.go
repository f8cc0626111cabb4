package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/web"
)

// FuzzBodies holds that no body makes a route that changes something fail: it is done, or refused.
func FuzzBodies(f *testing.F) {
	routes := []struct{ method, path, kind string }{
		{http.MethodPost, "/api/devices", "application/json"},
		{http.MethodPatch, "/api/devices/pump/p1", "application/json"},
		{http.MethodPost, "/api/devices/import?format=csv", "text/csv"},
		{http.MethodPost, "/api/devices/import?format=jsonl", "application/jsonl"},
		{http.MethodPost, "/api/devices/pump/p1/commands", "application/json"},
		{http.MethodPost, "/api/kick", "application/json"},
		{http.MethodPost, "/api/publish", "application/json"},
	}
	for _, seed := range []string{
		`{"type":"pump","id":"p1","groups":[{"id":"g"}],"attributes":{"a":[1]}}`, `[{"type":"pump","id":"p2"},{}]`, `{"name":null,"key":1}`,
		"type,id,name\npump,p3,\"a\nb\"\n", "{\"type\":\"pump\",\"id\":\"p4\"}\n{}", `{"command":"start","payload":{},"timeout":"10s","id":"12345678"}`,
		`{"user":"7","channel":"foo"}`, `{"channel":"foo","event":"x","data":1e400}`, strings.Repeat("[", 100), "\x1f\x8b\x08", "\xff\xfe", "",
	} {
		for i := range routes {
			f.Add(i, seed)
		}
	}
	h := openHub(f)
	f.Fuzz(func(t *testing.T, route int, body string) {
		h.TB = t
		to := routes[uint(route)%uint(len(routes))]
		r := httptest.NewRequest(to.method, to.path, strings.NewReader(body))
		r.Header.Set("Content-Type", to.kind)
		r.Header["X-User"] = []string{"7 admin"}
		if w := h.do(r); w.Code >= 500 && w.Code != http.StatusNotImplemented && w.Code != http.StatusServiceUnavailable {
			t.Fatalf("%s %s: %d %s\n%s", to.method, to.path, w.Code, w.Body, h.logged)
		}
	})
}

// FuzzSince holds that a moment that is read is in the past, or was written with its date.
func FuzzSince(f *testing.F) {
	for _, seed := range []string{"24h", "-1h", "2025-01-15T12:00:00Z", "9223372036854775807ns", "1e9h", "NaN", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
		if at, err := web.ParseSince(text, now); err == nil && at.After(now) && !strings.Contains(text, "T") {
			t.Errorf("%q is %v, which is after %v", text, at, now)
		}
	})
}
