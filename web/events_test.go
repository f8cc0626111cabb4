package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

const padding = 2048

func TestAFreshStreamOpensWithACursor(t *testing.T) {
	h := openHub(t)
	h.publish(`{"n":1}`, "foo")
	v := h.view("/events/foo/")
	want := ":" + strings.Repeat(" ", padding) + "\n\nevent: stream-open\nid: foo:1\ndata:\n\n"
	if v.text != want {
		t.Errorf("the stream opens with %q", v.text)
	}
	if v.in.hold != "stream" || v.pages != 1 {
		t.Errorf("it is held as %q after %d pages", v.in.hold, v.pages)
	}
}

func TestWhatARequestListensTo(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Routes = []web.StreamRoute{
			{Path: "/foo/events/", Channels: []string{"foo", "bar"}},
			{Path: "/objects/{id}/events/", Channels: []string{"object-{id}"}},
			{Path: "/pair/{a}/{b}/events", Channels: []string{"object-{a}", "object-{b}", "both-{a}-{b}"}},
		}
	})
	for target, want := range map[string]string{
		"/events/foo/":                           "foo",
		"/events/foo":                            "foo",
		"/events/?channel=a&channel=b":           "a b",
		"/events?channel=b&channel=a&channel=b":  "b a",
		"/events/foo/?channel=a":                 "foo",
		"/events/?channels=a&channel=b":          "b",
		"/events/a%2Fb/":                         "a/b",
		"/events/a%2Fb":                          "a/b",
		"/events/a%20b/":                         "a%20b",
		"/events/a+b/":                           "a%2Bb",
		"/events/a+b%2Fc/":                       "a%2Bb/c",
		"/events/100%25/":                        "100%25",
		"/events/%2541/":                         "%2541",
		"/events/x%2F/":                          "x/",
		"/events/%2F":                            "/",
		"/events/a,b:c;d/":                       "a%2Cb%3Ac%3Bd",
		"/events/%C3%BC/":                        "%C3%BC",
		"/events/.../":                           "...",
		"/events/?channel=a%2Fb&channel=a%2Bb+c": "a/b a%2Bb%20c",
		"/foo/events/":                           "foo bar",
		"/foo/events?channel=x":                  "foo bar",
		"/objects/7/events/":                     "object-7",
		"/objects/7%2F8/events":                  "object-7/8",
		"/objects/%7Bid%7D/events":               "object-%7Bid%7D",
		"/pair/1/2/events":                       "object-1 object-2 both-1-2",
		"/pair/1/1/events/":                      "object-1 both-1-1",
		"/pair/%7Bb%7D/2/events":                 "object-%7Bb%7D object-2 both-%7Bb%7D-2",
	} {
		v := h.view(target)
		var got []string
		for _, name := range v.in.names {
			if len(v.in.names) > 1 {
				name = strings.TrimPrefix(name, "composite-")
			}
			got = append(got, strings.TrimPrefix(name, "events-"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s listens to %q, want %q", target, got, want)
		}
	}
}

// streamError is the one event of a refused stream.
func streamError(t testing.TB, w *httptest.ResponseRecorder, data string) {
	t.Helper()
	if want := "event: stream-error\nid: error\ndata: " + data + "\n\n"; w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d, %q, want %q", w.Code, w.Body, want)
	}
	wantHeader(t, w, "Content-Type", "text/event-stream")
	wantHeader(t, w, "Cache-Control", "no-cache")
	wantHeader(t, w, "X-Accel-Buffering", "no")
	for name := range w.Header() {
		if strings.HasPrefix(name, "Grip-") {
			t.Errorf("the refusal has the header %s: %s", name, w.Header().Get(name))
		}
	}
}

