package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestPublishReachesStreams(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	scenes := publishScenes{hub}
	t.Run("JSON as it is", scenes.publishJSON)
	t.Run("raw text line by line", scenes.publishRaw)
	t.Run("without a type", scenes.publishWithoutType)
	t.Run("from standard input", scenes.publishFromStdin)
	t.Run("many at once as JSON lines", scenes.publishJSONLines)
	t.Run("an id makes it once", scenes.publishOnce)
	t.Run("as a device", scenes.publishAsDevice)
	t.Run("to a user and to everybody", scenes.publishToUsers)
	t.Run("flags stand anywhere", scenes.publishFlagsAnywhere)
	t.Run("wrong use exits with 2 and stores nothing", scenes.publishWrongUse)
	t.Run("over HTTP", scenes.publishOverHTTP)
	t.Run("over HTTP all or nothing", scenes.publishOverHTTPIsAtomic)
	hub.Stop(t)
}

// publishScenes are about the command and the API that publish, at one hub.
type publishScenes struct{ hub *e2e.Hub }

func (sc publishScenes) publishJSON(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/json/"))
	for _, data := range []string{`{"text":"hello","n":[1,2.50,null]}`, `"50 % of %s and %I"`, `7`, `null`, `{"a":"line\nbreak","u":"ü\u2028😀"}`, "{\n  \"pretty\": true\n}"} {
		id := hub.Publish(t, "json", data)
		if id == "" || strings.ContainsAny(id, " \n") {
			t.Errorf("publish prints %q", id)
		}
		if e := stream.Expect(t, "message"); e.Data != data {
			t.Errorf("got %q, want %q", e.Data, data)
		}
		var shown struct{ ID string }
		if err := json.Unmarshal([]byte(run(t, hub, "events", "show", id)), &shown); err != nil || shown.ID != id {
			t.Errorf("events show %s shows %+v (%v)", id, shown, err)
		}
	}
	if !strings.Contains(stream.Raw(), "event: message\nid: json:") {
		t.Errorf("the stream is %q", stream.Raw())
	}
	hub.Publish(t, "json", "--event", "task.done", "--private", `{"who":"me"}`, "--skip-user", "nobody-here")
	e := stream.Expect(t, "task.done")
	if e.Data != "" && e.Data != "{}" {
		t.Errorf("without data the event has %q", e.Data)
	}
	hub.Publish(t, "json", "--skip-user", "dev", `"not for me"`)
	hub.Publish(t, "json", `"for me"`)
	if e := stream.Expect(t, "message"); e.Data != `"for me"` {
		t.Errorf("dev sees %s", e.Data)
	}
	if strings.Contains(stream.Raw(), "who") {
		t.Errorf("private data is on the stream")
	}
}

