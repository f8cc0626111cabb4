package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// A polled is the answer to a poll.
type polled struct {
	Events []struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
		ID    string          `json:"id"`
		Prev  string          `json:"prev"`
	} `json:"events"`
	Cursor string `json:"cursor"`
	Reset  bool   `json:"reset"`
}

// values are the events' data.
func (p polled) values() string {
	var all []string
	for _, e := range p.Events {
		all = append(all, string(e.Data))
	}
	return strings.Join(all, " ")
}

func readPoll(t testing.TB, w *httptest.ResponseRecorder) polled {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantHeader(t, w, "Content-Type", "application/json")
	wantHeader(t, w, "Cache-Control", "no-store")
	var p polled
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	var whole map[string]json.RawMessage
	body := w.Body.String()
	if err := json.Unmarshal([]byte(body), &whole); err != nil || len(whole) != 3 || whole["events"][0] != '[' {
		t.Fatalf("the answer is %s, %v", body, err)
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// fill stores events 1…n of the device.
func (h *hub) fill(id string, n int) {
	h.Helper()
	var drafts []channels.Draft
	for i := range n {
		d, err := devices.Broadcast(channels.DeviceRef{Type: "pump", ID: id}, devices.EventData, fmt.Append(nil, i+1), h.clock.Now())
		if err != nil {
			h.Fatal(err)
		}
		drafts = append(drafts, d)
	}
	if _, err := h.publisher.Publish(h.Context(), channels.Batch{Drafts: drafts}); err != nil {
		h.Fatal(err)
	}
}

func TestAPollContinuesFromItsCursor(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 5)
	p := readPoll(t, h.get("/iot/poll/pump/p1/?cursor=iot_pump_p1:3", "X-User", "7"))
	if p.values() != "4 5" || p.Cursor != "iot_pump_p1:5" || p.Reset || p.Events[0].ID != "iot_pump_p1:4" || p.Events[0].Prev != "iot_pump_p1:3" || p.Events[0].Event != "data" {
		t.Errorf("the answer is %+v", p)
	}
	p = readPoll(t, h.get("/iot/poll/pump/p1/?cursor="+p.Cursor, "X-User", "7"))
	if len(p.Events) != 0 || p.Cursor != "iot_pump_p1:5" || p.Reset {
		t.Errorf("up to date: %+v", p)
	}
}

func TestTheFirstPollHasTheNewestEvents(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 150)
	if p := readPoll(t, h.get("/iot/poll/pump/", "X-User", "7")); len(p.Events) != 100 || string(p.Events[0].Data) != "51" || p.Cursor != "iot_pump:150" {
		t.Errorf("%d events up to %s", len(p.Events), p.Cursor)
	}
	if p := readPoll(t, h.get("/iot/poll/pump/?limit=2", "X-User", "7")); p.values() != "149 150" {
		t.Errorf("the two newest are %s", p.values())
	}
	if p := readPoll(t, h.get("/iot/poll/pump/p2/", "X-User", "7")); len(p.Events) != 0 || p.Cursor != "iot_pump_p2:0" || p.Reset {
		t.Errorf("of a silent device: %+v", p)
	}
}

func TestALimitIsFilledFromTheOldest(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 5)
	cursor := "iot_pump:0"
	var got []string
	for range 3 {
		p := readPoll(t, h.get("/iot/poll/pump/?limit=2&cursor="+cursor, "X-User", "7"))
		got, cursor = append(got, p.values()), p.Cursor
	}
	if want := []string{"1 2", "3 4", "5"}; !slices.Equal(got, want) || cursor != "iot_pump:5" {
		t.Errorf("%q up to %s", got, cursor)
	}
}

func TestAPollOfManyBytesIsCut(t *testing.T) {
	h := openHub(t)
	for n := range 40 {
		h.device("pump", "p1", fmt.Sprintf(`{"n":%d,"text":"%s"}`, n, strings.Repeat("x", 60_000)))
	}
	cursor, seen := "iot_pump:0", 0
	for seen < 40 {
		w := h.get("/iot/poll/pump/?limit=1000&cursor="+cursor, "X-User", "7")
		if w.Body.Len() > 1<<20+100_000 {
			t.Fatalf("the answer has %d bytes", w.Body.Len())
		}
		p := readPoll(t, w)
		for _, e := range p.Events {
			if !strings.HasPrefix(string(e.Data), fmt.Sprintf(`{"n":%d,`, seen)) {
				t.Fatalf("event %d is %.20s", seen, e.Data)
			}
			seen++
		}
		if len(p.Events) == 0 {
			t.Fatalf("no more after %d events", seen)
		}
		cursor = p.Cursor
	}
	p := readPoll(t, h.get("/iot/poll/pump/?limit=1000", "X-User", "7", "Cookie", ""))
	if len(p.Events) == 0 || p.Cursor != p.Events[len(p.Events)-1].ID {
		t.Errorf("the newest events: %d, cursor %s", len(p.Events), p.Cursor)
	}
}

