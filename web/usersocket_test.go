package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
)

// tellOwner stores the message about a device of the user's.
func (h *hub) tellOwner(user string, n int) string {
	h.Helper()
	message := fmt.Sprintf(`{"id":"pump/p1","temperature":%d}`, n)
	h.publishDraft(channels.Draft{
		Channels: []channels.Channel{channels.Channel("@user/" + user), channels.Channel("@devices/" + user)}, Type: "device_status",
		Data: []byte(message), Scope: channels.ScopeUser, User: user, Device: channels.DeviceRef{Type: "pump", ID: "p1"},
	})
	return message
}

func TestAUsersSocketIsSubscribedToTheUsersDevices(t *testing.T) {
	h := openHub(t)
	r := readReply(t, h.batch("/ws/user/", opening, "X-User", "a/b 7"))
	if len(r.messages) > 0 || fmt.Sprint(r.types) != "[OPEN TEXT TEXT]" {
		t.Fatalf("types %v, messages %q", r.types, r.messages)
	}
	if got := r.controls[1]["channel"]; got != "events-%40devices/a/b" {
		t.Errorf("it is subscribed to %v", got)
	}
	for _, fields := range [][]string{nil, {"X-User", "forged"}, {"X-User", "7 until=2020-01-01T00:00:00Z"}} {
		if code, _ := readReply(t, h.batch("/ws/user/", opening, fields...)).closed(t); code != 4403 {
			t.Errorf("%q: closed with %d", fields, code)
		}
	}
}

func TestAUsersSocketGetsTheBareMessages(t *testing.T) {
	h := openHub(t)
	first := h.tellOwner("7", 1)
	h.tellOwner("8", 99)
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"@user/7"}, Type: "note", Data: []byte(`{}`), Scope: channels.ScopeUser, User: "7"})
	second := h.tellOwner("7", 2)

	r := readReply(t, h.batch("/ws/user/", opening+frame("TEXT", `{"action":"ping"}`)+frame("TEXT", `{"action":"ping","cursor":""}`), "X-User", "7"))
	if fmt.Sprintf("%q", r.messages) != fmt.Sprintf("%q", []string{`{"event":"pong"}`, `{"event":"pong","cursor":"%40devices/7:2"}`}) {
		t.Errorf("the messages are %q", r.messages)
	}
	for cursor, want := range map[string][]string{
		"%40devices/7:0": {first, second, `{"event":"pong","cursor":"%40devices/7:2"}`},
		"%40devices/7:1": {second, `{"event":"pong","cursor":"%40devices/7:2"}`},
		"%40devices/7:2": {`{"event":"pong","cursor":"%40devices/7:2"}`},
		"%40devices/8:0": {`{"event":"pong","cursor":"%40devices/7:2"}`}, // another's place is none
	} {
		r := readReply(t, h.batch("/ws/user/", frame("TEXT", `{"action":"ping","cursor":"`+cursor+`"}`), "X-User", "7"))
		if fmt.Sprintf("%q", r.messages) != fmt.Sprintf("%q", want) {
			t.Errorf("after %s: %q, want %q", cursor, r.messages, want)
		}
	}
	r = readReply(t, h.batch("/ws/user/?cursor=%2540devices/7:1", opening, "X-User", "7"))
	if len(r.messages) != 1 || r.messages[0] != second {
		t.Errorf("it begins with %q", r.messages)
	}
}

func TestTheRealtimeStreamHasTheMessageWithItsType(t *testing.T) {
	h := openHub(t)
	h.tellOwner("7", 1)
	body := h.get("/realtime/sse/?lastEventId=%2540user/7:0,%2540public:0", "X-User", "7").Body.String()
	if want := "data: {\"id\":\"pump/p1\",\"temperature\":1,\"type\":\"device_status\"}\n\n"; !strings.Contains(body, want) {
		t.Errorf("the stream is %q, want %q in it", body, want)
	}
}
