package web_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

func openCORS(t *testing.T, cors web.CORS) *hub {
	t.Helper()
	return openHub(t, func(o *web.Options) { o.CORS = cors })
}

func wantCORS(t testing.TB, w *httptest.ResponseRecorder, origin, credentials string) {
	t.Helper()
	wantHeader(t, w, "Access-Control-Allow-Origin", origin)
	wantHeader(t, w, "Access-Control-Allow-Credentials", credentials)
	if n := len(w.Header().Values("Access-Control-Allow-Origin")); n > 1 {
		t.Errorf("the origin is allowed %d times", n)
	}
}

func TestUnlessConfiguredNoOtherSiteReads(t *testing.T) {
	h := openCORS(t, web.CORS{})
	for _, origin := range []string{"https://a.example", "null", "http://example.com", ""} {
		wantCORS(t, h.get("/events/foo/", "Origin", origin), "", "")
	}
}

func TestOriginsAreComparedExactly(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example", "http://b.example:7999"}, Credentials: true})
	for origin, allowed := range map[string]bool{
		"https://a.example": true, "http://b.example:7999": true,
		"": false, "null": false, "http://a.example": false, "https://a.example:443": false, "https://a.example/": false, "https://A.example": false,
		"https://a.example.evil.example": false, "https://evil.example?https://a.example": false, "https://xa.example": false, "*": false,
	} {
		w := h.get("/events/foo/", "Origin", origin, "Referer", "https://a.example/page")
		if allowed {
			wantCORS(t, w, origin, "true")
		} else {
			wantCORS(t, w, "", "")
		}
		// Without it a shared cache would give one origin's answer to another.
		if vary := w.Header().Values("Vary"); !slices.Contains(vary, "Origin") {
			t.Errorf("for %q Vary is %q", origin, vary)
		}
	}
}

func TestAnyOriginHasNoCredentials(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"*", "https://a.example"}, Credentials: true})
	wantCORS(t, h.get("/events/foo/", "Origin", "https://b.example"), "*", "")
	wantCORS(t, h.get("/events/foo/", "Origin", "https://a.example"), "https://a.example", "true")
}

func TestErrorsCanBeReadToo(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}})
	for _, w := range []*httptest.ResponseRecorder{
		h.get("/events/", "Origin", "https://a.example"),
		h.get("/events/foo/", "Origin", "https://a.example", "Last-Event-ID", "error"),
		h.get("/events/foo/", "Origin", "https://a.example", grip.HeaderSig, ""),
		h.get("/iot/stream/pump/", "Origin", "https://a.example"),
		h.get("/nothing", "Origin", "https://a.example"),
		h.post("/events/", "", "Origin", "https://a.example"),
	} {
		wantCORS(t, w, "https://a.example", "")
	}
}

func preflight(h *hub, target, origin, headers string) *httptest.ResponseRecorder {
	h.Helper()
	return h.do(h.request(http.MethodOptions, target, nil, "Origin", origin, "Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", headers, grip.HeaderSig, ""))
}

func TestPreflightsAllowWhatStreamClientsSend(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}, Credentials: true, Headers: []string{"X-Tenant"}})
	for target, methods := range map[string]string{
		"/events/foo/": "GET, HEAD", "/events": "GET, HEAD", "/iot/stream/pump/": "GET, HEAD", "/realtime/sse/": "GET, HEAD",
		"/iot/poll/pump/p1/": "GET, HEAD", "/ws/events/": "POST, GET", "/api/publish": "POST", "/api/channels/foo/events": "GET", "/": "GET, HEAD",
	} {
		w := preflight(h, target, "https://a.example", "hx-current-url,hx-request,last-event-id")
		if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
		wantCORS(t, w, "https://a.example", "true")
		allowed := strings.Split(strings.ToLower(w.Header().Get("Access-Control-Allow-Headers")), ", ")
		for _, name := range []string{
			"last-event-id", "hx-request", "hx-request-type", "hx-source", "hx-target", "hx-current-url", "content-type", "authorization", "x-tenant",
		} {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s: %s is not among %q", target, name, allowed)
			}
		}
		got := strings.Split(w.Header().Get("Access-Control-Allow-Methods"), ", ")
		want := append(strings.Split(methods, ", "), "OPTIONS")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the methods are %q, want %q", target, got, want)
		}
		if w.Header().Get("Access-Control-Max-Age") == "" {
			t.Errorf("%s: browsers ask again each time", target)
		}
	}
}

func TestPreflightsOfStrangersAllowNothing(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}, Credentials: true})
	w := preflight(h, "/events/foo/", "https://evil.example", "last-event-id")
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s", name, w.Header().Get(name))
		}
	}
}

// A sandboxed frame, a local file and a redirect across origins have the origin "null": anybody's page can.
func TestTheOriginNullIsNobody(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}, Credentials: true})
	wantCORS(t, h.get("/events/foo/", "Origin", "null"), "", "")
	any := openCORS(t, web.CORS{Origins: []string{"*"}, Credentials: true})
	wantCORS(t, any.get("/events/foo/", "Origin", "null"), "*", "")
	wantProblem(t, any.post("/api/publish", `{"channel":"foo"}`, "X-User", "dev admin", "Origin", "null", "Authorization", keyed), http.StatusForbidden)
}

func TestPreflightsOfPathsThatAreNotThereLetTheErrorBeRead(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}})
	if w := preflight(h, "/nothing", "https://a.example", "authorization"); w.Code != http.StatusNoContent {
		t.Errorf("%d", w.Code)
	} else {
		wantCORS(t, w, "https://a.example", "")
	}
}

func TestOptionsWithoutAPreflightTellsTheMethods(t *testing.T) {
	h := openCORS(t, web.CORS{})
	w := h.do(h.request(http.MethodOptions, "/api/publish", nil))
	if w.Code != http.StatusNoContent || w.Header().Get("Allow") != "POST, OPTIONS" || w.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// An application's page of an origin that is named sends a token by itself: no cookie is at stake.
func TestAPageOfANamedOriginPublishesWithItsOwnToken(t *testing.T) {
	h := openCORS(t, web.CORS{Origins: []string{"https://a.example"}})
	fields := []string{grip.HeaderSig, "", "Origin", "https://a.example", "Sec-Fetch-Site", "cross-site"}
	w := h.post("/api/publish", `{"channel":"foo"}`, append(fields, "Authorization", keyed)...)
	if w.Code != http.StatusOK {
		t.Errorf("with a key: %d %s", w.Code, w.Body)
	}
	wantCORS(t, w, "https://a.example", "")
	wantHeader(t, w, "Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	wantProblem(t, h.post("/api/publish", `{"channel":"foo"}`, append(fields, "X-User", "7 admin")...), http.StatusForbidden)
	fields[3] = "https://b.example"
	wantProblem(t, h.post("/api/publish", `{"channel":"foo"}`, append(fields, "Authorization", keyed)...), http.StatusForbidden)
}

func TestAnOriginThatIsNoneIsAMistake(t *testing.T) {
	sealer, err := web.NewSealer(linkSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{"a.example", "https://a.example/path", "https://*.example"} {
		_, err := web.NewServer(web.Options{Sealer: sealer, Reader: channels.NewReader(nil, nil),
			CORS: web.CORS{Origins: []string{origin}, Credentials: true}})
		if (err == nil) != strings.Contains(origin, "*") {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
