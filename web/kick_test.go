package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// kick stores a kick, by the API, and returns it as it is published.
func (h *hub) kick(user, channel string) channels.Event {
	h.Helper()
	w := h.post("/api/kick", fmt.Sprintf(`{"user":%q,"channel":%q}`, user, channel), "Authorization", "Bearer "+publishKey)
	if w.Code != http.StatusOK {
		h.Fatalf("kick: %d %s", w.Code, w.Body)
	}
	h.sent.mu.Lock()
	defer h.sent.mu.Unlock()
	return h.sent.events[len(h.sent.events)-1]
}

const kickedFrom = `stream-error "error" {"condition":"forbidden","text":"Permission denied to channels: %s","channels":["%[1]s"]}` + "\n"

func TestAKickEndsTheStreamsOfOneUserOnOneChannel(t *testing.T) {
	h := openHub(t)
	kicked := map[string]*viewer{
		"alone":           h.view("/events/members_50%25%20%C3%A9/", "X-User", "7"),
		"among others":    h.view("/events/?channel=foo&channel=members_50%25%20%C3%A9", "X-User", "7 admin reads=**"),
		"after its link":  h.view("/events/members_50%25%20%C3%A9/", "X-User", "7"),
		"another session": h.view("/events/members_50%25%20%C3%A9/", "X-User", "7 until=2025-01-15T13:00:00Z"),
	}
	kicked["after its link"].follow()
	others := map[string]*viewer{
		"another user":          h.view("/events/members_50%25%20%C3%A9/", "X-User", "8"),
		"another channel":       h.view("/events/members_50%25/", "X-User", "7"),
		"a part of the name":    h.view("/events/members_50/", "X-User", "7"),
		"the user's own events": h.view("/realtime/sse/", "X-User", "7"),
		"a device's":            h.view("/iot/stream/pump/", "X-User", "7"),
	}
	e := h.kick("7", "members_50% é")
	for what, v := range kicked {
		before := len(v.events())
		v.deliver(e)
		if !v.ended {
			t.Errorf("%s: the stream goes on", what)
		}
		if got, want := summary(v.events()[before:]), fmt.Sprintf(kickedFrom, `members_50\u0025 é`); got != want {
			t.Errorf("%s: the last words are %s, want %s", what, got, want)
		}
	}
	for what, v := range others {
		before := v.text
		v.deliver(e)
		v.follow()
		if v.ended || v.text != before {
			t.Errorf("%s: the stream has ended, or shows %q", what, v.text[len(before):])
		}
	}
}

func TestAKickWhoseItemsWereLostEndsTheStreamAtItsNextLink(t *testing.T) {
	h := openHub(t)
	v, device := h.view("/events/members_x/", "X-User", "7"), h.view("/events/?channel=iot_pump&channel=foo", "X-User", "7")
	h.kick("7", "members_x")
	h.kick("7", "iot_pump")
	if got, want := summary(v.ending()), fmt.Sprintf(kickedFrom, "members_x"); got != want {
		t.Errorf("the last words are %s, want %s", got, want)
	}
	if got, want := summary(device.ending()), fmt.Sprintf(kickedFrom, "iot_pump"); got != want {
		t.Errorf("the last words are %s, want %s", got, want)
	}
}

func TestAKickEndsWhatWasOpenedBeforeItAndNothingElse(t *testing.T) {
	h := openHub(t)
	h.kick("7", "members_x")
	v := h.view("/events/members_x/", "X-User", "7")
	v.follow()
	if v.ended {
		t.Fatal("a kick from before ends the stream")
	}
	for range 2 { // also within a minute
		again := h.view("/events/members_x/", "X-User", "7")
		e := h.kick("7", "members_x")
		again.deliver(e)
		if events := again.events(); !again.ended || len(events) != 2 || events[1].Type != "stream-error" {
			t.Errorf("the stream shows %s", summary(events))
		}
	}
}