// A browserJar sends cookies back as a browser does, by path.
type browserJar struct {
	*hub
	cookies map[string]*http.Cookie // by path
}

func (b *browserJar) get(target string, fields ...string) *httptest.ResponseRecorder {
	b.Helper()
	r := b.request(http.MethodGet, target, nil, append(fields, "X-User", "7")...)
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	for at := path; at != ""; at = at[:strings.LastIndex(at, "/")] {
		if c, ok := b.cookies[at]; ok {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	w := b.do(r)
	for _, c := range w.Result().Cookies() {
		if c.Path == "" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge <= 0 {
			b.Errorf("the cookie is %s", c)
		}
		b.cookies[c.Path] = c
	}
	return w
}

func TestACookieRemembersWhereAClientStands(t *testing.T) {
	h := openHub(t)
	jar := &browserJar{hub: h, cookies: map[string]*http.Cookie{}}
	h.fill("p1", 2)
	h.fill("p2", 1)
	for _, c := range []struct{ target, want string }{
		{"/iot/poll/pump/", "1 2 1"},
		{"/iot/poll/pump/", ""},
		{"/iot/poll/pump/p1/", "1 2"}, // its type's cookie comes along and says nothing about it
		{"/iot/poll/pump/p1", ""},
		{"/iot/poll/pump/p2/", "1"},
		{"/iot/poll/pump", ""},
	} {
		if p := readPoll(t, jar.get(c.target)); p.values() != c.want {
			t.Errorf("%s: %q, want %q", c.target, p.values(), c.want)
		}
	}
	h.device("pump", "p1", `{"new":1}`)
	for _, target := range []string{"/iot/poll/pump/", "/iot/poll/pump/p1/"} {
		if p := readPoll(t, jar.get(target)); p.values() != `{"new":1}` {
			t.Errorf("%s: %q", target, p.values())
		}
	}
	if p := readPoll(t, jar.get("/iot/poll/pump/?cursor=iot_pump:2")); p.values() != `1 {"new":1}` {
		t.Errorf("a cursor does not come before the cookie: %q", p.values())
	}
	h.clock.advance(8 * 24 * time.Hour)
	if p := readPoll(t, jar.get("/iot/poll/pump/")); len(p.Events) != 4 || p.Reset {
		t.Errorf("after the cookie has expired: %+v", p)
	}
}

func TestAnEncodedPathHasItsCookie(t *testing.T) {
	h := openHub(t)
	jar := &browserJar{hub: h, cookies: map[string]*http.Cookie{}}
	h.publish("1", "iot_pump_a/b", "iot_pump_100%")
	for _, target := range []string{"/iot/poll/pump/a%2Fb/", "/iot/poll/pump/100%25/"} {
		first, second := readPoll(t, jar.get(target)), readPoll(t, jar.get(target))
		if len(first.Events) != 1 || len(second.Events) != 0 {
			t.Errorf("%s: %d, then %d events", target, len(first.Events), len(second.Events))
		}
	}
}

func TestAForgedCookieIsNoCookie(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 3)
	genuine := h.get("/iot/poll/pump/", "X-User", "7").Result().Cookies()[0].Value
	next := h.view("/events/foo/").in.next
	for what, value := range map[string]string{
		"plain": "iot_pump:2", "changed": genuine[:len(genuine)-1] + "A", "a link": next[strings.LastIndex(next, "/")+1:], "empty": "",
	} {
		if value == genuine {
			continue
		}
		if p := readPoll(t, h.get("/iot/poll/pump/", "X-User", "7", "Cookie", "griphub_poll="+value)); len(p.Events) != 3 {
			t.Errorf("a cookie that is %s: %+v", what, p)
		}
	}
	// A browser may send several of the name; the one that belongs here counts.
	if p := readPoll(t, h.get("/iot/poll/pump/", "X-User", "7", "Cookie", "griphub_poll=x; griphub_poll="+genuine)); len(p.Events) != 0 {
		t.Errorf("the second cookie of the name is not found: %+v", p)
	}
}

func TestCookiesAreSecureWhereTheSiteIs(t *testing.T) {
	h := openHub(t)
	for proto, want := range map[string]bool{"https": true, "http": false, "": false} {
		if c := h.get("/iot/poll/pump/", "X-User", "7", "X-Forwarded-Proto", proto).Result().Cookies()[0]; c.Secure != want {
			t.Errorf("over %q: %s", proto, c)
		}
	}
}

func TestLostHistoryIsToldToPollers(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 5)
	h.trim()
	for _, cursor := range []string{"iot_pump:2", "iot_pump:6"} {
		p := readPoll(t, h.get("/iot/poll/pump/?wait=10&cursor="+cursor, "X-User", "7"))
		if !p.Reset || len(p.Events) != 0 || p.Cursor != "iot_pump:5" {
			t.Errorf("from %s: %+v", cursor, p)
		}
	}
	if w := h.get("/iot/poll/pump/?wait=10&cursor=iot_pump:2", "X-User", "7"); w.Header().Get(grip.HeaderHold) != "" {
		t.Error("a reset waits")
	}
}

