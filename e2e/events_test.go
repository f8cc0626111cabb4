package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestStreamsOfChannels(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: `
stream: {keepalive: 1s, recheck: 2s}
streams:
  - {path: /foo/events/, channels: [foo]}
  - {path: "/objects/{id}/events/", channels: ["object-{id}", foo]}
cors: {origins: ["https://app.example"], credentials: true}
`})
	scenes := streamScenes{hub}
	t.Run("an event's id says where the viewer stands in every channel", scenes.idsAreComposite)
	t.Run("a viewer that was away gets what it missed", scenes.resumeBringsWhatWasMissed)
	t.Run("a viewer that lost its connection misses nothing", scenes.lostConnectionsResume)
	t.Run("a long backlog comes whole and in order", scenes.backlogComesWhole)
	t.Run("a lost publish is repaired", scenes.lostPublishIsRepaired)
	t.Run("a place that the log does not know resets the viewer", scenes.unknownPlaceResets)
	t.Run("silence is filled with keep-alive events", scenes.silenceIsFilledWithEvents)
	t.Run("configured routes listen to their channels", scenes.configuredRoutes)
	t.Run("errors look as viewers know them", scenes.errorsLookFamiliar)
	t.Run("methods and origins are answered by the book", scenes.methodsAndOrigins)
	hub.Stop(t)
}

// streamScenes are about streams of channels, at one hub.
type streamScenes struct{ hub *e2e.Hub }