func TestAnonymousViewersHearNothingOfKicks(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/foo/")
	link := v.in.next
	h.kick("7", "foo")
	v.follow()
	if v.ended || v.in.next != link || len(v.in.names) != 1 {
		t.Errorf("held on %q at %s, before at %s", v.in.names, v.in.next, link)
	}
	if w := h.get("/iot/poll/pump/?wait=9", "X-User", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
}

// membersShared are rules by which all who are somebody are alike.
var membersShared = channels.Rules{{Match: "**", Read: channels.AccessAuthenticated, Shared: true}}

// Where viewers with equal rights share a link, the proxy cannot tell which stream is whose.
func TestAKickFromASharedChannelLetsAllComeBackButOne(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Authorizer = membersShared })
	seven, eight := h.view("/events/team/", "X-User", "7"), h.view("/events/team/", "X-User", "8")
	if seven.in.next != eight.in.next {
		t.Fatal("their links are not equal")
	}
	other := h.view("/events/other/", "X-User", "7")
	e := h.kick("7", "team")
	for _, v := range []*viewer{seven, eight} {
		before := v.text
		if v.deliver(e); !v.ended || v.text != before {
			t.Errorf("ended: %t, with the words %q", v.ended, v.text[len(before):])
		}
	}
	if other.deliver(e); other.ended {
		t.Error("a stream of another channel has ended")
	}
	back := h.view("/events/team/", "X-User", "8", "Last-Event-ID", "team:0")
	if back.ended || len(back.events()) != 1 {
		t.Errorf("another user comes back to %s", summary(back.events()))
	}
	if got, want := summary(h.view("/events/team/", "X-User", "7", "Last-Event-ID", "team:0").events()), fmt.Sprintf(kickedFrom, "team"); got != want {
		t.Errorf("who was kicked comes back to %s, want %s", got, want)
	}
	for _, fresh := range []string{"/events/team/", "/events/team/?lastEventId=team:0"} {
		if v := h.view(fresh, "X-User", "7"); v.ended {
			t.Error("a new stream is ended by an old kick")
		}
	}
	h.clock.advance(3 * time.Minute)
	if v := h.view("/events/team/", "X-User", "7", "Last-Event-ID", "team:0"); v.ended {
		t.Error("long after the kick the stream does not go on")
	}
}

func TestWhereTheKicksAreLostTheViewerComesBack(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/members_x/", "X-User", "7")
	socket := h.batch("/ws/events/?channel=members_x", opening, "X-User", "7")
	h.kick("8", "a")
	h.kick("8", "b")
	h.trim()
	if last := v.ending(); len(last) != 0 {
		t.Errorf("the last words are %s", summary(last))
	}
	r := readReply(t, h.batch("/ws/events/?channel=members_x", "", "X-User", "7", "Meta-Kicks", socket.Header().Get("Set-Meta-Kicks")))
	if code, _ := r.closed(t); code != 1012 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
}

func TestAKickClosesWebSocketsAtTheirNextBatch(t *testing.T) {
	h := openHub(t)
	const target = "/ws/events/?channel=members_x&channel=foo"
	h.kick("7", "members_x") // before
	w := h.batch(target, opening, "X-User", "7")
	place := w.Header().Get("Set-Meta-Kicks")
	if r := readReply(t, w); place != "1" || slices.Contains(r.types, grip.EventClose) {
		t.Fatalf("the place is %q, the reply %q", place, r.types)
	}
	h.kick("8", "members_x")
	h.kick("7", "other")
	w = h.batch(target, frame("TEXT", `{"action":"ping"}`), "X-User", "7", "Meta-Kicks", place)
	if r := readReply(t, w); len(r.messages) != 1 || slices.Contains(r.types, grip.EventClose) {
		t.Fatalf("others' kicks: %q", r.types)
	}
	if place = w.Header().Get("Set-Meta-Kicks"); place != "3" {
		t.Fatalf("the place is %q", place)
	}
	h.kick("7", "members_x")
	for _, body := range []string{"", frame("TEXT", `{"action":"ping","cursor":""}`)} {
		r := readReply(t, h.batch(target, body, "X-User", "7", "Meta-Kicks", place))
		if code, reason := r.closed(t); code != 4403 || reason == "" || len(r.messages) != 0 {
			t.Errorf("closed with %d %q after %q", code, reason, r.messages)
		}
	}
	// A connection from before there were kicks, or whose place is not told, is as good as new.
	for _, meta := range []string{"", "x", "-1"} {
		w := h.batch(target, "", "X-User", "7", "Meta-Kicks", meta)
		if r := readReply(t, w); len(r.types) != 0 || w.Header().Get("Set-Meta-Kicks") != "4" {
			t.Errorf("meta %q: %q, %q", meta, r.types, w.Header())
		}
	}
}

