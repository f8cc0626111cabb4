package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// frames is a batch of WebSocket events in the proxy's writing.
func frames(events ...string) string { return strings.Join(events, "") }

func frame(eventType, content string) string {
	return fmt.Sprintf("%s %x\r\n%s\r\n", eventType, len(content), content)
}

const (
	opening    = "OPEN\r\n"
	disconnect = "DISCONNECT\r\n"
)

func (h *hub) batch(target, body string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	return h.post(target, body, append([]string{"Content-Type", grip.TypeWSEvents, "Accept", grip.TypeWSEvents, "Connection-Id", "c1"}, fields...)...)
}

// A reply is what the proxy reads from an answer to a batch.
type reply struct {
	types    []string
	messages []string         // to the browser
	controls []map[string]any // to the proxy
	events   []grip.WSEvent
}

func readReply(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantHeader(t, w, "Content-Type", "application/websocket-events") // to the byte
	if w.Body.Len() > 1_000_000 {
		t.Errorf("the reply has %d bytes, the proxy drops the connection", w.Body.Len())
	}
	events, err := grip.DecodeWSEvents(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r := reply{events: events}
	for _, e := range events {
		r.types = append(r.types, e.Type)
		if e.Type != grip.EventText {
			continue
		}
		content := string(e.Content)
		if message, ok := strings.CutPrefix(content, "m:"); ok {
			r.messages = append(r.messages, message)
		} else if control, ok := strings.CutPrefix(content, "c:"); ok {
			var object map[string]any
			if err := json.Unmarshal([]byte(control), &object); err != nil {
				t.Errorf("the control message %q: %v", control, err)
			}
			r.controls = append(r.controls, object)
		} else {
			t.Errorf("the proxy drops the message %q", content)
		}
	}
	return r
}

// closed is the code and reason of the last event, which is a close.
func (r reply) closed(t testing.TB) (code int, reason string) {
	t.Helper()
	if len(r.events) == 0 {
		t.Fatal("the reply is empty")
	}
	code, reason, err := grip.CloseStatus(r.events[len(r.events)-1])
	if err != nil {
		t.Fatal(err)
	}
	return code, reason
}

func TestASocketIsOpenedAndSubscribed(t *testing.T) {
	h := openHub(t)
	w := h.batch("/ws/events/?channel=foo&channel=a%20b", opening, "X-User", "7")
	r := readReply(t, w)
	if r.types[0] != grip.EventOpen || len(r.messages) != 0 {
		t.Errorf("the reply is %q", w.Body)
	}
	if got, want := w.Header().Get("Sec-WebSocket-Extensions"), "grip"; got != want {
		t.Errorf("the extension is %q", got)
	}
	wantHeader(t, w, "Keep-Alive-Interval", "60")
	want := `[map[name:user type:set-meta value:7] map[channel:events-foo filters:[skip-users] type:subscribe] map[channel:user-7:events-foo type:subscribe] ` +
		`map[channel:events-a%20b filters:[skip-users] type:subscribe] map[channel:user-7:events-a%20b type:subscribe]]`
	if got := fmt.Sprint(r.controls); got != want {
		t.Errorf("the proxy is told %s, want %s", got, want)
	}
	anonymous := readReply(t, h.batch("/ws/events/?channel=foo", opening))
	if len(anonymous.controls) != 1 || anonymous.controls[0]["type"] != "subscribe" {
		t.Errorf("for nobody the proxy is told %v", anonymous.controls)
	}
}

func TestTheShortestKeepAliveIsTheProxys(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Stream.Recheck = 1e9; o.Prefix = "v1-" })
	w := h.batch("/ws/iot/pump/p1/", opening, "X-User", "7")
	wantHeader(t, w, "Keep-Alive-Interval", "20")
	if r := readReply(t, w); r.controls[1]["channel"] != "v1-events-iot_pump_p1" {
		t.Errorf("the proxy is told %v", r.controls)
	}
}