func (sc publishScenes) publishRaw(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/html/"))
	hub.Publish(t, "html", "--raw", "--event", "sse_stat", "<b>42 %</b>\n\n<i>%I %(x)s</i>\r\nend")
	if e := stream.Expect(t, "sse_stat"); e.Data != "<b>42 %</b>\n\n<i>%I %(x)s</i>\nend" {
		t.Errorf("got %q", e.Data)
	}
	if raw := stream.Raw(); !strings.Contains(raw, "data: <b>42 %</b>\ndata:\ndata: <i>%I %(x)s</i>\ndata: end\n\n") {
		t.Errorf("the stream is %q", raw)
	}
	// Nothing that is published can make an event of its own.
	hub.Publish(t, "html", "--raw", "x\n\nevent: forged\nid: forged\ndata: y\n\n")
	hub.Publish(t, "html", "--raw", "last")
	stream.Expect(t, "message")
	if e := stream.Expect(t, "message"); e.Data != "last" {
		t.Errorf("got %q", e.Data)
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc publishScenes) publishWithoutType(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/htmx/"))
	hub.Publish(t, "htmx", "--event", "", "--raw", "<p>new</p>")
	e := stream.Expect(t, "message")
	if e.Data != "<p>new</p>" {
		t.Errorf("got %q", e.Data)
	}
	if raw := stream.Raw(); !strings.Contains(raw, "\n\nid: "+e.ID+"\ndata: <p>new</p>\n\n") {
		t.Errorf("the stream is %q", raw)
	}
}

func (sc publishScenes) publishFromStdin(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/stdin/"))
	for _, args := range [][]string{{"stdin"}, {"stdin", "-"}, {"--raw", "stdin"}} {
		c := e2e.Command{Args: append([]string{"publish", "--config", hub.Config}, args...), Stdin: "{\"a\":\n1}\n"}
		if result := c.Run(t); result.Code != 0 {
			t.Errorf("publish %q: exit code %d: %s", args, result.Code, result.Stderr)
		}
		if e := stream.Expect(t, "message"); e.Data != "{\"a\":\n1}" {
			t.Errorf("publish %q: got %q", args, e.Data)
		}
	}
}

func (sc publishScenes) publishJSONLines(t *testing.T) {
	hub := sc.hub
	const count = 1500
	stream := watch(t, hub.URL("/events/?channel=bulk&channel=bulk2"))
	var lines strings.Builder
	for n := range count {
		fmt.Fprintf(&lines, `{"channel":"%s","event":"row","data":{"n":%d}}`+"\n", []string{"bulk", "bulk2"}[n%2], n)
	}
	result := e2e.Command{Args: []string{"publish", "--jsonl", "--config", hub.Config}, Stdin: lines.String()}.Run(t)
	if result.Code != 0 {
		t.Fatalf("exit code %d: %s", result.Code, result.Stderr)
	}
	ids := make(map[string]bool)
	for id := range strings.FieldsSeq(result.Stdout) {
		ids[id] = true
	}
	if len(ids) != count {
		t.Errorf("publish prints %d different ids, want %d", len(ids), count)
	}
	for range count {
		stream.Expect(t, "row")
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)

	bad := e2e.Command{Args: []string{"publish", "--jsonl", "--config", hub.Config}, Stdin: `{"channel":"bulk","data":1}` + "\n" + `{"channel":"bulk","daata":2}` + "\n"}.Run(t)
	if bad.Code != 2 || !strings.Contains(bad.Stderr, "daata") || strings.Count(bad.Stderr, "\n") != 1 {
		t.Errorf("a bad line: exit code %d: %q", bad.Code, bad.Stderr)
	}
}

func (sc publishScenes) publishOnce(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/once/"))
	first := hub.Publish(t, "once", "--id", "order-7", `{"n":1}`)
	if again := hub.Publish(t, "once", "--id", "order-7", `{"n":1}`); again != first {
		t.Errorf("the id was %s, and is %s", first, again)
	}
	if other := hub.Publish(t, "once", "--id", "order-8", `{"n":2}`); other == first {
		t.Errorf("two orders have the id %s", first)
	}
	for _, want := range []string{`{"n":1}`, `{"n":2}`} {
		if e := stream.Expect(t, "message"); e.Data != want {
			t.Errorf("got %s, want %s", e.Data, want)
		}
	}
}

func (sc publishScenes) publishAsDevice(t *testing.T) {
	hub := sc.hub
	ofType, one := watch(t, hub.URL("/iot/stream/press/")), watch(t, hub.URL("/iot/stream/press/p 1/"))
	s := e2e.Dial(t, hub.URL("/ws/iot/press/"), nil)
	ping(t, s)
	hub.Publish(t, "--device", "press/p 1", "--event", "alarm", `{"level":3}`)
	for _, stream := range []*e2e.EventSource{ofType, one} {
		env := envelopeOf(t, stream.Expect(t, "alarm"))
		if env.DeviceType != "press" || env.DeviceID != "p 1" {
			t.Errorf("the alarm is of %s/%s", env.DeviceType, env.DeviceID)
		}
		sameJSON(t, "data", string(env.Data), `{"level":3}`)
	}
	var m message
	if s.Next(t).JSON(t, &m); m.Event != "alarm" || m.DeviceID != "p 1" {
		t.Errorf("the socket shows %+v", m)
	}
}

func (sc publishScenes) publishToUsers(t *testing.T) {
	hub := sc.hub
	stream := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{})
	sameJSON(t, "the opening", stream.Expect(t, "message").Data, `{"type":"connected"}`)
	hub.Publish(t, "--user", "someone-else", "--event", "task", `{"n":0}`)
	hub.Publish(t, "--system", "--event", "task", `{"n":0}`)
	hub.Publish(t, "--user", "dev", "--event", "task", `{"n":1}`)
	hub.Publish(t, "--global", "--event", "news", `{"n":2,"type":"overwritten"}`)
	sameJSON(t, "the user's event", stream.Expect(t, "message").Data, `{"n":1,"type":"task"}`)
	sameJSON(t, "the global event", stream.Expect(t, "message").Data, `{"n":2,"type":"news"}`)
}

