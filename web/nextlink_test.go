package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// ending follows the next link of a stream that is to end, and returns what it shows as its last words.
func (v *viewer) ending() []seen {
	v.Helper()
	before := len(v.events())
	v.follow()
	if !v.ended {
		v.Errorf("the stream is still held, on %q", v.in.names)
	}
	return v.events()[before:]
}

func TestWhatIdentifiesAViewerStandsInThePath(t *testing.T) {
	h := openHub(t)
	for _, target := range []string{"/events/foo/?a=b", "/events/members_x/?access_token=SECRET", "/iot/stream/pump/?x=y", "/realtime/sse/"} {
		// Links that differ in their query alone are one request to Pushpin.
		if next := h.view(target, "X-User", "7").in.next; strings.ContainsAny(next, "?#") || strings.Contains(next, "SECRET") || !strings.HasPrefix(next, "/") {
			t.Errorf("%s continues at %q", target, next)
		}
	}
}

func TestViewersWithOtherRightsHaveOtherLinks(t *testing.T) {
	h := openHub(t)
	for _, c := range []struct {
		target, a, b string
		equal        bool
	}{
		{"/events/foo/", "", "", true},
		{"/events/foo/", "7", "7", true},
		{"/events/foo/", "7", "8", false}, // an event may skip one of them
		{"/events/shared_x/", "7", "8", true},
		{"/events/shared_x/", "7 admin reads=**", "", true},
		{"/events/members_x/", "7", "8", false},
		{"/events/token_a/", "7 reads=token_a", "7 reads=token_*", false},
		{"/events/token_a/", "7 reads=token_a", "7 admin", false},
		{"/realtime/sse/", "7", "8", false},
		{"/realtime/sse/", "7", "", false},
	} {
		a, b := h.view(c.target, "X-User", c.a).in.next, h.view(c.target, "X-User", c.b).in.next
		if (a == b) != c.equal {
			t.Errorf("%s: the links of %q and %q:\n%s\n%s", c.target, c.a, c.b, a, b)
		}
	}
	if h.view("/events/?channel=a&channel=b").in.next == h.view("/events/?channel=a").in.next {
		t.Error("streams of other channels have equal links")
	}
}

// Pushpin follows ten different links a second.
func TestStreamsOfOneChannelEachHaveEqualLinks(t *testing.T) {
	h := openHub(t)
	h.publish(`"a"`, "shared_a")
	h.publish(`"b"`, "shared_b")
	a, b := h.view("/events/shared_a/", "X-User", "7"), h.view("/events/shared_b/", "X-User", "8")
	if a.in.next != b.in.next {
		t.Fatalf("the links are %s and %s", a.in.next, b.in.next)
	}
	for channel, want := range map[string]string{"shared_a": `"a"`, "shared_b": `"b"`} {
		w := h.get(a.in.next, grip.HeaderLast, "events-"+channel+"; last-id=0")
		if in := understand(t, w.Header()); in.names[0] != "events-"+channel || !strings.Contains(w.Body.String(), "data: "+want) {
			t.Errorf("after a gap in %s it is held on %q and shown %q", channel, in.names, w.Body)
		}
	}
	for what, last := range map[string]string{
		"no channel":                 "",
		"two channels":               "events-shared_a; last-id=0, events-shared_b; last-id=0",
		"a channel for members":      "events-members_x; last-id=0",
		"a channel for some":         "events-token_a; last-id=0",
		"a channel for nobody":       "events-hidden; last-id=0",
		"the channel of one user":    "events-%40user/7; last-id=0",
		"what is no channel's place": "events-shared_a; last-id=x",
	} {
		if w := h.get(a.in.next, grip.HeaderLast, last); w.Header().Get("Grip-Hold") != "" {
			t.Errorf("%s: it is held on %q", what, w.Header().Get("Grip-Channel"))
		}
	}
}

func TestLinksMadeAtAboutTheSameTimeAreEqual(t *testing.T) {
	h := openHub(t)
	first := h.view("/events/foo/").in.next
	h.clock.advance(time.Minute)
	if second := h.view("/events/foo/").in.next; first != second {
		t.Error("a minute later the link is another")
	}
	h.clock.advance(time.Hour)
	if third := h.view("/events/foo/").in.next; first == third {
		t.Error("an hour later the link is the same, and expires earlier")
	}
}

func TestAStreamRenewsItsLink(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/foo/")
	for range 20 {
		h.clock.advance(30 * time.Minute)
		v.follow()
		if v.ended || v.in.hold != "stream" || v.in.keepAliveOpts["timeout"] != "20" || v.in.nextTimeout != "60" {
			t.Fatalf("after the link: %+v", v.in)
		}
	}
	if len(v.events()) != 1 {
		t.Errorf("the stream shows %s", summary(v.events()))
	}
}