func TestAnonymousSocketsAreAcceptedThenClosed(t *testing.T) {
	h := openHub(t)
	for _, user := range []string{"", "forged", "7 until=2025-01-15T11:00:00Z"} {
		w := h.batch("/ws/iot/pump/", opening+frame("TEXT", `{"action":"ping","cursor":"iot_pump:0"}`), "X-User", user)
		r := readReply(t, w)
		if !slices.Equal(r.types, []string{grip.EventOpen, grip.EventClose}) || len(r.controls) != 0 {
			t.Errorf("user %q: the reply is %q", user, w.Body)
		}
		if code, reason := r.closed(t); code != 4403 || strings.Contains(reason, "SECRET") {
			t.Errorf("user %q: closed with %d %q", user, code, reason)
		}
		wantHeader(t, w, "Sec-WebSocket-Extensions", "grip")
	}
}

func TestALostPermissionClosesTheSocketAtItsNextBatch(t *testing.T) {
	h := openHub(t)
	for what, body := range map[string]string{"a keep-alive": "", "a message": frame("TEXT", `{"action":"ping"}`)} {
		w := h.batch("/ws/iot/pump/", body, "X-User", "")
		if code, _ := readReply(t, w).closed(t); code != 4403 || w.Header().Get("Keep-Alive-Interval") != "" {
			t.Errorf("%s: closed with %d", what, code)
		}
	}
}

func TestAPingIsAnsweredByExactlyAPong(t *testing.T) {
	h := openHub(t)
	for _, ping := range []string{`{"action":"ping"}`, " {\"action\" : \"ping\", \"x\": 1}\n", `{"action":"ping","cursor":null}`} {
		if r := readReply(t, h.batch("/ws/iot/pump/", frame("TEXT", ping), "X-User", "7")); len(r.types) != 1 || !slices.Equal(r.messages, []string{`{"event":"pong"}`}) {
			t.Errorf("%s is answered by %q", ping, r.messages)
		}
	}
	if r := readReply(t, h.batch("/ws/iot/pump/", frame("PING", "x")+"PING\r\n"+frame("PING", ""), "X-User", "7")); !slices.Equal(r.types, []string{"PONG", "PONG", "PONG"}) || string(r.events[0].Content) != "x" {
		t.Errorf("ping frames are answered by %v", r.events)
	}
}

