package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// FuzzServer holds that no request makes a server fail, redirect, or hold a channel that is not its viewer's.
func FuzzServer(f *testing.F) {
	for _, seed := range []struct{ method, target, last, user string }{
		{"GET", "/events/foo/", "foo:0", "7"},
		{"GET", "/events/?channel=a&channel=b%20c&lastEventId=a:1", "", ""},
		{"GET", "/iot/stream/pump/p1/", "iot_pump_p1:9", "7"},
		{"GET", "/iot/poll/pump/?cursor=iot_pump:1&wait=5&limit=3", "", "7"},
		{"GET", "/realtime/sse/", "%40user/7:0", "7"},
		{"GET", "/next/x.y", "", ""},
		{"GET", "/api/channels/foo/events?since=1h", "", ""},
		{"GET", "/api/devices?after=a/b", "", "7"},
		{"HEAD", "/events/%2F/", "error", ""},
		{"OPTIONS", "//", "", ""},
		{"POST", "/api/publish", "", "7 admin"},
		{"GET", "/static/..%2f", "", ""},
	} {
		f.Add(seed.method, seed.target, seed.last, seed.user)
	}
	h := openHub(f)
	h.publish("1", "foo")
	f.Fuzz(func(t *testing.T, method, target, last, user string) {
		if _, err := url.ParseRequestURI(target); err != nil || !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \r\n") {
			return
		}
		if _, err := http.NewRequest(method, target, nil); err != nil {
			return
		}
		if name, _, _ := strings.Cut(user, " "); name != "" {
			if _, err := channels.User(name); err != nil {
				return // an Authenticator vouches for its names
			}
		}
		h.TB = t
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Method = method
		r.Header.Set(grip.HeaderSig, h.gripSig())
		r.Header["Last-Event-Id"] = []string{last}
		r.Header["X-User"] = []string{user}
		w := h.do(r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented || w.Code >= 300 && w.Code < 400 {
			t.Fatalf("%s %s: %d %s\n%s", method, target, w.Code, w.Body, h.logged)
		}
		for _, name := range understand(t, w.Header()).names {
			if name == "events-%40system" || strings.HasPrefix(name, "events-%40user/") && !strings.HasPrefix(target, "/realtime/") {
				t.Fatalf("%s %s is held on %s", method, target, name)
			}
		}
	})
}
