package channels_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

// at is the event of a draft at a number of its first channel.
func at(seq channels.Seq, d channels.Draft) *channels.Event {
	e := &channels.Event{Draft: d, ID: channels.EventID(seq)}
	for _, c := range d.Channels {
		e.Positions = append(e.Positions, channels.Position{Channel: c, Seq: seq})
	}
	return e
}

func TestMessagesHaveTheirPlaceAndTheOneBefore(t *testing.T) {
	for what, c := range map[string]struct {
		event *channels.Event
		want  string
	}{
		"JSON": {
			at(7, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "note", Data: []byte(`[1, "<"]`)}),
			`{"event":"note","channel":"a b","data":[1, "<"],"id":"a%20b:7","prev":"a%20b:6"}`,
		},
		"raw text": {
			at(1, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "", Data: []byte("\"x\"\n"), Raw: true}),
			`{"event":"","channel":"a b","data":"\"x\"\n","id":"a%20b:1","prev":"a%20b:0"}`,
		},
		"an event that is not stored": {
			at(0, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "note", Data: []byte(`1`)}),
			`{"event":"note","channel":"a b","data":1}`,
		},
		"a device's envelope": {
			at(7, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "data", Device: channels.DeviceRef{Type: "pump", ID: "p1"},
				Data: []byte(`{"event":"data","device_type":"pump","device_id":"p1","data":{"t":1},"timestamp":"2025-01-15T12:00:00+00:00"}`)}),
			`{"event":"data","device_type":"pump","device_id":"p1","data":{"t":1},"timestamp":"2025-01-15T12:00:00+00:00","id":"a%20b:7","prev":"a%20b:6"}`,
		},
		"a device's envelope that is not stored": {
			at(0, channels.Draft{Channels: []channels.Channel{"a b"}, Device: channels.DeviceRef{Type: "pump"}, Data: []byte(` { "x" : {} } `)}),
			`{"x" : {}}`,
		},
	} {
		if got := string(c.event.AppendMessage(nil, "a b")); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", what, got, c.want)
		}
	}
}

func TestMessagesAreAlwaysOneJSONObject(t *testing.T) {
	device := channels.DeviceRef{Type: "pump", ID: "p1"}
	for _, seq := range []channels.Seq{0, 1} {
		for _, data := range []string{
			`{}`, ` {} `, `{ }`, "{\n}", `{"a":1}`, `{"a":1} `, "\n{\"a\":{}}\r\n", `[]`, `null`, `7`, `"{"`, `""`, `{"id":"x","prev":1}`,
		} {
			d := channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: []byte(data)}
			for _, d.Device = range []channels.DeviceRef{{}, device, {Type: "pump"}, {ID: "p1"}} {
				checkMessage(t, at(seq, d))
			}
		}
		for _, data := range []string{"", "{", "{}", "{hello}", "}", "\x00\x1f", "\u2028</script>", "ü"} {
			d := channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: []byte(data), Raw: true}
			for _, d.Device = range []channels.DeviceRef{{}, device} {
				checkMessage(t, at(seq, d))
			}
		}
	}
}

func TestMessagesAreJSONForWhateverIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := channels.Draft{
			Channels: []channels.Channel{channels.Channel(rapid.StringN(1, 20, -1).Draw(t, "channel"))},
			Type:     rapid.String().Draw(t, "type"),
			Raw:      rapid.Bool().Draw(t, "raw"),
		}
		if rapid.Bool().Draw(t, "of a device") {
			d.Device = channels.DeviceRef{Type: "pump", ID: "p1"}
		}
		text := rapid.String().Draw(t, "text")
		d.Data = []byte(text)
		if !d.Raw {
			d.Data, _ = json.Marshal(rapid.SampledFrom([]any{text, map[string]any{text: text}, []string{text}, nil}).Draw(t, "value"))
		}
		if d.Validate() != nil {
			return
		}
		checkMessage(t, at(channels.Seq(rapid.Int64Range(0, 3).Draw(t, "seq")), d))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkMessage holds that the message is an object of the keys that clients know, with the right place.
