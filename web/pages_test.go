package web_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
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
	for _, want := range []string{`data-device="pump/p1"`, "temperature", "25.3", "auto", "online", "2025-01-15T12:00:00Z", "2025-01-15 12:00:00 UTC"} {
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
	for _, found := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(body, -1) {
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

// dashboardStreams are the streams that the dashboard opens.
func dashboardStreams(t *testing.T, body string) []string {
	t.Helper()
	found := regexp.MustCompile(`data-streams="([^"]*)"`).FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("the page names no streams: %s", body)
	}
	var streams []string
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &streams); err != nil {
		t.Fatal(err)
	}
	return streams
}

func TestTheDashboardsStreamStartsWhereThePageWasMade(t *testing.T) {
	h := openHub(t)
	h.device("100% a", "p1", `{"n":1}`)
	h.device("valve", "v1", `{"n":1}`)
	streams := dashboardStreams(t, h.direct("/", "X-User", "7").Body.String())
	if len(streams) != 1 || !strings.HasPrefix(streams[0], "/events/?") {
		t.Fatalf("the streams are %q", streams)
	}
	h.device("valve", "v1", `{"n":2}`)
	v := h.view(streams[0], "X-User", "7")
	if events := v.events(); len(events) != 2 || !strings.Contains(events[1].Data, `{"n":2}`) {
		t.Errorf("the stream shows %s", summary(events))
	}
}

func TestWhoMaySeeSomeDevicesHasStreamsOfThem(t *testing.T) {
	rules := channels.Rules{{Match: "**", Read: channels.AccessToken}}
	h := openHub(t, func(o *web.Options) { o.Authorizer = rules })
	h.device("pump", "p1", `{"n":1}`)
	h.device("pump", "p2", `{"n":1}`)
	h.device("valve", "v1", `{"n":1}`)
	body := h.direct("/", "X-User", "7 reads=iot_pump_p2 reads=iot_valve reads=iot_valve_v1").Body.String()
	streams := dashboardStreams(t, body)
	if strings.Contains(body, "pump/p1") || !strings.Contains(body, `data-device="pump/p2"`) || len(streams) != 1 {
		t.Fatalf("the page is %s", body)
	}
	v := h.view(streams[0], "X-User", "7 reads=iot_pump_p2 reads=iot_valve")
	if got := strings.Join(v.in.names, " "); !strings.HasPrefix(got, "composite-iot_valve composite-iot_pump_p2") {
		t.Errorf("the stream listens to %s", got)
	}
}

func TestTheDashboardIsSearchedAndPagedWithoutScripts(t *testing.T) {
	h := openHub(t)
	var batch channels.Batch
	changes := devices.Changes{}
	for n := range 450 {
		deviceType := []string{"pump", "tank"}[n%2]
		changes = append(changes, devices.Change{
			DeviceRef: channels.DeviceRef{Type: deviceType, ID: fmt.Sprintf("d%03d", n)}, State: devices.State{Status: devices.Online}, Register: true,
		})
	}
	batch.State = []any{changes}
	if _, err := h.publisher.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	seen, pages := 0, 0
	for target := "/"; target != ""; pages++ {
		body := h.direct(target, "X-User", "7").Body.String()
		seen += strings.Count(body, "data-device=")
		next := regexp.MustCompile(`<a href="([^"]*)">More devices`).FindStringSubmatch(body)
		if target = ""; next != nil {
			target = html.UnescapeString(next[1])
		}
	}
	if seen != 450 || pages != 3 {
		t.Errorf("%d devices on %d pages", seen, pages)
	}
	for target, want := range map[string]int{"/?type=tank": 200, "/?q=d00": 10, "/?q=d00&type=pump": 5, "/?status=offline": 0, "/?status=online&q=tank/d001": 1} {
		body := h.direct(target, "X-User", "7").Body.String()
		if n := strings.Count(body, "data-device="); n != want {
			t.Errorf("%s shows %d devices, want %d", target, n, want)
		}
		if types := regexp.MustCompile(`<option( selected)?>(pump|tank)`).FindAllString(body, -1); len(types) != 2 {
			t.Errorf("%s knows the types %q", target, types)
		}
	}
	wantProblem(t, h.direct("/?status=happy", "X-User", "7"), http.StatusBadRequest)
	wantProblem(t, h.direct("/?after=x", "X-User", "7"), http.StatusBadRequest)
}

func TestADashboardWithoutDevicesSaysWhatToDo(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"n":1}`)
	body := h.direct("/").Body.String() // nobody may read them
	if strings.Contains(body, "p1") || strings.Contains(body, `id="empty" hidden`) || !strings.Contains(body, `data-streams="[]"`) {
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
	for _, deviceType := range strings.Split("abcdefghijklmno", "") {
		h.device(deviceType, "1", `{}`)
	}
	streams := dashboardStreams(t, h.direct("/", "X-User", "7").Body.String())
	if len(streams) != 4 {
		t.Errorf("there are %d streams", len(streams))
	}
	for _, stream := range streams {
		if v := h.view(stream, "X-User", "7"); len(v.in.names) < 3 {
			t.Errorf("the stream listens to %q", v.in.names)
		}
	}
}