func (sc streamScenes) idsAreComposite(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/?channel=left&channel=r%C3%A9%20%25,:&channel=left"))
	if !strings.HasPrefix(stream.Raw(), ":"+strings.Repeat(" ", 2048)+"\n\nevent: stream-open\nid: ") {
		t.Errorf("the stream begins with %.2200q", stream.Raw())
	}
	channels := []string{"left", "ré %,:"}
	at, err := e2e.ParseCursor(stream.Events()[0].ID)
	if err != nil || len(at) != 2 {
		t.Fatalf("the opening's id is %q", stream.Events()[0].ID)
	}
	for n := range 6 {
		channel := channels[n%2]
		hub.Publish(t, channel, fmt.Sprint(n))
		e := stream.Expect(t, "message")
		at[channel]++
		if got, err := e2e.ParseCursor(e.ID); err != nil || fmt.Sprint(got) != fmt.Sprint(at) {
			t.Errorf("event %d has the id %s, want %v", n, e.ID, at)
		}
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc streamScenes) resumeBringsWhatWasMissed(t *testing.T) {
	hub := sc.hub
	path := "/events/?channel=a1&channel=b1"
	first := watch(t, hub.URL(path))
	hub.Publish(t, "a1", "1")
	hub.Publish(t, "b1", "2")
	first.Expect(t, "message")
	seen := first.Expect(t, "message")
	first.Close()
	for n, channel := range []string{"a1", "b1", "a1"} {
		hub.Publish(t, channel, "--event", "missed", fmt.Sprint(n))
	}
	at := url.QueryEscape(seen.ID)
	for name, again := range map[string]*e2e.EventSource{
		"Last-Event-ID":                e2e.Watch(t, hub.URL(path), e2e.EventSourceOptions{Header: http.Header{"Last-Event-ID": {seen.ID}}}),
		"lastEventId":                  watchFrom(t, hub.URL(path+"&lastEventId="+at)),
		"the last of several":          watchFrom(t, hub.URL(path+"&lastEventId=a1:0&lastEventId="+at+"&lastEventId=")),
		"the header goes first":        e2e.Watch(t, hub.URL(path+"&lastEventId=a1:0"), e2e.EventSourceOptions{Header: http.Header{"Last-Event-ID": {seen.ID}}}),
		"other channels are of no use": watchFrom(t, hub.URL(path+"&lastEventId="+at+url.QueryEscape(",zzz:5"))),
	} {
		if e := again.Expect(t, "stream-open"); e.ID != seen.ID {
			t.Errorf("%s: the stream opens at %s, want %s", name, e.ID, seen.ID)
		}
		for n := range 3 {
			if e := again.Expect(t, "missed"); e.Data != fmt.Sprint(n) {
				t.Errorf("%s: got %s, want %d", name, e.Data, n)
			}
		}
		e2e.RecordStream(again.Events()).Check(t, hub)
		again.Close()
	}
	// A channel that the viewer did not watch before starts now.
	other := watchFrom(t, hub.URL("/events/?channel=a1&channel=c1&lastEventId="+at))
	if positions, err := e2e.ParseCursor(other.Expect(t, "stream-open").ID); err != nil || len(positions) != 2 {
		t.Errorf("the stream opens at %v (%v)", positions, err)
	}
	other.Expect(t, "missed")
	other.Expect(t, "missed")
	e2e.RecordStream(other.Events()).Check(t, hub)
}

// watchFrom opens a stream, and leaves the opening event to the scene.
func watchFrom(t *testing.T, url string) *e2e.EventSource {
	t.Helper()
	return e2e.Watch(t, url, e2e.EventSourceOptions{})
}

func (sc streamScenes) lostConnectionsResume(t *testing.T) {
	hub := sc.hub
	const count = 40
	stream := watch(t, hub.URL("/events/?channel=cut&channel=cut2"))
	for n := range count {
		if n%8 == 7 {
			stream.Cut()
		}
		hub.Publish(t, []string{"cut", "cut2"}[n%2], fmt.Sprint(n))
	}
	for range count {
		stream.Find(t, "an event", func(e e2e.Event) bool { return e.Type == "message" })
	}
	if stream.Opens() < 2 {
		t.Error("the connection was never lost")
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc streamScenes) backlogComesWhole(t *testing.T) {
	hub := sc.hub
	const count = 700
	head := watch(t, hub.URL("/events/?channel=back&channel=log"))
	start := head.Events()[0].ID
	head.Close()
	var lines strings.Builder
	for n := range count {
		// Many small ones, and some that fill a reply by themselves; the per cent signs count twice.
		text := strings.Repeat("% ", 50)
		if n%100 == 99 {
			text = strings.Repeat("%x", 20_000)
		}
		fmt.Fprintf(&lines, `{"channel":"%s","data":{"n":%d,"text":"%s"}}`+"\n", []string{"back", "log"}[n%2], n, text)
	}
	result := e2e.Command{Args: []string{"publish", "--jsonl", "--config", hub.Config}, Stdin: lines.String()}.Run(t)
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	stream := watch(t, hub.URL("/events/?channel=back&channel=log&lastEventId="+url.QueryEscape(start)))
	for range count {
		stream.Expect(t, "message")
	}
	hub.Publish(t, "back", `"live"`)
	if e := stream.Expect(t, "message"); e.Data != `"live"` {
		t.Errorf("after the backlog came %.100s", e.Data)
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc streamScenes) lostPublishIsRepaired(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/?channel=gap&channel=other"))
	s := e2e.Dial(t, hub.URL("/ws/events/?channel=gap"), nil)
	ping(t, s)
	publishUnsent := func(data string) {
		t.Helper()
		lost := e2e.Command{
			Args: []string{"publish", "--config", hub.Config, "gap", data},
			Env:  []string{"GRIPHUB_GRIP_URLS=[http://127.0.0.1:1]"},
		}.Run(t)
		if lost.Code != 3 || strings.Count(lost.Stderr, "\n") != 1 {
			t.Errorf("without a proxy publish exits with %d: %q", lost.Code, lost.Stderr)
		}
		if id := strings.TrimSpace(lost.Stdout); id == "" {
			t.Error("what is stored has no id")
		}
	}
	// The next event shows the gap.
	publishUnsent("1")
	hub.Publish(t, "gap", "2")
	for _, want := range []string{"1", "2"} {
		if e := stream.Expect(t, "message"); e.Data != want {
			t.Errorf("got %s, want %s", e.Data, want)
		}
	}
	// In silence, the proxy asks now and then.
	publishUnsent("3")
	if e := stream.Expect(t, "message"); e.Data != "3" {
		t.Errorf("got %s, want 3", e.Data)
	}
	hub.Publish(t, "gap", "4")
	stream.Expect(t, "message")
	if stream.Opens() != 1 {
		t.Errorf("the stream was opened %d times", stream.Opens())
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)

	// A socket's client sees the gap by prev, and asks.
	var m struct{ ID, Prev string }
	s.Next(t).JSON(t, &m)
	s.Send(t, `{"action":"ping","cursor":"gap:0"}`)
	for _, want := range []string{"1", "2", "3", "4"} {
		for {
			var again struct {
				Event string
				Data  any
			}
			if s.Next(t).JSON(t, &again); fmt.Sprint(again.Data) == want {
				break
			} else if again.Event == "pong" {
				t.Fatalf("the pong came before %s", want)
			}
		}
	}
}

func (sc streamScenes) unknownPlaceResets(t *testing.T) {
	hub := sc.hub
	hub.Publish(t, "reset", "1")
	hub.Publish(t, "kept", "1")
	hub.Publish(t, "kept", "2")
	stream := watchFrom(t, hub.URL("/events/?channel=reset&channel=kept&lastEventId="+url.QueryEscape("reset:9000,kept:1")))
	stream.Expect(t, "stream-open")
	reset := stream.Expect(t, "stream-reset")
	sameJSON(t, "reset", reset.Data, `{"channels":["reset"]}`)
	if e := stream.Expect(t, "message"); e.Data != "2" {
		t.Errorf("got %s, want the kept channel's 2", e.Data)
	}
	hub.Publish(t, "reset", "3")
	if e := stream.Expect(t, "message"); e.Data != "3" {
		t.Errorf("got %s, want 3", e.Data)
	}
}

func (sc streamScenes) silenceIsFilledWithEvents(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/events/hush/"))
	keepAlives := func() (list []e2e.Event) {
		for _, e := range stream.Events() {
			if e.Type == "keep-alive" {
				list = append(list, e)
			}
		}
		return list
	}
	e2e.Eventually(t, "three keep-alives have come", func() bool { return len(keepAlives()) >= 3 })
	for _, e := range keepAlives() {
		if e.Data != "" || e.ID != stream.Events()[0].ID {
			t.Errorf("the keep-alive has the data %q and moves the id to %q", e.Data, e.ID)
		}
	}
	if !strings.Contains(stream.Raw(), "event: keep-alive\ndata:\n\n") {
		t.Errorf("the stream is %q", stream.Raw())
	}
	// The proxy asks every two seconds whether there is more; that must not show.
	hub.Publish(t, "hush", "1")
	stream.Expect(t, "message")
	if stream.Opens() != 1 {
		t.Errorf("the stream was opened %d times", stream.Opens())
	}
}

func (sc streamScenes) configuredRoutes(t *testing.T) {
	hub := sc.hub
	foo, object := watch(t, hub.URL("/foo/events")), watch(t, hub.URL("/objects/7/events/?channel=ignored"))
	hub.Publish(t, "ignored", "0")
	hub.Publish(t, "object-8", "0")
	hub.Publish(t, "object-7", "1")
	hub.Publish(t, "foo", "2")
	for _, want := range []string{"1", "2"} {
		if e := object.Expect(t, "message"); e.Data != want {
			t.Errorf("the object's stream shows %s, want %s", e.Data, want)
		}
	}
	if e := foo.Expect(t, "message"); e.Data != "2" {
		t.Errorf("foo's stream shows %s, want 2", e.Data)
	}
	e2e.RecordStream(object.Events()).Check(t, hub)
}

func (sc streamScenes) errorsLookFamiliar(t *testing.T) {
	hub := sc.hub
	var eleven strings.Builder
	for n := range 11 {
		fmt.Fprintf(&eleven, "&channel=c%d", n)
	}
	for path, want := range map[string]string{
		"/events/":                              `{"condition":"bad-request","text":"Invalid request: No channels specified."}`,
		"/events/?" + eleven.String():           `{"condition":"bad-request","text":"Invalid request: Channel limit exceeded."}`,
		"/events/?channel=a&lastEventId=broken": `{"condition":"bad-request","text":"Invalid request: Failed to parse Last-Event-ID or lastEventId."}`,
		"/events/?channel=a&lastEventId=a:x":    `{"condition":"bad-request","text":"Invalid request: Failed to parse Last-Event-ID or lastEventId."}`,
		"/events/?channel=@system":              "",
	} {
		stream := watchFrom(t, hub.URL(path))
		e := stream.Expect(t, "stream-error")
		if e.ID != "error" {
			t.Errorf("%s: the error's id is %q", path, e.ID)
		}
		if want != "" {
			sameJSON(t, path, e.Data, want)
		}
		// A browser's EventSource repeats the id, and is stopped.
		if err := stream.AwaitEnd(t); err == nil || !strings.Contains(err.Error(), "status 400") {
			t.Errorf("%s: the EventSource ended with %v", path, err)
		}
	}
	for path, want := range map[string]int{"/nowhere": 404, "/iot/stream/": 404, "/iot/stream/" + strings.Repeat("x", 300): 400, "/events/a/b/c": 404} {
		answer := e2e.Get(t, hub.URL(path))
		if answer.Status != want || !strings.Contains(answer.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("GET %.40s is answered by %d %s", path, answer.Status, answer.Header.Get("Content-Type"))
		}
	}
	if answer := e2e.Get(t, hub.BackendURL("/events/a/")); answer.Status != http.StatusNotImplemented {
		t.Errorf("without the proxy the stream is answered by %d", answer.Status)
	}
}

func (sc streamScenes) methodsAndOrigins(t *testing.T) {
	hub := sc.hub
	for _, path := range []string{"/events/a/", "/iot/stream/x/", "/foo/events/", "/iot/poll/x/"} {
		head := e2e.Request(t, http.MethodHead, hub.URL(path), "", nil)
		if head.Status != 200 || head.Body != "" {
			t.Errorf("HEAD %s is answered by %d", path, head.Status)
		}
		if answer := e2e.Request(t, http.MethodPost, hub.URL(path), "x", nil); answer.Status != 405 {
			t.Errorf("POST %s is answered by %d", path, answer.Status)
		}
		preflight := e2e.Request(t, http.MethodOptions, hub.URL(path), "", http.Header{
			"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"last-event-id"},
		})
		if preflight.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || preflight.Header.Get("Access-Control-Allow-Credentials") != "true" ||
			!strings.Contains(strings.ToLower(preflight.Header.Get("Access-Control-Allow-Headers")), "last-event-id") || preflight.Status/100 != 2 {
			t.Errorf("OPTIONS %s is answered by %d %v", path, preflight.Status, preflight.Header)
		}
	}
	stream := e2e.Watch(t, hub.URL("/events/a/"), e2e.EventSourceOptions{Header: http.Header{"Origin": {"https://app.example"}}})
	stream.Expect(t, "stream-open")
	if got := stream.Header().Get("Access-Control-Allow-Origin"); got != "https://app.example" {
		t.Errorf("the stream allows %q", got)
	}
	foreign := e2e.Watch(t, hub.URL("/events/a/"), e2e.EventSourceOptions{Header: http.Header{"Origin": {"https://evil.example"}}})
	foreign.Expect(t, "stream-open")
	if got := foreign.Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a stranger is allowed %q", got)
	}
}