func TestErrorsOfEventStreamsAreDjangoEventstreams(t *testing.T) {
	h := openHub(t)
	bad := func(text string) string { return `{"condition":"bad-request","text":"Invalid request: ` + text + `"}` }
	eleven := "/events/?channel=" + strings.Join(strings.Split("abcdefghijk", ""), "&channel=")
	for what, c := range map[string]struct {
		target string
		fields []string
		data   string
	}{
		"no channels":        {"/events/", nil, bad("No channels specified.")},
		"no such parameter":  {"/events/?channels=a", nil, bad("No channels specified.")},
		"a filter by type":   {"/events/foo/?messages_types=x", nil, bad("messages_types is not offered; listen for the types you want.")},
		"eleven channels":    {eleven, nil, bad("Channel limit exceeded.")},
		"a broken header":    {"/events/foo/", []string{"Last-Event-ID", "foo"}, bad("Failed to parse Last-Event-ID or lastEventId.")},
		"a broken parameter": {"/events/foo/?lastEventId=foo:x", nil, bad("Failed to parse Last-Event-ID or lastEventId.")},
		"a channel twice":    {"/events/foo/?lastEventId=foo:1,foo:2", nil, bad("Failed to parse Last-Event-ID or lastEventId.")},
		"a number too large": {"/events/foo/", []string{"Last-Event-ID", "foo:9007199254740992"}, bad("Failed to parse Last-Event-ID or lastEventId.")},
		"a long header":      {"/events/foo/", []string{"Last-Event-ID", strings.Repeat("a", 17<<10) + ":1"}, bad("Failed to parse Last-Event-ID or lastEventId.")},
		"a hidden channel": {"/events/hidden/", nil,
			`{"condition":"forbidden","text":"Permission denied to channels: hidden","channels":["hidden"]}`},
		"two of three": {"/events/?channel=hidden&channel=foo&channel=members_x", nil,
			`{"condition":"forbidden","text":"Permission denied to channels: hidden, members_x","channels":["hidden","members_x"]}`},
		"a user's own": {"/events/%40user%2F7/", []string{"X-User", "7 admin reads=**"},
			bad(`channel \"@user/7\": names that start with \"@\" are reserved.`)},
		"the backend's": {"/events/?channel=foo&channel=%40system", []string{"X-User", "7 admin"},
			bad(`channel \"@system\": names that start with \"@\" are reserved.`)},
		"an empty name":       {"/events/?channel=", nil, bad("channel: the name is empty.")},
		"a name with a NUL":   {"/events/a%00b/", nil, bad(`channel \"a\\x00b\": the name holds a control character.`)},
		"a name with a break": {"/events/?channel=a%0Aevent:%20x", nil, bad(`channel \"a\\nevent: x\": the name holds a control character.`)},
		"a name of no UTF-8":  {"/events/%FF/", nil, bad(`channel \"\\xff\": the name is not UTF-8.`)},
	} {
		t.Run(what, func(t *testing.T) { streamError(t, h.get(c.target, c.fields...), c.data) })
	}
	w := h.get("/events/" + strings.Repeat("n", 256))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "longer than 255 bytes") || len(w.Body.String()) > 400 {
		t.Errorf("a long name: %d %.500q", w.Code, w.Body)
	}
}

func TestTenChannelsAreWithinTheLimit(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/?channel=" + strings.Join(strings.Split("aabcdefghij", ""), "&channel="))
	if len(v.in.names) != 10 {
		t.Errorf("the stream listens to %q", v.in.names)
	}
}

func TestAStreamThatEndedInAnErrorIsStopped(t *testing.T) {
	h := openHub(t)
	for _, w := range []*httptest.ResponseRecorder{
		h.get("/events/foo/", "Last-Event-ID", "error"),
		h.get("/events/foo/?lastEventId=error"),
		h.get("/events/foo/?lastEventId=foo:1&lastEventId=error&lastEventId="),
		h.get("/events/hidden/", "Last-Event-ID", "error"),
	} {
		if w.Code != http.StatusBadRequest || w.Body.String() != "Invalid request: Can't resume session after stream-error.\n" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		wantHeader(t, w, "Cache-Control", "no-cache")
		wantHeader(t, w, "X-Accel-Buffering", "no")
		if strings.Contains(w.Header().Get("Content-Type"), "html") {
			t.Error("htmx would swap the error in")
		}
	}
}