func (sc publishScenes) publishFlagsAnywhere(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/flags/"))
	for _, args := range [][]string{
		{"publish", "--config", hub.Config, "--event", "x", "flags", "1"},
		{"--config", hub.Config, "publish", "flags", "--event", "x", "2"},
		{"publish", "flags", "3", "--event=x", "--config=" + hub.Config},
	} {
		if result := (e2e.Command{Args: args}).Run(t); result.Code != 0 {
			t.Errorf("%q: exit code %d: %s", args, result.Code, result.Stderr)
		}
		stream.Expect(t, "x")
	}
}

func (sc publishScenes) publishWrongUse(t *testing.T) {
	hub := sc.hub
	before := len(hub.Entries(t, "wrong"))
	for _, args := range [][]string{
		{}, {""}, {"@system", "1"}, {"wrong", "{"}, {"wrong", "not json"}, {"wrong", "1", "2"}, {"wrong", "--event", "stream-open", "1"},
		{"wrong", "--event", "a\nb", "1"}, {"wrong", "--private", "{", "1"}, {"--user", "", "1"}, {"--user", "7", `"no object"`},
		{"--device", "pump", "1"}, {"--device", "a/b/c", "1"}, {"--global", "--system", "{}"}, {"--unknown", "wrong", "1"},
		{strings.Repeat("x", 300), "1"}, {"wrong", `"` + strings.Repeat("x", 70_000) + `"`},
		{"--jsonl", "wrong"}, {"wrong\x01", "1"},
	} {
		result := hub.Run(t, append([]string{"publish"}, args...)...)
		if result.Code != 2 {
			t.Errorf("publish %.80q: exit code %d", args, result.Code)
		}
		if strings.Count(result.Stderr, "\n") != 1 || result.Stdout != "" {
			t.Errorf("publish %.80q says %.300q and prints %.80q", args, result.Stderr, result.Stdout)
		}
	}
	if now := len(hub.Entries(t, "wrong")); now != before {
		t.Errorf("%d events were stored", now-before)
	}
	for _, c := range []e2e.Command{
		{Args: []string{"publish", "--config", "/nonexistent.yaml", "a", "1"}},
		{Args: []string{"publish", "--config", hub.Config, "a", "1"}, Env: []string{"GRIPHUB_LISTENN=x"}},
	} {
		if result := c.Run(t); result.Code != 2 || strings.Count(result.Stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d: %q", c.Args, result.Code, result.Stderr)
		}
	}
}

// published is the answer to POST /api/publish.
type published struct {
	Events []struct{ ID, Cursor string }
	Error  struct{ Code, Message, At string }
}

func post(t *testing.T, url, body string, header http.Header) (e2e.Answer, published) {
	t.Helper()
	answer := e2e.Request(t, http.MethodPost, url, body, header)
	var decoded published
	if err := json.Unmarshal([]byte(answer.Body), &decoded); err != nil {
		t.Fatalf("POST %s is answered by %d %.300q: %v", url, answer.Status, answer.Body, err)
	}
	return answer, decoded
}

