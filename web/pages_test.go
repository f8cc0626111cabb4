package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/web"
)

func TestTheDashboardShowsDevicesBeforeAnyScriptRuns(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"temperature":25.3,"mode":"auto"}`)
	w := h.direct("/", "X-User", "7")
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantHeader(t, w, "Content-Type", "text/html; charset=utf-8")
	wantHeader(t, w, "Cache-Control", "no-store")
	wantHeader(t, w, "X-Content-Type-Options", "nosniff")
	for _, want := range []string{`data-device="pump/p1"`, "temperature", "25.3", "auto", "online", "2025-01-15T12:00:00Z"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

func TestTheDashboardRunsNothingThatIsNotItsOwn(t *testing.T) {
	h := openHub(t)
	policy := h.direct("/", "X-User", "7").Header().Get("Content-Security-Policy")
	directives := map[string]string{}
	for directive := range strings.SplitSeq(policy, ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
		directives[name] = sources
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'", "form-action": "'self'",
	} {
		if directives[name] != want {
			t.Errorf("%s is %q, want %q", name, directives[name], want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %q", policy)
	}
	body := h.direct("/", "X-User", "7").Body.String()
	if inline := regexp.MustCompile(`(?i)<script>|<style|\son\w+=|style=|javascript:`).FindString(body); inline != "" {
		t.Errorf("the page holds %q, which its policy refuses", inline)
	}
	for _, found := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if w := h.direct(found[1]); w.Code != http.StatusOK {
			t.Errorf("%s: %d", found[1], w.Code)
		}
	}
}

func TestHostileDevicesStayText(t *testing.T) {
	h := openHub(t)
	h.device(`<b>"'&`, `<img src=x onerror=alert(1)>`, `{"<script>":"</span><script>alert(2)</script>","a\"onmouseover=\"x":"\" onclick=\"y"}`)
	h.device(`"><script>alert(1)<i x='`, "p", `{}`)
	body := h.direct("/", "X-User", "7").Body.String()
	for _, tag := range []string{"<script>", "<img", "<b>\"", "<i x", " onclick=\"", "onmouseover=\"", "</script><"} {
		if n := strings.Count(body, tag); n > 0 {
			t.Errorf("the page holds %s", tag)
		}
	}
	if !strings.Contains(html.UnescapeString(body), "<img src=x onerror=alert(1)>") {
		t.Error("the device is not shown at all")
	}
}

func TestTheDashboardsStreamStartsWhereItsDevicesWereRead(t *testing.T) {
	h := openHub(t)
	h.device("100% a", "p1", `{"n":1}`)
	h.device("valve", "v1", `{"n":1}`)
	body := h.direct("/", "X-User", "7").Body.String()
	found := regexp.MustCompile(`data-stream="([^"]*)"`).FindStringSubmatch(body)
	if found == nil {
		t.Fatal("the page names no stream")
	}
	stream, err := url.Parse(html.UnescapeString(found[1]))
	if err != nil || stream.Path != "/events/" || stream.IsAbs() {
		t.Fatalf("the stream is %q, %v", found[1], err)
	}
	h.device("valve", "v1", `{"n":2}`)
	v := h.view(stream.String(), "X-User", "7")
	if events := v.events(); len(events) != 2 || !strings.Contains(events[1].Data, `{"n":2}`) {
		t.Errorf("the stream shows %s", summary(events))
	}
}

func TestADashboardWithoutDevicesSaysWhatToDo(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"n":1}`)
	body := h.direct("/").Body.String() // nobody may read them
	if strings.Contains(body, "p1") || strings.Contains(body, `id="empty" hidden`) || !strings.Contains(body, `data-stream=""`) {
		t.Errorf("the page is %s", body)
	}
	wantProblem(t, h.direct("/", "X-User", "forged"), http.StatusUnauthorized)
}

func TestOnlyStaticFilesAreServed(t *testing.T) {
	h := openHub(t)
	for name, contentType := range map[string]string{"dashboard.js": "text/javascript; charset=utf-8", "dashboard.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		w := h.direct("/static/" + name)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d", name, w.Code)
		}
		wantHeader(t, w, "Content-Type", contentType)
		wantHeader(t, w, "X-Content-Type-Options", "nosniff")
	}
	for _, name := range []string{"", "none.js", "..%2Fpages%2Fdashboard.html", "..%2F..%2Fseal.go", "%2Fetc%2Fpasswd", ".", "..", "dashboard.js%00.css", "dashboard"} {
		if w := h.direct("/static/" + name); w.Code != http.StatusNotFound {
			t.Errorf("%q: %d %.60s", name, w.Code, w.Body)
		}
	}
}

func TestMoreTypesThanAStreamMayHaveAreNoFailure(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Stream.MaxChannels = 3 })
	for _, deviceType := range strings.Split("abcdefgh", "") {
		h.device(deviceType, "1", `{}`)
	}
	body := h.direct("/", "X-User", "7").Body.String()
	found := regexp.MustCompile(`data-stream="([^"]*)"`).FindStringSubmatch(body)
	if v := h.view(html.UnescapeString(found[1]), "X-User", "7"); len(v.in.names) != 3+1 {
		t.Errorf("the stream listens to %q", v.in.names)
	}
}
