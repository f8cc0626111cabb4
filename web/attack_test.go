package web_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// The tests of this file are attacks. docs/security.md says which of them holds what.

// tricks are ways to write the name of something internal, or to step out of a level of the path.
var tricks = []string{
	"@system", "@kicks", "@public", "@user/8", "%40system", "%40kicks", "%40user%2F8", "%2540user%252F8", "%40user%252F8", "%c0%40user%2f8",
	"%C1%80user%2F8", "%E0%81%80user%2F8", "%00@user%2F8", "x%00@user%2F8", "%0a@user%2F8", "%0d%0aGrip-Channel:%20events-%2540user%252F8",
	"%EF%BC%A0user%2F8", "%EF%B9%ABuser%2F8", "%E2%80%8B@user%2F8", "%EF%BB%BF@user%2F8", "+@user%2F8", "%20@user%2F8", "@user%2F8%20",
	"..%2F@user%2F8", ".%2F@user%2F8", "foo%2F..%2F@user%2F8", "%2e%2e%2f%40user%2f8", "%2F@user%2F8", "%2F%2F@user%2F8", "@", "%40", "@@user%2F8",
	"foo,events-%2540user%252F8", "foo%2Cevents-%2540user%252F8", "foo%3B%20prev-id%3D0", "foo%22", "@user%5C8", "@USER%2F8", "@user/8?", "@user/8#",
	"events-%2540user%252F8", "user-8", "kicks", "iot_@user/8", "", ".", "..", "%2e%2e", "..;", "%ff", "\u202e8/resu@",
}

// secretOf8 is what only user 8, or only the backend, may see.
const secretOf8 = "the-secret-of-8"

// tell stores secrets where a visitor must not look.
func (h *hub) tellSecrets() {
	h.Helper()
	secret := []byte(`{"text":"` + secretOf8 + `"}`)
	own, err := channels.User("8")
	if err != nil {
		h.Fatal(err)
	}
	h.publishDraft(channels.Draft{Channels: []channels.Channel{own}, Type: "t", Data: secret, Scope: channels.ScopeUser, User: "8"})
	h.publishDraft(channels.Draft{Channels: []channels.Channel{channels.System}, Type: "t", Data: secret, Scope: channels.ScopeSystem})
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: []byte("1"), Private: secret})
	h.kick("secret user "+secretOf8, "foo")
}

// wantHarmless fails the test where an answer shows a secret, or has the proxy hold what a visitor may not name.
func wantHarmless(t testing.TB, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if strings.Contains(w.Body.String(), secretOf8) {
		t.Errorf("%s shows %s", what, w.Body)
	}
	in := understand(t, w.Header())
	held := slices.Clone(in.names)
	if w.Code == http.StatusOK && w.Header().Get("Content-Type") == grip.TypeWSEvents {
		for _, control := range readReply(t, w).controls {
			if name, ok := control["channel"].(string); ok {
				held = append(held, name)
			}
		}
	}
	for _, name := range held {
		c, ok := channels.FromGrip(name)
		if ok && c.Internal() && c != channels.Public && c != "@user/7" {
			t.Errorf("%s is held on %q", what, name)
		}
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Grip-") && !slices.Contains([]string{
			grip.HeaderHold, grip.HeaderChannel, grip.HeaderKeepAlive, grip.HeaderSetMeta, grip.HeaderLink, grip.HeaderTimeout,
		}, name) {
			t.Errorf("%s has the header %s", what, name)
		}
	}
}

// raw is a request whose path and query are as they are written.
func (h *hub) raw(method, target, body string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	path, rest, _ := strings.Cut(target, "?")
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return nil // net/http refuses the request
	}
	r := h.request(method, "/", strings.NewReader(body), fields...)
	r.URL = &url.URL{Path: unescaped, RawPath: path, RawQuery: rest}
	r.RequestURI = target
	return h.do(r)
}

// A yes is an application's Authorizer that lets everybody read everything: internal channels are out of its reach.
type yes struct{}

func (yes) MayRead(context.Context, channels.Principal, channels.Channel) (bool, error) {
	return true, nil
}

