package web_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
)

// A socketMessage is what a device's socket shows.
type socketMessage struct {
	Event, ID, Prev, Cursor string
	More                    bool
}

// socketSnapshot opens a socket and pings it on until it is subscribed. between happens before each ping.
func (h *hub) socketSnapshot(t testing.TB, target, cursor string, between func()) (messages []string, last socketMessage) {
	t.Helper()
	target += "?snapshot=1"
	if cursor != "" {
		target += "&cursor=" + url.QueryEscape(cursor)
	}
	r := readReply(t, h.batch(target, opening, "X-User", "7"))
	for range 1000 {
		messages = append(messages, r.messages...)
		if err := json.Unmarshal([]byte(messages[len(messages)-1]), &last); err != nil || last.Event != "pong" {
			t.Fatalf("the last message is %s", messages[len(messages)-1])
		}
		subscribed := slices.ContainsFunc(r.controls, func(c map[string]any) bool { return c["type"] == "subscribe" })
		if subscribed == last.More {
			t.Fatalf("subscribed is %t, and there is more: %t", subscribed, last.More)
		}
		if !last.More {
			return messages, last
		}
		between()
		last = socketMessage{Cursor: last.Cursor}
		r = readReply(t, h.batch(target, frame("TEXT", fmt.Sprintf(`{"action":"ping","cursor":%q}`, last.Cursor)), "X-User", "7"))
	}
	t.Fatal("the snapshot does not end")
	return nil, last
}

// asEvents are the messages as a stream would show them.
func asEvents(t testing.TB, messages []string) []seen {
	t.Helper()
	var events []seen
	for _, m := range messages {
		var message socketMessage
		if err := json.Unmarshal([]byte(m), &message); err != nil {
			t.Fatal(err)
		}
		events = append(events, seen{Type: message.Event, Data: m, ID: message.ID})
	}
	return events
}

func TestASocketBeginsWithASnapshot(t *testing.T) {
	h := openHub(t)
	h.device("pump", "a", `{"n":1}`)
	h.device("pump", "b", `{"n":2}`)
	messages, last := h.socketSnapshot(t, "/ws/iot/pump/", "", nil)
	events := asEvents(t, messages)
	if len(events) != 3 || events[0].Type != "snapshot" || !strings.Contains(messages[0], `"device_id":"a","data":{`) || events[1].ID != "iot_pump:2" || last.Cursor != "iot_pump:2" {
		t.Errorf("the socket shows %q", messages)
	}
	messages, _ = h.socketSnapshot(t, "/ws/iot/pump/b", "", nil)
	if events = asEvents(t, messages); len(events) != 2 || !strings.Contains(messages[0], `"values":{"n":2}`) || events[0].ID != "iot_pump_b:1" {
		t.Errorf("the socket shows %q", messages)
	}
	// Who has a place goes on from there.
	r := readReply(t, h.batch("/ws/iot/pump/?snapshot=1&cursor=iot_pump:1", opening, "X-User", "7"))
	if len(r.messages) != 1 || !strings.Contains(r.messages[0], `"prev":"iot_pump:1"`) {
		t.Errorf("the socket shows %q", r.messages)
	}
	wantProblem(t, h.batch("/ws/iot/pump/?snapshot=7", opening, "X-User", "7"), 400)
	if code, _ := readReply(t, h.batch("/ws/iot/pump/?snapshot=1", opening)).closed(t); code != 4403 {
		t.Errorf("nobody is closed with %d", code)
	}
}

func TestASocketsSnapshotOfManyPartsIsTrue(t *testing.T) {
	h := openHub(t)
	random := rand.New(rand.NewPCG(3, 4))
	n := 0
	say := func() channels.Event {
		n++
		return h.device("pump", fmt.Sprintf("d-%03d", random.IntN(220)), fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", random.IntN(1500))))
	}
	for range 400 {
		say()
	}
	parts := 0
	between := func() {
		if parts++; parts < 5 {
			for range 10 {
				say()
			}
		}
	}
	messages, last := h.socketSnapshot(t, "/ws/iot/pump/", "", between)
	if parts < 2 {
		t.Errorf("there are %d parts", parts)
	}
	for range 10 {
		say()
	}
	r := readReply(t, h.batch("/ws/iot/pump/?snapshot=1", frame("TEXT", fmt.Sprintf(`{"action":"ping","cursor":%q}`, last.Cursor)), "X-User", "7"))
	p := picture{}
	p.fold(t, asEvents(t, append(messages, r.messages...)))
	p.wantRegistry(t, h)

	// Cut off in the middle, it comes back with the last id.
	events := asEvents(t, messages)
	cut := len(events) / 3
	p = picture{}
	p.fold(t, events[:cut+1])
	rest, _ := h.socketSnapshot(t, "/ws/iot/pump/", events[cut].ID, func() {})
	p.fold(t, asEvents(t, rest))
	p.wantRegistry(t, h)
}
