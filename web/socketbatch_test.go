package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// unpacked are the messages in those of a WebSocket that takes several at once.
func unpacked(t testing.TB, batches []string) (messages []string) {
	t.Helper()
	for _, b := range batches {
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(b), &list); err != nil || len(list) == 0 {
			t.Fatalf("the batch %.200q: %v", b, err)
		}
		if len(b) > 16_000 && len(list) > 1 {
			t.Errorf("%d messages make one of %d bytes, which the proxy sends in parts", len(list), len(b))
		}
		for _, m := range list {
			messages = append(messages, string(m))
		}
	}
	return messages
}

// Whatever happens, a WebSocket that takes several messages at once is told just what others are told.
func TestASocketThatTakesBatchesIsToldTheSame(t *testing.T) {
	h := openHub(t)
	for n := range 80 {
		h.device("pump", fmt.Sprint("p", n%7), fmt.Sprintf(`{"n":%d}`, n))
		h.publish(fmt.Sprintf(`"%d %s"`, n, strings.Repeat("a", 20*n)), "foo")
	}
	h.publish(`"`+strings.Repeat("b", 20_000)+`"`, "foo")
	for n := range 3 {
		h.publish(fmt.Sprint(n), "lost")
	}
	h.trim()
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: []byte(`"<b>"`), SkipUsers: []string{"7"}})
	ping := func(cursor string) string { return frame("TEXT", fmt.Sprintf(`{"action":"ping","cursor":%q}`, cursor)) }
	for what, c := range map[string]struct{ target, body string }{
		"opening":                {"/ws/events/?channel=foo", opening},
		"opening at a cursor":    {"/ws/events/?channel=foo&channel=bar&cursor=foo:3,bar:0", opening},
		"a long catch-up":        {"/ws/events/?channel=foo", ping("foo:0")},
		"one of a device":        {"/ws/iot/pump/p3/", ping("iot_pump_p3:2")},
		"lost history":           {"/ws/events/?channel=lost", ping("lost:1")},
		"a snapshot":             {"/ws/iot/pump/?snapshot=1", opening},
		"pings of every kind":    {"/ws/iot/pump/", frame("TEXT", `{"action":"ping"}`) + frame("PING", "x") + ping("nonsense") + ping("")},
		"a command without name": {"/ws/iot/pump/p1/", frame("TEXT", `{"action":"command","id":"x"}`)},
		"a user's devices":       {"/ws/user/", opening + ping("")},
		"garbage":                {"/ws/events/?channel=foo", frame("TEXT", "garbage")},
		"a close":                {"/ws/events/?channel=foo", opening + frame("CLOSE", "\x03\xe8bye")},
	} {
		plain := readReply(t, h.batch(c.target, c.body, "X-User", "7"))
		separator := "?"
		if strings.Contains(c.target, "?") {
			separator = "&"
		}
		batching := readReply(t, h.batch(c.target+separator+"batch=1", c.body, "X-User", "7"))
		if got := unpacked(t, batching.messages); !slices.Equal(got, plain.messages) {
			t.Errorf("%s: the messages are %.500q, want %.500q", what, got, plain.messages)
		}
		if len(plain.messages) > 10 && len(batching.messages) > len(plain.messages)/5 {
			t.Errorf("%s: %d messages make %d", what, len(plain.messages), len(batching.messages))
		}
		// Kicks come on a channel that both hold.
		want := strings.ReplaceAll(fmt.Sprint(plain.controls), "map[channel:events-", "map[channel:batch-")
		if got := fmt.Sprint(batching.controls); got != want {
			t.Errorf("%s: the proxy is told %s, want %s", what, got, want)
		}
		others := func(r reply) []grip.WSEvent {
			return slices.DeleteFunc(r.events, func(e grip.WSEvent) bool { return e.Type == grip.EventText })
		}
		if got, want := others(batching), others(plain); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: answered by %v, want %v", what, got, want)
		}
	}
}

func TestBatchesAreAskedForByOne(t *testing.T) {
	h := openHub(t)
	for _, value := range []string{"", "0"} {
		if r := readReply(t, h.batch("/ws/events/?channel=foo&batch="+value, opening)); r.controls[0]["channel"] != "events-foo" {
			t.Errorf("batch=%s: the proxy is told %v", value, r.controls)
		}
	}
	for _, value := range []string{"2", "true", "1 "} {
		wantProblem(t, h.batch("/ws/events/?channel=foo&batch="+strings.ReplaceAll(value, " ", "%20"), opening), http.StatusBadRequest)
	}
}

// What is sent to such a WebSocket, a ping brings, too, byte for byte.
func TestSocketsThatTakeBatchesAreSentWhatTheyAskFor(t *testing.T) {
	h := openHub(t)
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"50% é"}, Type: "t", Raw: true, Data: []byte("<b>]\n[,")})
	h.publish(`{"n":2}`, "50% é")
	var items []grip.Item
	for _, e := range h.sent.events {
		items = e.AppendBatchItems(items, "", anybody)
	}
	asked := readReply(t, h.batch("/ws/events/?channel=50%25%20%C3%A9&batch=1", frame("TEXT", `{"action":"ping","cursor":"50%25%20%C3%A9:0"}`)))
	got := unpacked(t, []string{string(channels.MergeBatches(items))})
	if want := unpacked(t, asked.messages); !slices.Equal(got, want[:len(want)-1]) || len(got) != 2 {
		t.Errorf("sent %q, asked for %q", got, want)
	}
}