func TestAKickAnswersALongPoll(t *testing.T) {
	h := openHub(t)
	h.kick("7", "iot_pump") // before
	held := understand(t, h.get("/iot/poll/pump/?wait=25", "X-User", "7").Header())
	place := held.subscriptions["kicks-iot_pump"].prevID
	if held.hold != "response" || place != "1" {
		t.Fatalf("held as %+v", held)
	}
	again := func(target, user, place string) int {
		return h.get(target, "X-User", user, grip.HeaderLast, "events-iot_pump; last-id=0, kicks-iot_pump; last-id="+place).Code
	}
	h.kick("8", "iot_pump")
	h.kick("7", "iot_pump_p1")
	if code := again("/iot/poll/pump/?wait=25", "7", place); code != http.StatusOK {
		t.Errorf("others' kicks answer it by %d", code)
	}
	h.kick("7", "iot_pump")
	p := wantProblem(t, h.get("/iot/poll/pump/?wait=25", "X-User", "7", grip.HeaderLast, "kicks-iot_pump; last-id="+place), http.StatusForbidden)
	if p.Error.Code != "forbidden" || !strings.Contains(p.Detail, "iot_pump") {
		t.Errorf("the problem is %+v", p)
	}
	// The next poll is a new one.
	if code := h.get("/iot/poll/pump/?wait=25", "X-User", "7").Code; code != http.StatusOK {
		t.Errorf("the next poll is answered by %d", code)
	}
}

func TestOnlyAdministratorsKick(t *testing.T) {
	h := openHub(t)
	const body = `{"user":"7","channel":"foo"}`
	for who, fields := range map[string][]string{
		"nobody":                 {},
		"a wrong key":            {"Authorization", "Bearer x"},
		"a forged token":         {"X-User", "forged"},
		"an administrator's end": {"X-User", "1 admin until=2025-01-15T11:00:00Z"},
	} {
		if w := h.post("/api/kick", body, fields...); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
	wantProblem(t, h.post("/api/kick", body, "X-User", "7"), http.StatusForbidden)
	wantProblem(t, h.post("/api/kick", body, "X-User", "7 writes=**"), http.StatusForbidden)
	wantProblem(t, h.post("/api/kick", body, "X-User", "1 admin", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	for _, target := range []string{"/api/kick", "/api/kick/"} {
		if w := h.post(target, body, "X-User", "1 admin"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"id":"`) {
			t.Errorf("an administrator: %d %s", w.Code, w.Body)
		}
	}
	wantProblem(t, h.get("/api/kick", "X-User", "1 admin"), http.StatusMethodNotAllowed)
}

func TestMistakesInAKickAreNamed(t *testing.T) {
	h := openHub(t)
	for body, want := range map[string]struct {
		status int
		at     string
	}{
		``:                                   {400, ""},
		`[]`:                                 {400, ""},
		`{"user":"7"} {}`:                    {400, ""},
		`{"user":"7","room":"foo"}`:          {400, ""},
		`{"channel":"foo"}`:                  {422, "user"},
		`{"user":null,"channel":"foo"}`:      {422, "user"},
		`{"user":"","channel":"foo"}`:        {422, "user"},
		`{"user":"7"}`:                       {422, "channel"},
		`{"user":7,"channel":"@kicks"}`:      {422, "channel"},
		`{"user":7,"channel":"@user/7"}`:     {422, "channel"},
		`{"user":7,"channel":"\u0000"}`:      {422, "channel"},
		`{"user":"@somebody","channel":"a"}`: {422, "user"},
		`{"user":"` + strings.Repeat("7", 5000) + `"}`: {400, ""},
	} {
		if p := wantProblem(t, h.post("/api/kick", body, "X-User", "1 admin"), want.status); p.Error.At != want.at {
			t.Errorf("%.60s: the mistake is at %q, want %q", body, p.Error.At, want.at)
		}
	}
	if len(h.sent.events) != 0 {
		t.Errorf("%d kicks were stored", len(h.sent.events))
	}
}

// FuzzKick holds that whatever an administrator sends, what is stored is a kick that can be published.
func FuzzKick(f *testing.F) {
	for _, seed := range []string{`{"user":"7","channel":"foo"}`, `{"user":7,"channel":"50% \u00e9"}`, `{"user":null}`, `{"user":"@somebody","channel":"@kicks"}`, `[`} {
		f.Add([]byte(seed))
	}
	h := openHub(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		h.TB = t
		switch w := h.post("/api/kick", string(body), "Authorization", "Bearer "+publishKey); w.Code {
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
		case http.StatusOK:
			e := h.sent.events[len(h.sent.events)-1]
			items := e.AppendItems(nil, "")
			if _, err := grip.AppendItems(nil, items); err != nil || len(items) < 3 {
				t.Fatalf("%q is published as %+v, %v", body, items, err)
			}
		default:
			t.Fatalf("%q is answered by %d %s", body, w.Code, w.Body)
		}
	})
}