func TestWhoMayReadIsAskedForEveryChannel(t *testing.T) {
	h := openHub(t)
	for _, c := range []struct {
		user, channel string
		allowed       bool
	}{
		{"", "foo", true},
		{"", "members_x", false},
		{"7", "members_x", true},
		{"7", "token_a", false},
		{"7 reads=token_a", "token_a", true},
		{"7 reads=token_a", "token_b", false},
		{"7 reads=**", "hidden", false},
		{"7 admin", "hidden", true},
		{"7 admin until=2025-01-15T11:59:59Z", "foo", false},
		{"7 until=2025-01-15T12:00:00Z", "foo", false},
		{"7 until=2025-01-15T12:00:01Z", "members_x", true},
		{"forged", "foo", false},
	} {
		w := h.get("/events/"+c.channel+"/", "X-User", c.user)
		if allowed := w.Header().Get(grip.HeaderHold) == "stream"; allowed != c.allowed {
			t.Errorf("%q on %s: %d %q", c.user, c.channel, w.Code, w.Body)
		}
		if !c.allowed {
			events, err := browser(w.Body.String())
			if err != nil || len(events) != 1 || events[0].Type != "stream-error" || !strings.Contains(events[0].Data, `"condition":"forbidden"`) || strings.Contains(events[0].Data, "SECRET") {
				t.Errorf("%q on %s is answered by %q", c.user, c.channel, w.Body)
			}
		}
	}
}

func TestHEADAnswersWithoutAStream(t *testing.T) {
	h := openHub(t)
	for _, target := range []string{"/events/foo/", "/events/?channel=a", "/iot/stream/pump", "/realtime/sse/"} {
		w := h.do(h.request(http.MethodHead, target, nil, "X-User", "7"))
		if w.Code != http.StatusOK || w.Body.Len() != 0 {
			t.Errorf("HEAD %s: %d %q", target, w.Code, w.Body)
		}
		wantHeader(t, w, "Content-Type", "text/event-stream")
		for name := range w.Header() {
			if strings.HasPrefix(name, "Grip-") {
				t.Errorf("HEAD %s would be held: %s", target, name)
			}
		}
	}
}

func TestOPTIONSAnswersWithoutAStream(t *testing.T) {
	h := openHub(t)
	w := h.do(h.request(http.MethodOptions, "/events/foo/", nil, grip.HeaderSig, ""))
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 || w.Header().Get(grip.HeaderHold) != "" {
		t.Errorf("OPTIONS: %d %q", w.Code, w.Body)
	}
	if allow := w.Header().Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "OPTIONS") {
		t.Errorf("Allow is %q", allow)
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	h := openHub(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "PROPFIND"} {
		for _, target := range []string{"/events/", "/events/foo/", "/iot/stream/pump/p1", "/iot/poll/pump", "/realtime/sse/"} {
			w := h.do(h.request(method, target, strings.NewReader("x")))
			wantProblem(t, w, http.StatusMethodNotAllowed)
			if allow := w.Header().Get("Allow"); allow != "GET, HEAD, OPTIONS" {
				t.Errorf("%s %s: Allow is %q", method, target, allow)
			}
		}
	}
}