func checkMessage(t failer, e *channels.Event) {
	t.Helper()
	channel := e.Channels[0]
	const before = "[1,"
	message := e.AppendMessage([]byte(before), channel)
	if !bytes.HasPrefix(message, []byte(before)) {
		t.Fatalf("%q does not begin with what was there", message)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(message[len(before):], &object); err != nil {
		t.Fatalf("event %+v: %s: %v", e, message, err)
	}
	var id, prev string
	_ = json.Unmarshal(object["id"], &id)
	_ = json.Unmarshal(object["prev"], &prev)
	seq := e.Seq(channel)
	if seq > 0 && (id != channels.Position{Channel: channel, Seq: seq}.String() || prev != channels.Position{Channel: channel, Seq: seq - 1}.String()) {
		t.Fatalf("event %d is at %q after %q", seq, id, prev)
	}
	if _, plain := object["channel"]; plain && e.Device == (channels.DeviceRef{}) {
		var data, raw string
		if _ = json.Unmarshal(object["data"], &data); e.Raw && data != string(e.Data) {
			t.Fatalf("the text %q became %q", e.Data, data)
		}
		if raw = string(object["data"]); !e.Raw && raw != string(bytes.TrimSpace(e.Data)) {
			t.Fatalf("the data %s became %s", e.Data, raw)
		}
	}
}

func TestRealtimeEventsAreUnnamedAndHoldTheirType(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{`{}`, `{"type":"order_paid"}`},
		{` { "id" : 5 } `, `{"id" : 5,"type":"order_paid"}`},
		{`{"type":"mine","id":5}`, `{"id":5,"type":"order_paid"}`},
		{`{"\u0074ype":{"a":1}}`, `{"type":"order_paid"}`},
		{`{"Type":1}`, `{"Type":1,"type":"order_paid"}`},
		{`{"type":1,"type":2,"big":12345678901234567890.10}`, `{"big":12345678901234567890.10,"type":"order_paid"}`},
	} {
		for _, d := range []channels.Draft{
			{Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/7"}},
			{Scope: channels.ScopeGlobal, Channels: []channels.Channel{channels.Public}},
		} {
			d.Type, d.Data = "order_paid", []byte(c.data)
			events, err := browser(at(3, d).AppendSSE(nil, "x:3"))
			if err != nil || len(events) != 1 || events[0].Type != "message" || events[0].ID != "x:3" || !sameJSON(events[0].Data, c.want) {
				t.Errorf("%s is seen as %+v, %v", c.data, events, err)
			}
		}
	}
}

func TestRealtimeEventsOfRawTextKeepTheirName(t *testing.T) {
	d := channels.Draft{Scope: channels.ScopeGlobal, Channels: []channels.Channel{channels.Public}, Type: "html", Data: []byte("<b>1</b>"), Raw: true}
	if got := string(at(3, d).AppendSSE(nil, "x:3")); got != "event: html\nid: x:3\ndata: <b>1</b>\n\n" {
		t.Errorf("the event is %q", got)
	}
}

func TestTheTypeIsWrittenAsJSON(t *testing.T) {
	d := channels.Draft{Scope: channels.ScopeGlobal, Channels: []channels.Channel{channels.Public}, Type: `"},{"x":"<ü`, Data: []byte(`{"a":1}`)}
	events, err := browser(at(3, d).AppendSSE(nil, ""))
	var object map[string]any
	if err != nil || len(events) != 1 || json.Unmarshal([]byte(events[0].Data), &object) != nil || object["type"] != d.Type || len(object) != 2 {
		t.Errorf("the event is seen as %+v, %v", events, err)
	}
}

// A stream's reply holds at most 100,000 bytes before the proxy renders it, so an event that has become larger than
// its draft was could never be resumed from.
func TestNoValidEventOutgrowsAReply(t *testing.T) {
	const longestID = 10 * (3*channels.MaxNameBytes*5/3 + len(":9007199254740991,"))
	for what, data := range map[string]string{
		"markup":          `{"type":1,"a":"` + string(text(60_000, "<")) + `"}`,
		"ampersands":      `{"type":1,"a":"` + string(text(60_000, "&")) + `"}`,
		"line separators": `{"type":1,"a":"` + string(text(20_000, "\u2028")) + `"}`,
		"percent signs":   `{"type":1,"a":"` + string(text(30_000, "%")) + `"}`,
		"many lines":      `{"type":1` + string(text(9_000, "\n")) + `}`,
		"escapes":         `{"type":1,"a":"` + string(text(10_000, `\u0001`)) + `"}`,
		"markup, no type": `{"a":"` + string(text(60_000, "<")) + `"}`,
		"spaces, no type": `{` + string(text(60_000, " ")) + `}`,
	} {
		d := channels.Draft{Scope: channels.ScopeGlobal, Channels: []channels.Channel{channels.Public}, Type: string(text(255, "%")), Data: []byte(data)}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		rendered := at(1, d).AppendSSE(nil, "")
		if size := len(rendered) + bytes.Count(rendered, []byte("%")); size+longestID > 90_000 {
			t.Errorf("%s: %d bytes of data became %d", what, len(data), size)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y map[string]json.RawMessage
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil || len(x) != len(y) {
		return false
	}
	for key := range x {
		if !slices.Equal(x[key], y[key]) {
			return false
		}
	}
	return true
}

func ExampleEvent_AppendMessage() {
	event := channels.Event{
		Draft:     channels.Draft{Channels: []channels.Channel{"room/1"}, Type: "note", Data: []byte(`{"text":"hello"}`)},
		ID:        12,
		Positions: []channels.Position{{Channel: "room/1", Seq: 5}},
	}
	fmt.Printf("%s\n", event.AppendMessage(nil, "room/1"))
	// Output: {"event":"note","channel":"room/1","data":{"text":"hello"},"id":"room/1:5","prev":"room/1:4"}
}