func (sc publishScenes) publishOverHTTP(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/?channel=http&channel=http2"))
	s := e2e.Dial(t, hub.URL("/ws/events/?channel=http"), nil)
	ping(t, s)
	for _, c := range []struct {
		body   string
		events int
	}{
		{`{"channel":"http","event":"note","data":{"n":1}}`, 1},
		{`[{"channel":"http","event":"note","data":2},{"channels":["http","http2"],"event":"note","data":3}]`, 2},
		{"{\"channel\":\"http\",\"event\":\"note\",\"data\":4}\n{\"channel\":\"http\",\"event\":\"note\",\"raw\":true,\"data\":\"<b>5 %</b>\"}\n", 2},
	} {
		answer, got := post(t, hub.URL("/api/publish"), c.body, nil)
		if answer.Status != 200 || len(got.Events) != c.events {
			t.Fatalf("%s is answered by %d %s", c.body, answer.Status, answer.Body)
		}
		for _, e := range got.Events {
			if _, err := e2e.ParseCursor(e.Cursor); e.ID == "" || err != nil {
				t.Errorf("the answer is %s", answer.Body)
			}
		}
	}
	for _, want := range []string{`{"n":1}`, "2", "3", "3", "4", "<b>5 %</b>"} {
		if e := stream.Expect(t, "note"); e.Data != want {
			t.Errorf("got %s, want %s", e.Data, want)
		}
	}
	for range 5 {
		s.Next(t)
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
	e2e.RecordMessages(texts(s)).Check(t, hub)
	if _, again := post(t, hub.URL("/api/publish/"), `{"channel":"http","id":"k","data":6}`, nil); again.Events[0].ID != "" {
		_, repeat := post(t, hub.URL("/api/publish"), `{"channel":"http","id":"k","data":6}`, nil)
		if repeat.Events[0] != again.Events[0] {
			t.Errorf("a repeat is answered by %+v, the first by %+v", repeat.Events, again.Events)
		}
	}
}

func (sc publishScenes) publishOverHTTPIsAtomic(t *testing.T) {
	hub := sc.hub
	for body, at := range map[string]string{
		`[{"channel":"atom","data":1},{"channel":"atom","event":"keep-alive"}]`: "[1].event",
		`[{"channel":"atom","data":1},{"channel":"@system"}]`:                   "[1].channel",
		`[{"channel":"atom","data":1},{"channel":"atom","tpye":"x"}]`:           "[1].tpye",
		`[{"channel":"atom","data":1},{}]`:                                      "[1].channel",
		`[{"channel":"atom","data":1}`:                                          "[1].body",
		`{"channel":"atom","data":1}]`:                                          "[1].body",
		`not json`:                                                              "[0].body",
	} {
		answer, got := post(t, hub.URL("/api/publish"), body, nil)
		if answer.Status < 400 || answer.Status > 499 || got.Error.Code == "" || got.Error.Message == "" || got.Error.At != at {
			t.Errorf("%s is answered by %d %s, want at %q", body, answer.Status, answer.Body, at)
		}
	}
	for _, body := range []string{"", "[]"} {
		if answer, _ := post(t, hub.URL("/api/publish"), body, nil); answer.Status != 400 {
			t.Errorf("%q is answered by %d %s", body, answer.Status, answer.Body)
		}
	}
	if stored := hub.Entries(t, "atom"); len(stored) != 0 {
		t.Errorf("%d events were stored", len(stored))
	}
	if answer := e2e.Get(t, hub.URL("/api/publish")); answer.Status != 405 {
		t.Errorf("GET is answered by %d", answer.Status)
	}
	// Another site's page must not publish in dev's name.
	cross := http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"text/plain"}}
	if answer, _ := post(t, hub.URL("/api/publish"), `{"channel":"atom","data":1}`, cross); answer.Status != 403 {
		t.Errorf("another site's page is answered by %d", answer.Status)
	}
}
