package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// A stream that was there from the beginning, one that resumes, and a WebSocket see the same: the event again, told apart.
func TestReplayedEventsReachViewersThroughTheProxy(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	live := watch(t, hub.URL("/events/room/"))
	socket := e2e.Dial(t, hub.URL("/ws/events/?channel=room"), nil)
	ping(t, socket)
	realtime := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{})
	realtime.Expect(t, "message")

	id := hub.Publish(t, "room", "--event", "note", "--private", `{"key":"not yours"}`, `{"p":"100 %"}`)
	first := live.Expect(t, "note")
	socket.Next(t)
	if got := strings.TrimSpace(run(t, hub, "events", "replay", id)); got != id {
		t.Errorf("replay prints %q, want the event's own id %s", got, id)
	}
	if e := live.Expect(t, "stream-replay"); e.Data != `{"event_id":"`+id+`","replay":1}` || e.ID != first.ID {
		t.Errorf("the stream tells %+v", e)
	}
	second := live.Expect(t, "note")
	if second.Data != first.Data || second.ID == first.ID {
		t.Errorf("it comes again as %+v, and was %+v", second, first)
	}
	var m struct {
		EventID string `json:"event_id"`
		Replay  int
		Data    json.RawMessage
	}
	if socket.Next(t).JSON(t, &m); m.EventID != id || m.Replay != 1 || string(m.Data) != first.Data {
		t.Errorf("the socket shows %+v", m)
	}
	// Over HTTP, for the second time, while a viewer is away.
	answer := e2e.Request(t, http.MethodPost, hub.URL("/api/events/"+id+"/replay"), "", nil)
	if answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"replay":2`) {
		t.Fatalf("the API answers %d %s", answer.Status, answer.Body)
	}
	live.Expect(t, "stream-replay")
	live.Expect(t, "note")
	late := watchWith(t, hub.URL("/events/room/"), e2e.EventSourceOptions{Header: http.Header{"Last-Event-Id": {second.ID}}})
	if e := late.Expect(t, "stream-replay"); e.Data != `{"event_id":"`+id+`","replay":2}` {
		t.Errorf("the resumed stream tells %s", e.Data)
	}
	late.Expect(t, "note")
	if text := live.Raw() + late.Raw(); strings.Contains(text, "not yours") {
		t.Error("private data is on a stream")
	}

	// Unnamed messages stay what they are: a script that only knows onmessage sees the event again and nothing else.
	mine := hub.Publish(t, "--user", "dev", "--event", "task", `{"n":1}`)
	was := realtime.Expect(t, "message")
	run(t, hub, "events", "replay", mine)
	realtime.Expect(t, "stream-replay")
	if e := realtime.Expect(t, "message"); e.Data != was.Data {
		t.Errorf("it comes again as %s, and was %s", e.Data, was.Data)
	}

	shown := run(t, hub, "events", "show", id)
	if strings.Count(shown, `"kind": "replayed"`) != 2 || !strings.Contains(shown, "not yours") {
		t.Errorf("events show prints %s", shown)
	}
	if bad := hub.Run(t, "events", "replay", id, "999999"); bad.Code != 1 || !strings.Contains(bad.Stderr, "999999") || !strings.Contains(bad.Stderr, "trimmed") || strings.Count(bad.Stderr, "\n") != 1 {
		t.Errorf("an unknown event: exit code %d: %q", bad.Code, bad.Stderr)
	}
	if bad := hub.Run(t, "events", "replay", "x"); bad.Code != 2 {
		t.Errorf("a wrong id: exit code %d: %q", bad.Code, bad.Stderr)
	}
	hub.Stop(t)
}