func TestABadLinkEndsTheStreamWithoutAWord(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/foo/")
	genuine := v.in.next
	cookie := strings.TrimSuffix(strings.TrimPrefix(h.get("/iot/poll/pump/", "X-User", "7").Header().Get("Set-Cookie"), "griphub_poll="), ";")
	cookie, _, _ = strings.Cut(cookie, ";")
	for what, link := range map[string]string{
		"cut":              genuine[:len(genuine)-1],
		"changed":          genuine[:len(genuine)-2] + "AA",
		"of another kind":  genuine[:strings.LastIndex(genuine, "/")+1] + cookie,
		"empty of meaning": genuine[:strings.LastIndex(genuine, "/")+1] + "x.y",
		"long":             genuine[:strings.LastIndex(genuine, "/")+1] + strings.Repeat("A", 1<<16) + ".A",
		"encoded":          genuine[:strings.LastIndex(genuine, "/")+1] + "%00%2F%FF",
	} {
		w := h.get(link)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get(grip.HeaderHold) != "" || w.Header().Get(grip.HeaderLink) != "" {
			t.Errorf("a link that is %s: %d %q", what, w.Code, w.Body)
		}
	}
	h.clock.advance(3 * time.Hour)
	if last := v.ending(); len(last) != 0 {
		t.Errorf("an expired link says %s", summary(last))
	}
}

func TestALinkOfAnotherSecretIsNotFollowed(t *testing.T) {
	h := openHub(t)
	other := openHub(t, func(o *web.Options) {
		var err error
		if o.Sealer, err = web.NewSealer("a secret of another hub"); err != nil {
			t.Fatal(err)
		}
	})
	if w := h.get(other.view("/events/hidden/", "X-User", "7 admin").in.next); w.Header().Get(grip.HeaderHold) != "" {
		t.Error("a stranger's link is held")
	}
}

func TestAStreamEndsWithItsIdentityAndWithoutAWord(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/members_100%25/", "X-User", "7 until=2025-01-15T12:30:00Z")
	h.clock.advance(29 * time.Minute)
	v.follow()
	if v.ended {
		t.Fatal("the stream ends too early")
	}
	h.clock.advance(time.Minute)
	// A viewer who is told of an error would not come back with a new token.
	if last := v.ending(); len(last) != 0 {
		t.Errorf("the last words are %q", summary(last))
	}
}

func TestALinkIsFollowedWhenItsViewersIdentityEnds(t *testing.T) {
	h := openHub(t)
	for until, want := range map[string]string{"12:30:00": "60", "12:00:45": "45", "12:00:01": "1", "12:01:00": "60"} {
		if v := h.view("/events/foo/", "X-User", "7 until=2025-01-15T"+until+"Z"); v.in.nextTimeout != want {
			t.Errorf("until %s: the link is followed after %s s, want %s", until, v.in.nextTimeout, want)
		}
	}
}

func TestALostPermissionEndsTheStreamInBand(t *testing.T) {
	rules := append(standardRules[:0:0], standardRules...)
	h := openHub(t, func(o *web.Options) { o.Authorizer = rules })
	v := h.view("/events/?channel=foo&channel=members_x", "X-User", "7")
	device := h.view("/iot/stream/pump/", "X-User", "7")
	for i := range rules {
		rules[i].Read = "nobody"
	}
	want := `stream-error "error" {"condition":"forbidden","text":"Permission denied to channels: foo, members_x","channels":["foo","members_x"]}` + "\n"
	if got := summary(v.ending()); got != want {
		t.Errorf("the last words are %q, want %q", got, want)
	}
	if last := device.ending(); len(last) != 1 || last[0].Type != "stream-error" {
		t.Errorf("a device stream's last words are %s", summary(last))
	}
}

func TestALinkShowsTheStreamItWasMadeFor(t *testing.T) {
	h := openHub(t)
	h.publish(`"7's"`, "members_x")
	v := h.view("/events/members_x/", "X-User", "7")
	// Whatever else the request says, the ticket counts.
	for _, fields := range [][]string{{"X-User", "8"}, {"Last-Event-ID", "members_x:0"}, {"Cookie", "griphub_token=x"}} {
		w := h.get(v.in.next+"?channel=hidden&lastEventId=members_x:0&link=next", append(fields, grip.HeaderLast, "events-members_x; last-id=1")...)
		in := understand(t, w.Header())
		if !slices.Equal(in.names, []string{"events-members_x", "kicks"}) || in.meta[grip.MetaUser] != "7" || w.Body.Len() != 0 {
			t.Errorf("%q: held on %q for %q, %q", fields, in.names, in.meta, w.Body)
		}
	}
}

func TestTheProxysPositionsAreTakenFromGripLast(t *testing.T) {
	h := openHub(t)
	for _, c := range []string{"a b", "foo"} {
		for range 3 {
			h.publish(`"`+c+`"`, channels.Channel(c))
		}
	}
	v := h.view("/events/?channel=a%20b&channel=foo")
	for what, c := range map[string]struct {
		last string
		want string
	}{
		"two in one header":  {"events-a%20b; last-id=2, events-foo; last-id=3", "a%20b:3,foo:3 \"a b\""},
		"channels of others": {"events-x; last-id=1, user-7; last-id=9, events-foo; last-id=2, events-a%20b; last-id=3", "a%20b:3,foo:3 \"foo\""},
		"another id's form":  {"events-foo; last-id=abc, events-a%20b; last-id=2", "a%20b:3,foo:3 \"a b\""},
		"no position at all": {"", ""},
		"up to date":         {"events-a%20b; last-id=3, events-foo; last-id=3", ""},
	} {
		w := h.get(v.in.next, grip.HeaderLast, c.last)
		body, err := buildID(w.Body.String(), "")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		events, err := browser(body)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		got := ""
		for _, e := range events {
			got += e.ID + " " + e.Data
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

func TestLinksAreReadOnly(t *testing.T) {
	h := openHub(t)
	next := h.view("/events/foo/").in.next
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		wantProblem(t, h.do(h.request(method, next, nil)), http.StatusMethodNotAllowed)
	}
}