func TestALongPollIsHeldByTheProxyAlone(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 2)
	held := h.get("/iot/poll/pump/?wait=25&cursor=iot_pump:2", "X-User", "7")
	in := understand(t, held.Header())
	if in.hold != "response" || in.timeout != "25" || in.next != "" || len(in.names) != 2 || in.subscriptions["events-iot_pump"].prevID != "2" {
		t.Errorf("it is held as %+v", in)
	}
	if p := readPoll(t, held); len(p.Events) != 0 || p.Cursor != "iot_pump:2" {
		t.Errorf("at its timeout the client gets %+v", p)
	}
	for what, w := range map[string]*httptest.ResponseRecorder{
		"without a proxy":       h.get("/iot/poll/pump/?wait=25&cursor=iot_pump:2", "X-User", "7", grip.HeaderSig, ""),
		"with a forged proxy":   h.get("/iot/poll/pump/?wait=25&cursor=iot_pump:2", "X-User", "7", grip.HeaderSig, "x.y.z"),
		"with something to say": h.get("/iot/poll/pump/?wait=25&cursor=iot_pump:1", "X-User", "7"),
		"without a wish to":     h.get("/iot/poll/pump/?cursor=iot_pump:2", "X-User", "7"),
		"with a wish for none":  h.get("/iot/poll/pump/?wait=0&cursor=iot_pump:2", "X-User", "7"),
	} {
		if w.Code != http.StatusOK || w.Header().Get(grip.HeaderHold) != "" {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
	}
}

func TestAWaitHasBounds(t *testing.T) {
	h := openHub(t)
	for wait, want := range map[string]string{"1": "5", "0.001": "5", "5": "5", "12.5": "13", "55": "55", "56": "55", "999999": "55"} {
		if in := understand(t, h.get("/iot/poll/pump/?wait="+wait, "X-User", "7").Header()); in.timeout != want {
			t.Errorf("wait %s is held for %q, want %s", wait, in.timeout, want)
		}
	}
}

func TestPollsRefuseWhatTheyCannotRead(t *testing.T) {
	h := openHub(t)
	for _, q := range []string{
		"cursor=x", "cursor=iot_pump:x", "cursor=iot_pump:1,iot_pump:2", "limit=0", "limit=-1", "limit=1001", "limit=x", "limit=1e1", "limit=%31%00",
		"wait=x", "wait=-1", "wait=NaN", "wait=Inf", "wait=1e9", "wait=25s",
	} {
		if p := wantProblem(t, h.get("/iot/poll/pump/?"+q, "X-User", "7"), http.StatusBadRequest); p.Error.Code != "bad-request" {
			t.Errorf("%s: %+v", q, p)
		}
	}
	wantProblem(t, h.get("/iot/poll/pump/"), http.StatusUnauthorized)
	wantProblem(t, h.get("/iot/poll/pump/", "X-User", "forged"), http.StatusUnauthorized)
	wantProblem(t, h.get("/iot/poll/pump/", "X-User", "7 until=2025-01-15T11:00:00Z"), http.StatusForbidden)
	wantProblem(t, h.get("/iot/poll/pu%00mp/", "X-User", "7"), http.StatusBadRequest)
}

func TestAPollSkipsWhatItsUserDoesNotSee(t *testing.T) {
	h := openHub(t)
	for n, skip := range [][]string{nil, {"7"}, {"8"}, {"7"}} {
		h.publishDraft(channels.Draft{Channels: []channels.Channel{"iot_pump"}, Type: "data", Data: fmt.Append(nil, n), SkipUsers: skip})
	}
	p := readPoll(t, h.get("/iot/poll/pump/?cursor=iot_pump:0", "X-User", "7"))
	if p.values() != "0 2" || p.Cursor != "iot_pump:4" {
		t.Errorf("the answer is %+v", p)
	}
	if w := h.get("/iot/poll/pump/?cursor=iot_pump:3&wait=25", "X-User", "7"); readPoll(t, w).Cursor != "iot_pump:4" {
		t.Error("a skipped event is not passed over")
	}
}

func TestAHEADPollChangesNothing(t *testing.T) {
	h := openHub(t)
	h.fill("p1", 2)
	w := h.do(h.request(http.MethodHead, "/iot/poll/pump/?wait=25&cursor=iot_pump:2", nil, "X-User", "7"))
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Set-Cookie") != "" || w.Header().Get(grip.HeaderHold) != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestWhatIsNotKeptCannotBePolled(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Reader = channels.NewReader(o.Log, channels.Rules{{Match: "iot_pump**", Unstored: true}, {Match: "**", Unstored: true}})
	})
	for _, target := range []string{"/iot/poll/pump/?wait=25", "/iot/poll/pump/p1/", "/api/channels/foo/events"} {
		w := h.get(target, "X-User", "7")
		if p := wantProblem(t, w, http.StatusConflict); p.Error.Code != "not-stored" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %+v", target, p)
		}
	}
	// Who may not read is not told how a channel is kept.
	wantProblem(t, h.get("/iot/poll/pump/"), http.StatusUnauthorized)
}