func TestNobodyNamesAnInternalChannelOrAnothersByEncoding(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Authorizer = yes{}
		o.Routes = []web.StreamRoute{{Path: "/of/{name}/events", Channels: []string{"{name}", "of-{name}"}}}
	})
	h.tellSecrets()
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	visited := 0
	visit := func(method, target, body string, fields ...string) {
		for _, who := range []string{"7 reads=** writes=**", ""} {
			if w := h.raw(method, target, body, append(fields, "X-User", who)...); w != nil {
				wantHarmless(t, method+" "+target, w)
				visited++
			}
		}
	}
	for _, trick := range tricks {
		for _, route := range h.server.Routes() {
			method, path, _ := strings.Cut(route, " ")
			if method == http.MethodPost && strings.HasPrefix(path, "/ws/") {
				if placeholder.MatchString(path) {
					visit(method, placeholder.ReplaceAllLiteralString(path, trick), opening, "Content-Type", grip.TypeWSEvents)
				}
				continue
			}
			if method != http.MethodGet {
				continue
			}
			if placeholder.MatchString(path) {
				visit(method, placeholder.ReplaceAllLiteralString(path, trick)+"?wait=9&lastEventId="+trick+":0", "")
			}
			visit(method, path+"?channel="+trick+"&channel=foo&type="+trick+"&after="+trick+"/x&cursor="+trick+":0&lastEventId="+trick+":0&name="+trick, "")
		}
		visit(http.MethodPost, "/ws/events?channel="+trick+"&cursor="+trick+":0", opening+frame("TEXT", `{"action":"ping","cursor":"`+trick+`:0"}`), "Content-Type", grip.TypeWSEvents)
		// The user's own channel follows from who it is, which the path does not say.
		if w := h.raw(http.MethodGet, "/realtime/sse/?user="+trick+"&channel="+trick, "", "X-User", "7"); w != nil {
			if in := understand(t, w.Header()); !slices.Equal(in.names, []string{"composite-%40user/7", "composite-%40public"}) {
				t.Errorf("%q: held on %q", trick, in.names)
			}
		}
	}
	if visited < 2000 {
		t.Errorf("only %d requests were made", visited)
	}
}

func TestACursorOpensNoOtherChannel(t *testing.T) {
	h := openHub(t)
	h.tellSecrets()
	h.publish(`"members"`, "members_x")
	for _, cursor := range []string{
		"@user/8:0", "%40user/8:0", "@system:0,foo:0", "@kicks:0,foo:0,members_x:0", "members_x:0,foo:0", "foo:0,@user/8:0", "foo:-1", "foo:+0", "foo:0x0",
		"foo:9007199254740993", "foo:99999999999999999999", "foo:0,foo:1", ":", ",", "foo", "foo:0,", "foo:0;prev-id=1", "foo:0\r\nGrip-Hold: stream",
		strings.Repeat("foo:0,", 5000), strings.Repeat("%40", 4000) + ":0", "error:0", "%zz:0",
	} {
		targets := map[string]*httptest.ResponseRecorder{
			"a stream by its header": h.get("/events/foo/", "Last-Event-ID", strings.NewReplacer("\r", "", "\n", "").Replace(cursor)),
			"a stream by its query":  h.get("/events/foo/" + query("lastEventId", cursor)),
			"a device's stream":      h.get("/iot/stream/pump/"+query("lastEventId", cursor), "X-User", "7"),
			"the user's own":         h.get("/realtime/sse/"+query("lastEventId", cursor), "X-User", "7"),
			"a poll":                 h.get("/iot/poll/pump/"+query("cursor", cursor), "X-User", "7"),
			"history":                h.get("/api/channels/foo/events" + query("after", cursor)),
			"a WebSocket":            h.batch("/ws/events/?channel=foo&"+query("cursor", cursor)[1:], opening, "X-User", "7"),
			"a ping":                 h.batch("/ws/events/?channel=foo", frame("TEXT", fmt.Sprintf(`{"action":"ping","cursor":%q}`, cursor)), "X-User", "7"),
		}
		for what, w := range targets {
			what = fmt.Sprintf("%s at %.60q", what, cursor)
			wantHarmless(t, what, w)
			if strings.Contains(w.Body.String(), `"members"`) || w.Code >= 500 {
				t.Errorf("%s: %d %s", what, w.Code, w.Body)
			}
		}
	}
}

// What a publisher or a viewer writes never becomes a header, a parameter of one, or a line of a stream.
func TestNothingThatIsWrittenBecomesAHeader(t *testing.T) {
	h := openHub(t)
	scene := 0
	rapid.Check(t, func(t *rapid.T) {
		scene++
		piece := rapid.SampledFrom([]string{
			",", ";", "\"", "'", "=", "\\", "%", "%2C", "\r", "\n", "\r\n", "\x00", "\t", " ", ":", "<", ">", "é", "\u2028", "\ufeff", "a",
			"; prev-id=0", ", events-hidden", "filter=skip-users", "Grip-Hold: stream", "\nid: 9", "\ndata: x", "event: stream-error", "%I", "%(user)s", `", user="8`,
		})
		join := func(label string) string { return strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, label), "") }
		name := fmt.Sprint("n", scene, join("channel"))
		body, err := json.Marshal(map[string]any{"channel": name, "event": join("type"), "data": join("data"), "raw": true, "id": join("id") + name})
		if err != nil {
			t.Fatal(err)
		}
		published := h.post("/api/publish", string(body), "Authorization", "Bearer "+publishKey)
		user := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace("7" + join("user"))
		w := h.raw(http.MethodGet, "/events?"+url.Values{"channel": {name, "foo"}, "lastEventId": {channels.Channel(name).Escape() + ":0"}}.Encode(), "",
			"X-User", strings.ReplaceAll(user, " ", "_"))
		if published.Code != http.StatusOK && published.Code != http.StatusUnprocessableEntity {
			t.Fatalf("publishing is answered by %d %s", published.Code, published.Body)
		}
		for name, values := range w.Header() {
			for _, value := range values {
				if strings.ContainsAny(value, "\r\n\x00") {
					t.Fatalf("the header %s is %q", name, value)
				}
			}
		}
		if w.Header().Get(grip.HeaderHold) == "" {
			return // refused: the channel or the user makes no name
		}
		in := understand(h.TB, w.Header())
		if len(in.names) != 3 || in.names[0] != channels.Channel(name).GripIn(channels.FormComposite) || in.names[1] != "composite-foo" || in.names[2] != "kicks" {
			t.Fatalf("channel %q is held on %q", name, in.names)
		}
		text, err := buildID(w.Body.String(), "")
		if err != nil {
			t.Fatal(err)
		}
		events, err := browser(text)
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if published.Code == http.StatusOK {
			want = 2
		}
		if len(events) != want {
			t.Fatalf("the stream shows %s", summary(events))
		}
	})
}