func TestTrailingSlashesAreOptionalAndNeverRedirected(t *testing.T) {
	h := openHub(t)
	for _, target := range []string{"/events/foo", "/iot/stream/pump", "/iot/stream/pump/p1", "/iot/poll/pump/p1", "/realtime/sse", "/api/devices", "/api/channels/foo/events"} {
		for _, slash := range []string{"", "/"} {
			if w := h.get(target+slash, "X-User", "7"); w.Code != http.StatusOK {
				t.Errorf("%s%s: %d %s", target, slash, w.Code, w.Body)
			}
		}
	}
	for _, target := range []string{"/events//", "/events//foo", "/events/foo/bar", "//events/foo", "/events/foo//", "/nothing", "/events/../events/foo/"} {
		if w := h.get(target); w.Code >= 300 && w.Code < 400 || w.Header().Get("Location") != "" {
			t.Errorf("%s is redirected to %q", target, w.Header().Get("Location"))
		}
	}
	wantProblem(t, h.get("/nothing"), http.StatusNotFound)
	wantProblem(t, h.get("/events/foo/bar"), http.StatusNotFound)
}

func TestAStreamNeedsAProxyThatIsTrusted(t *testing.T) {
	h := openHub(t)
	wrongKey, err := grip.NewSecret([]byte("another secret of many bytes"))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := wrongKey.Sign("pushpin", h.clock.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := h.key.Sign("pushpin", h.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	next := h.view("/events/foo/").in.next
	for what, sig := range map[string]string{"none": "", "garbage": "x", "forged": forged, "expired": expired, "long": strings.Repeat("a", 1<<20)} {
		for _, target := range []string{"/events/foo/", "/events/", "/iot/stream/pump/", "/realtime/sse/", next} {
			p := wantProblem(t, h.get(target, grip.HeaderSig, sig), http.StatusNotImplemented)
			if p.Error.Code != "not-proxied" {
				t.Errorf("%s signature on %s: %+v", what, target, p)
			}
		}
	}
}

func TestAProxyMayBeOptional(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.RequireProxy = false })
	if w := h.get("/events/foo/", grip.HeaderSig, ""); w.Code != http.StatusOK || w.Header().Get(grip.HeaderHold) != "stream" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestConfiguredRoutesThatCollideAreRefused(t *testing.T) {
	for _, routes := range [][]web.StreamRoute{
		{{Path: "/events/", Channels: []string{"a"}}},
		{{Path: "/events/{name}/more/", Channels: []string{"a"}}, {Path: "/events/{other}/more/", Channels: []string{"a"}}},
		{{Path: "/a/{x}/", Channels: []string{"a"}}, {Path: "/a/{y}/b/", Channels: []string{"a"}}},
		{{Path: "/", Channels: []string{"a"}}},
		{{Path: "", Channels: []string{"a"}}},
	} {
		sealer, err := web.NewSealer(linkSecret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.NewServer(web.Options{Routes: routes, Sealer: sealer, Reader: channels.NewReader(nil, nil)}); err == nil || !strings.Contains(err.Error(), "stream route") {
			t.Errorf("%v: %v", routes, err)
		}
	}
}

func TestTheLastPositionGivenCounts(t *testing.T) {
	h := openHub(t)
	for n := range 4 {
		h.publish(fmt.Sprint(n+1), "foo")
	}
	for _, c := range []struct {
		target string
		header string
		want   []string
	}{
		{"/events/foo/", "", nil},
		{"/events/foo/", "foo:2", []string{"3", "4"}},
		{"/events/foo/?lastEventId=foo:3", "", []string{"4"}},
		{"/events/foo/?lastEventId=foo:3", "foo:2", []string{"3", "4"}},
		{"/events/foo/?lastEventId=foo:1&lastEventId=foo:2&lastEventId=", "", []string{"3", "4"}},
		{"/events/foo/?lastEventId=&lastEventId=", "", nil},
		{"/events/foo/", "f%6Fo:2", []string{"3", "4"}},
		{"/events/foo/", "bar:1", nil},
		{"/events/foo/", "bar:7,foo:3", []string{"4"}},
	} {
		var got []string
		for _, e := range h.view(c.target, "Last-Event-ID", c.header).events()[1:] {
			got = append(got, e.Data)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s after %q: %q, want %q", c.target, c.header, got, c.want)
		}
	}
}