func TestAPingWithACursorBringsWhatWasMissed(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"n":1}`)
	h.device("pump", "p1", `{"n":2}`)
	h.publish(`3`, "iot_pump")
	ping := func(cursor string) reply {
		t.Helper()
		return readReply(t, h.batch("/ws/iot/pump/", frame("TEXT", `{"action":"ping","cursor":"`+cursor+`"}`), "X-User", "7"))
	}
	r := ping("iot_pump:1")
	want := []string{
		`{"event":"data","device_type":"pump","device_id":"p1","data":{"n":2},"timestamp":"2025-01-15T12:00:00+00:00","id":"iot_pump:2","prev":"iot_pump:1"}`,
		`{"event":"message","channel":"iot_pump","data":3,"id":"iot_pump:3","prev":"iot_pump:2"}`,
		`{"event":"pong","cursor":"iot_pump:3"}`,
	}
	if !slices.Equal(r.messages, want) {
		t.Errorf("the messages are %q, want %q", r.messages, want)
	}
	for cursor, want := range map[string]string{
		"iot_pump:3": `["{\"event\":\"pong\",\"cursor\":\"iot_pump:3\"}"]`,
		"":           `["{\"event\":\"pong\",\"cursor\":\"iot_pump:3\"}"]`,
		"other:9":    `["{\"event\":\"pong\",\"cursor\":\"iot_pump:3\"}"]`,
		"x":          `["{\"event\":\"error\",\"data\":{\"condition\":\"bad-request\",\"text\":\"The cursor cannot be read.\"}}"]`,
	} {
		if got := fmt.Sprintf("%q", ping(cursor).messages); got != want {
			t.Errorf("from %q: %s, want %s", cursor, got, want)
		}
	}
	for _, cursor := range []string{"5", "{}", "false"} {
		r := readReply(t, h.batch("/ws/iot/pump/", frame("TEXT", `{"action":"ping","cursor":`+cursor+`}`), "X-User", "7"))
		if len(r.messages) != 1 || !strings.Contains(r.messages[0], "The cursor cannot be read.") {
			t.Errorf("the cursor %s is answered by %q", cursor, r.messages)
		}
	}
}

func TestLostHistoryIsToldToSockets(t *testing.T) {
	h := openHub(t)
	for n := range 3 {
		h.publish(fmt.Sprint(n), "foo")
	}
	h.trim()
	r := readReply(t, h.batch("/ws/events/?channel=foo", frame("TEXT", `{"action":"ping","cursor":"foo:1"}`)))
	if len(r.messages) != 2 || !sameJSON(r.messages[0], `{"event":"stream-reset","data":{"channels":["foo"]},"cursor":"foo:3"}`) || r.messages[1] != `{"event":"pong","cursor":"foo:3"}` {
		t.Errorf("the messages are %q", r.messages)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestASocketMayOpenAtACursor(t *testing.T) {
	h := openHub(t)
	h.publish("1", "foo")
	h.publish("2", "foo")
	r := readReply(t, h.batch("/ws/events/?channel=foo&cursor=foo:1", opening))
	// Subscribed first, so that nothing falls between.
	if !slices.Equal(r.types, []string{"OPEN", "TEXT", "TEXT"}) || len(r.messages) != 1 || !strings.Contains(r.messages[0], `"id":"foo:2"`) || string(r.events[1].Content[:2]) != "c:" {
		t.Errorf("the reply is %v", r.types)
	}
	wantProblem(t, h.batch("/ws/events/?channel=foo&cursor=x", opening), http.StatusBadRequest)
	if r := readReply(t, h.batch("/ws/events/?channel=foo&cursor=foo:0", frame("TEXT", `{"action":"ping"}`))); len(r.messages) != 1 {
		t.Errorf("a later batch starts over: %q", r.messages)
	}
}

func TestACatchUpFitsAReply(t *testing.T) {
	h := openHub(t)
	for n := range 20 {
		h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Raw: true, Data: []byte(fmt.Sprint(n, " ", strings.Repeat("a", 60_000)))})
	}
	cursor, got := "foo:0", 0
	for rounds := 0; ; rounds++ {
		r := readReply(t, h.batch("/ws/events/?channel=foo", frame("TEXT", `{"action":"ping","cursor":"`+cursor+`"}`)))
		got += len(r.messages) - 1
		var pong struct {
			Event, Cursor string
			More          bool
		}
		if err := json.Unmarshal([]byte(r.messages[len(r.messages)-1]), &pong); err != nil || pong.Event != "pong" {
			t.Fatalf("the last message is %q", r.messages[len(r.messages)-1])
		}
		if cursor = pong.Cursor; !pong.More {
			break
		}
		if rounds > 20 {
			t.Fatal("it does not end")
		}
	}
	if got != 20 || cursor != "foo:20" {
		t.Errorf("%d messages up to %s", got, cursor)
	}
}

// One connection must not be able to make the log read thousands of times with one request.
func TestABatchOfPingsReadsTheLogOnce(t *testing.T) {
	reads := 0
	h := openHub(t, func(o *web.Options) {
		o.Reader = channels.NewReader(countedLog{o.Log, &reads}, standardRules)
	})
	for n := range 1000 {
		h.publish(fmt.Sprint(n), "foo")
	}
	reads = 0
	var b strings.Builder
	for b.Len() < 200_000 {
		b.WriteString(frame("TEXT", `{"action":"ping","cursor":"foo:0"}`))
		b.WriteString(frame("TEXT", `{"action":"ping","cursor":""}`))
		b.WriteString(frame("TEXT", `{"action":"ping"}`))
	}
	readReply(t, h.batch("/ws/events/?channel=foo&cursor=foo:0", opening+b.String()))
	if reads > 3 {
		t.Errorf("the log was read %d times", reads)
	}
}

func TestACloseIsAnsweredByTheSameClose(t *testing.T) {
	h := openHub(t)
	for what, c := range map[string]struct{ body, want string }{
		"with a code":               {frame("CLOSE", "\x03\xe8bye"), frame("CLOSE", "\x03\xe8bye")},
		"without":                   {"CLOSE\r\n", "CLOSE\r\n"},
		"after a message":           {frame("TEXT", `{"action":"ping"}`) + "CLOSE\r\n", "CLOSE\r\n"},
		"at once":                   {opening + "CLOSE\r\n", opening + "CLOSE\r\n"},
		"a lost connection":         {disconnect, ""},
		"a connection lost at once": {opening + disconnect, opening},
		"nothing":                   {"", ""},
	} {
		w := h.batch("/ws/events/?channel=foo", c.body)
		readReply(t, w)
		if w.Body.String() != c.want {
			t.Errorf("%s: answered by %q, want %q", what, w.Body, c.want)
		}
	}
	// Also for a viewer who may no longer read.
	if w := h.batch("/ws/iot/pump/", "CLOSE\r\n"); w.Body.String() != "CLOSE\r\n" {
		t.Errorf("a forbidden viewer's close is answered by %q", w.Body)
	}
}

func TestStrayMessagesAreIgnored(t *testing.T) {
	h := openHub(t)
	body := frames(
		frame("TEXT", "garbage"), frame("TEXT", ""), "TEXT\r\n", frame("TEXT", "[]"), frame("TEXT", "null"), frame("TEXT", `{"action":"dance"}`),
		frame("TEXT", `{"action":7}`), frame("TEXT", "\xff\xfe"), frame("BINARY", "\x00\x01"),
		frame("BINARY", `{"action":"ping"}`), frame("PONG", "x"), frame("TEXT", `c:{"type":"subscribe","channel":"events-hidden"}`), frame("TEXT", `m:{"action":"ping"}`),
	)
	w := h.batch("/ws/events/?channel=foo", body)
	if r := readReply(t, w); len(r.events) != 0 {
		t.Errorf("they are answered by %q", w.Body)
	}
	w = h.batch("/ws/events/?channel=foo", body+frame("TEXT", `{"action":"ping"}`))
	if r := readReply(t, w); !slices.Equal(r.messages, []string{`{"event":"pong"}`}) {
		t.Errorf("a ping after them is answered by %q", w.Body)
	}
}

func TestBatchesThatAreNoneAreRefused(t *testing.T) {
	h := openHub(t)
	for _, body := range []string{"OPEN", "open\r\n", "TEXT ff\r\nhello\r\n", "TEXT -5\r\nhello\r\n", "TEXT zz\r\nhello\r\n", "TEXT 5\r\nhelloCLOSE\r\n", "\r\n", "{}"} {
		wantProblem(t, h.batch("/ws/events/?channel=foo", body), http.StatusBadRequest)
	}
	wantProblem(t, h.batch("/ws/events/?channel=foo", frame("TEXT", strings.Repeat("x", 2<<20))), http.StatusBadRequest)
	wantProblem(t, h.post("/ws/events/?channel=foo", opening, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	wantProblem(t, h.post("/ws/events/?channel=foo", opening), http.StatusUnsupportedMediaType)
	wantProblem(t, h.batch("/ws/events/", opening), http.StatusBadRequest)
	wantProblem(t, h.batch("/ws/events/?channel=@system", opening), http.StatusBadRequest)
	wantProblem(t, h.batch("/ws/events/?channel="+strings.Join(strings.Split("abcdefghijk", ""), "&channel="), opening), http.StatusBadRequest)
	wantProblem(t, h.batch("/ws/iot/pu%00mp/", opening, "X-User", "7"), http.StatusBadRequest)
}

func TestSocketsNeedAProxy(t *testing.T) {
	h := openHub(t)
	wantProblem(t, h.batch("/ws/events/?channel=foo", opening, grip.HeaderSig, ""), http.StatusNotImplemented)
	wantProblem(t, h.batch("/ws/events/?channel=foo", opening, grip.HeaderSig, "x.y.z"), http.StatusNotImplemented)
	wantProblem(t, h.get("/ws/events/?channel=foo", "Upgrade", "websocket", "Connection", "Upgrade", grip.HeaderSig, ""), http.StatusNotImplemented)
}

// A browser sends a site's cookies with any site's WebSocket, and CORS does not apply to it.
func TestAnotherSitesPageOpensNoSocket(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.CORS = web.CORS{Origins: []string{"https://friend.example"}, Credentials: true}
	})
	for _, c := range []struct {
		fields  []string
		allowed bool
	}{
		{nil, true},
		{[]string{"Origin", "http://example.com"}, true}, // httptest's own host
		{[]string{"Origin", "https://friend.example", "Sec-Fetch-Site", "cross-site"}, true},
		{[]string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Origin", "https://evil.example"}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Origin", "http://example.com.evil.example"}, false},
		{[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Origin", "http://sub.example.com", "Sec-Fetch-Site", "same-site"}, false},
	} {
		w := h.batch("/ws/iot/pump/", opening, append([]string{"X-User", "7"}, c.fields...)...)
		if allowed := w.Code == http.StatusOK && len(readReply(t, w).controls) > 0; allowed != c.allowed {
			t.Errorf("%q: %d %q", c.fields, w.Code, w.Body)
		}
	}
}

func TestSocketsPassOverWhatSkipsTheirUser(t *testing.T) {
	h := openHub(t)
	for n, skip := range [][]string{nil, {"7"}, nil, {"7"}} {
		h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: fmt.Append(nil, n), SkipUsers: skip})
	}
	r := readReply(t, h.batch("/ws/events/?channel=foo", frame("TEXT", `{"action":"ping","cursor":"foo:0"}`), "X-User", "7"))
	if len(r.messages) != 3 || r.messages[2] != `{"event":"pong","cursor":"foo:4"}` {
		t.Errorf("the messages are %q", r.messages)
	}
}

func TestAHostileUserNameStaysAText(t *testing.T) {
	h := openHub(t)
	user := `7","channel":"events-hidden`
	r := readReply(t, h.batch("/ws/events/?channel=foo", opening, "X-User", user))
	if r.controls[0]["value"] != user || len(r.controls) != 3 || r.controls[2]["channel"] != "user-7%22%2C%22channel%22%3A%22events-hidden:events-foo" {
		t.Errorf("the proxy is told %v", r.controls)
	}
}

// FuzzSocket holds that whatever a client sends, the reply is one that the proxy reads, and subscribes to nothing; and that a client
// which takes several messages at once gets the same.
func FuzzSocket(f *testing.F) {
	f.Add("TEXT", []byte(`{"action":"ping","cursor":"foo:0"}`))
	f.Add("BINARY", []byte{0})
	f.Add("CLOSE", []byte{3, 232})
	f.Add("PING", []byte("x"))
	h := openHub(f)
	h.publish("1", "foo")
	f.Fuzz(func(t *testing.T, eventType string, content []byte) {
		h.TB = t
		w := h.batch("/ws/events/?channel=foo", frame(eventType, string(content)))
		if w.Code == http.StatusBadRequest {
			return
		}
		r := readReply(t, w)
		if len(r.controls) != 0 {
			t.Fatalf("the proxy is told %v", r.controls)
		}
		batching := readReply(t, h.batch("/ws/events/?channel=foo&batch=1", frame(eventType, string(content))))
		if got := unpacked(t, batching.messages); !slices.Equal(got, r.messages) {
			t.Fatalf("one at a time %q, several at once %q", r.messages, got)
		}
	})
}