// A page of another site makes a signed-in browser send what browsers send without asking first.
func TestNoRouteThatChangesSomethingListensToOtherSites(t *testing.T) {
	h := openHub(t)
	h.publish("1", "foo")
	changing := 0
	for _, route := range h.server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
			continue
		}
		changing++
		path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllLiteralString(path, "1") + "?channel=foo"
		for what, fields := range map[string][]string{
			"a form":               {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Content-Type", "text/plain"},
			"another subdomain":    {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"},
			"an older browser":     {"Origin", "https://evil.example", "Content-Type", "application/x-www-form-urlencoded"},
			"a sandboxed frame":    {"Origin", "null"},
			"the address in words": {"Origin", "http://example.com.evil.example"},
		} {
			if strings.HasPrefix(path, "/ws/") {
				fields = append(fields, "Content-Type", grip.TypeWSEvents)
			}
			w := h.do(h.request(method, path, strings.NewReader(opening), append(fields, "X-User", "1 admin")...))
			if p := wantProblem(t, w, http.StatusForbidden); p.Error.Code != "cross-origin" {
				t.Errorf("%s %s from %s: %s", method, path, what, w.Body)
			}
		}
	}
	if changing < 5 || len(h.sent.events) != 1 {
		t.Errorf("%d routes, %d events", changing, len(h.sent.events))
	}
}

// A next link is a bearer's: the proxy keeps it from the client. What is in one cannot be changed, and it ends.
func TestNobodyMakesOrChangesANextLink(t *testing.T) {
	h := openHub(t)
	own, err := channels.User("7")
	if err != nil {
		t.Fatal(err)
	}
	v := h.view("/realtime/sse/", "X-User", "8")
	h.publishDraft(channels.Draft{Channels: []channels.Channel{own}, Type: "t", Data: []byte(`{"text":"of 7"}`), Scope: channels.ScopeUser, User: "7"})
	sealed := v.in.next[len("/next/"):]
	body, mac, _ := strings.Cut(sealed, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	seven := strings.NewReplacer(`"u":"8"`, `"u":"7"`, "@user/8", "@user/7").Replace(string(raw))
	if seven == string(raw) {
		t.Fatalf("the ticket is %s", raw)
	}
	ended := func(what, link string) {
		t.Helper()
		w := h.get(link, "X-User", "7", grip.HeaderLast, "events-%40user/7; last-id=0")
		if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get(grip.HeaderHold)+w.Header().Get(grip.HeaderLink) != "" {
			t.Errorf("%s: %d %s %v", what, w.Code, w.Body, w.Header())
		}
	}
	ended("another user's ticket under one's own signature", "/next/"+encode(seven)+"."+mac)
	ended("a ticket that never ends", "/next/"+encode(regexp.MustCompile(`"x":\d+`).ReplaceAllString(string(raw), `"x":99999999999`))+"."+mac)
	ended("a ticket signed with nothing", "/next/"+encode(seven)+".")
	ended("two tickets in one", "/next/"+body+"."+mac+"."+mac)
	ended("a ticket of a later time", "/next/"+encode(strings.Replace(string(raw), `"x":`, `"x":1e`, 1))+"."+mac)
	// With another position, it is one's own all the same.
	w := h.get(v.in.next, grip.HeaderLast, "composite-%40user/7; last-id=0, composite-%40system; last-id=0")
	if in := understand(t, w.Header()); !slices.Equal(in.names, []string{"composite-%40user/8", "composite-%40public"}) || w.Body.Len() != 0 {
		t.Errorf("held on %q, with %s", in.names, w.Body)
	}
	h.clock.advance(3 * time.Hour)
	ended("one that is over", v.in.next)
	// And without the proxy's signature there is nothing to follow.
	fresh := h.view("/realtime/sse/", "X-User", "8").in.next
	wantProblem(t, h.get(fresh, grip.HeaderSig, ""), http.StatusNotImplemented)
}
