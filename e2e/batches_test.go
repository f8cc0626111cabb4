package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

const batchKey = "0123456789abcdef0123456789abcdef"

func TestSocketsThatTakeBatches(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth, Config: kickRules + "publish: {keys: [" + batchKey + "]}\n", Prefix: "v1-"})
	scenes := batchScenes{
		hub:   hub,
		alice: bearer(token(t, hub, "--user", "alice")),
		bob:   bearer(token(t, hub, "--user", "bob")),
	}
	t.Run("a burst comes whole, once and in few messages", scenes.burstIsWhole)
	t.Run("who is skipped is shown the rest", scenes.skippedSeesTheRest)
	t.Run("what was missed comes in batches", scenes.missedComesInBatches)
	t.Run("devices come in batches", scenes.devicesComeInBatches)
	t.Run("a kick closes", scenes.kickCloses)
	hub.Stop(t)
}

// batchScenes are about WebSockets that take several messages in one, at one hub with two users.
type batchScenes struct {
	hub        *e2e.Hub
	alice, bob http.Header
}

// unpacked are the messages of a WebSocket that takes batches.
func unpacked(t *testing.T, s *e2e.Socket) (messages []string) {
	t.Helper()
	for _, f := range s.Frames() {
		var list []json.RawMessage
		f.JSON(t, &list)
		if len(f.Data) > 16_000 && len(list) > 1 {
			t.Errorf("a message of %d bytes", len(f.Data))
		}
		for _, m := range list {
			messages = append(messages, string(m))
		}
	}
	return messages
}

// dial opens such a WebSocket and waits until it is subscribed.
func (sc batchScenes) dial(t *testing.T, path string, who http.Header) *e2e.Socket {
	t.Helper()
	s := e2e.Dial(t, sc.hub.URL(path), who)
	s.Send(t, `{"action":"ping"}`)
	if f := s.Next(t); f.Data != `[{"event":"pong"}]` {
		t.Fatalf("the ping is answered by %q", f.Data)
	}
	return s
}

// publish publishes lines in one request.
func (sc batchScenes) publish(t *testing.T, lines ...string) {
	t.Helper()
	answer := e2e.Request(t, http.MethodPost, sc.hub.BackendURL("/api/publish"), strings.Join(lines, "\n"),
		http.Header{"Content-Type": {"application/x-ndjson"}, "Authorization": {"Bearer " + batchKey}})
	if answer.Status != http.StatusOK {
		t.Fatalf("publishing is answered by %d %s", answer.Status, answer.Body)
	}
}

// await waits until the messages that list returns hold the text.
func await(t *testing.T, list func() []string, text string) {
	t.Helper()
	e2e.Eventually(t, "the message with "+text, func() bool {
		messages := list()
		for i := len(messages) - 1; i >= 0; i-- {
			if strings.Contains(messages[i], text) {
				return true
			}
		}
		return false
	})
}

func (sc batchScenes) burstIsWhole(t *testing.T) {
	const events = 1000
	var batching, plain []*e2e.Socket
	for i := range 20 {
		who := []http.Header{sc.alice, sc.bob}[i%2]
		batching = append(batching, sc.dial(t, "/ws/events/?channel=team&batch=1", who))
		if i < 3 {
			s := e2e.Dial(t, sc.hub.URL("/ws/events/?channel=team"), who)
			ping(t, s)
			plain = append(plain, s)
		}
	}
	stream := e2e.Watch(t, sc.hub.URL("/events/team/"), e2e.EventSourceOptions{Header: sc.alice})
	var lines []string
	for n := range events {
		lines = append(lines, fmt.Sprintf(`{"channel":"team","event":"note","data":{"n":%d,"pad":"%s"}}`, n, strings.Repeat("x", n%200)))
	}
	sc.publish(t, lines...)
	last := fmt.Sprintf(`"id":"team:%d"`, events)
	for _, s := range plain {
		await(t, func() []string { return texts(s) }, last)
		if n := len(s.Frames()); n != events+1 {
			t.Errorf("a WebSocket without batches has %d messages", n-1)
		}
		e2e.RecordMessages(texts(s)).Check(t, sc.hub)
	}
	for _, s := range batching {
		await(t, func() []string { return unpacked(t, s) }, last)
		if n := len(unpacked(t, s)); n != events+1 {
			t.Errorf("%d messages in batches", n-1)
		}
		if n := len(s.Frames()); n > events/10 {
			t.Errorf("%d batches", n)
		}
		e2e.RecordMessages(unpacked(t, s)).Check(t, sc.hub)
	}
	e2e.Eventually(t, "the stream shows the last event", func() bool {
		shown := stream.Events()
		return len(shown) > 0 && shown[len(shown)-1].ID == fmt.Sprintf("team:%d", events)
	})
}

func (sc batchScenes) skippedSeesTheRest(t *testing.T) {
	const events = 201
	alice, bob := sc.dial(t, "/ws/events/?channel=news&batch=1", sc.alice), sc.dial(t, "/ws/events/?channel=news&batch=1", sc.bob)
	var lines []string
	for n := range events {
		skips := ""
		if n%7 == 3 {
			skips = `,"skip_users":["alice"]`
		}
		lines = append(lines, fmt.Sprintf(`{"channel":"news","event":"note","data":"n%d."%s}`, n, skips))
	}
	sc.publish(t, lines...)
	for who, s := range map[string]*e2e.Socket{"alice": alice, "bob": bob} {
		await(t, func() []string { return unpacked(t, s) }, fmt.Sprintf(`"n%d."`, events-1))
		shown := strings.Join(unpacked(t, s), "")
		for n := range events {
			want := 1
			if who == "alice" && n%7 == 3 {
				want = 0
			}
			if got := strings.Count(shown, fmt.Sprintf(`"n%d."`, n)); got != want {
				t.Errorf("%s is shown event %d %d times, want %d", who, n, got, want)
			}
		}
	}
}

func (sc batchScenes) missedComesInBatches(t *testing.T) {
	s := e2e.Dial(t, sc.hub.URL("/ws/events/?channel=team&cursor=team:0&batch=1"), sc.bob)
	s.Send(t, `{"action":"ping"}`) // answered behind what the opening brings
	await(t, func() []string { return unpacked(t, s) }, `{"event":"pong"}`)
	place, more := "", true
	for more {
		messages := unpacked(t, s)
		for _, text := range messages {
			var m message
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			if m.ID != "" {
				place = m.ID
			}
		}
		more = place != "team:1000"
		s.Send(t, fmt.Sprintf(`{"action":"ping","cursor":%q}`, place))
		await(t, func() []string { return unpacked(t, s)[len(messages):] }, `"event":"pong"`)
	}
	messages := unpacked(t, s)
	var end pong
	if err := json.Unmarshal([]byte(messages[len(messages)-1]), &end); err != nil || end.Cursor != "team:1000" || end.More {
		t.Errorf("the last message is %s", messages[len(messages)-1])
	}
	if n := len(s.Frames()); n > len(messages)/10 {
		t.Errorf("%d messages in %d batches", len(messages), n)
	}
	e2e.RecordMessages(messages).Check(t, sc.hub)
}

func (sc batchScenes) devicesComeInBatches(t *testing.T) {
	say(t, sc.hub, "boiler/b1", `{"temperature":70}`)
	s := e2e.Dial(t, sc.hub.URL("/ws/iot/boiler/?batch=1&snapshot=1"), sc.alice)
	await(t, func() []string { return unpacked(t, s) }, `"event":"pong","cursor":"iot_boiler:`)
	say(t, sc.hub, "boiler/b1", `{"temperature":71.5}`)
	await(t, func() []string { return unpacked(t, s) }, `"temperature":71.5`)
}

func (sc batchScenes) kickCloses(t *testing.T) {
	alice, bob := sc.dial(t, "/ws/events/?channel=team&batch=1", sc.alice), sc.dial(t, "/ws/events/?channel=team&batch=1", sc.bob)
	kick(t, sc.hub, "bob", "team")
	if code := bob.Closed(t); code != 4403 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
	sc.publish(t, `{"channel":"team","data":"after"}`)
	await(t, func() []string { return unpacked(t, alice) }, `"after"`)
}
