package channels_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

// A seen is one event as a browser dispatches it.
type seen struct{ Type, Data, ID string }

// browser reads a stream as the HTML Living Standard, section 9.2.6, has it. Where a browser ignores something in
// silence (an unknown field, a block without data, an end without a blank line) it returns an error.
func browser(stream []byte) (events []seen, err error) {
	text := strings.TrimPrefix(strings.ToValidUTF8(string(stream), "\uFFFD"), "\uFEFF")
	var now seen
	var data []string
	fields := 0
	for text != "" {
		line, rest, ended := cutLine(text)
		if !ended {
			return events, fmt.Errorf("the stream ends within %q", line)
		}
		text = rest
		if line == "" {
			if fields > 0 && data == nil {
				return events, fmt.Errorf("event %+v has no data and is not dispatched", now)
			}
			if data != nil {
				now.Data = strings.Join(data, "\n")
				if now.Type == "" {
					now.Type = "message"
				}
				events = append(events, now)
			}
			now, data, fields = seen{ID: now.ID}, nil, 0
			continue
		}
		name, value, colon := strings.Cut(line, ":")
		if colon && name == "" {
			continue // a comment
		}
		value = strings.TrimPrefix(value, " ")
		fields++
		switch {
		case name == "event":
			now.Type = value
		case name == "data":
			data = append(data, value)
		case name == "id" && !strings.Contains(value, "\x00"):
			now.ID = value
		default:
			return events, fmt.Errorf("browsers ignore %q", line)
		}
	}
	if fields > 0 {
		return events, fmt.Errorf("the stream ends before the blank line of %+v", now)
	}
	return events, nil
}

// cutLine ends a line at CRLF, LF or CR.
func cutLine(text string) (line, rest string, ended bool) {
	end := strings.IndexAny(text, "\r\n")
	if end < 0 {
		return text, "", false
	}
	line, rest = text[:end], text[end+1:]
	if text[end] == '\r' {
		rest = strings.TrimPrefix(rest, "\n")
	}
	return line, rest, true
}

// oneLineEnd is data as a browser can give it back: each line end has become a line feed.
func oneLineEnd(data string) string {
	return strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
}

func TestAppendSSEWritesTheFieldsInOrder(t *testing.T) {
	for _, c := range []struct{ eventType, id, data, want string }{
		{"message", "foo:1", `{"a":1}`, "event: message\nid: foo:1\ndata: {\"a\":1}\n\n"},
		{"", "foo:1", "<b>", "id: foo:1\ndata: <b>\n\n"},
		{"keep-alive", "", "", "event: keep-alive\ndata:\n\n"},
		{"", "", "", "data:\n\n"},
		{"e", "", "a\nb", "event: e\ndata: a\ndata: b\n\n"},
		{"e", "", "a\r\nb\rc\n", "event: e\ndata: a\ndata: b\ndata: c\ndata:\n\n"},
		{"e", "", "\n\r", "event: e\ndata:\ndata:\ndata:\n\n"},
		{"e", "", "\r\n", "event: e\ndata:\ndata:\n\n"},
		{"e", "", " a\n  b", "event: e\ndata:  a\ndata:   b\n\n"},
		{"e", "", "event: x\nid: y\n\ndata: z", "event: e\ndata: event: x\ndata: id: y\ndata:\ndata: data: z\n\n"},
	} {
		if got := string(channels.AppendSSE(nil, c.eventType, c.id, []byte(c.data))); got != c.want {
			t.Errorf("type %q, id %q, data %q:\n%q, want\n%q", c.eventType, c.id, c.data, got, c.want)
		}
	}
}

func TestAppendSSEAppends(t *testing.T) {
	start := []byte("event: a\ndata: 1\n\n")
	if got := string(channels.AppendSSE(start, "b", "", []byte("2"))); got != "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n" {
		t.Errorf("the stream is %q", got)
	}
}

func TestBrowsersReadWhatWasPublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a:\r\n \uFEFF\x00%")))).Draw(t, "data")
		d := channels.Draft{
			Channels: []channels.Channel{"foo"}, Raw: true, Data: []byte(data),
			Type: rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a: \uFEFF%")))).Draw(t, "type"),
		}
		if d.Validate() != nil {
			return
		}
		event := channels.Event{Draft: d, ID: 1, Positions: []channels.Position{{Channel: "foo", Seq: 1}}}
		stream := event.AppendSSE([]byte("event: before\ndata: 1\n\n"), "foo:1")
		events, err := browser(append(stream, "event: after\ndata: 2\n\n"...))
		if err != nil || len(events) != 3 {
			t.Fatalf("%q is read as %+v, %v", stream, events, err)
		}
		want := seen{Type: d.Type, Data: oneLineEnd(data), ID: "foo:1"}
		if want.Type == "" {
			want.Type = "message"
		}
		if events[1] != want {
			t.Fatalf("%q is read as %+v, want %+v", stream, events[1], want)
		}
	})
}

// Types and ids of a Go application need not have passed Validate.
func TestNeitherTypeNorIDCanInjectLines(t *testing.T) {
	for _, hostile := range []string{"a\nevent: b", "a\rdata: b", "a\r\n\r\ndata: b", "\n", "a\x00b"} {
		for _, stream := range [][]byte{
			channels.AppendSSE(nil, hostile, "1", []byte("x")),
			channels.AppendSSE(nil, "t", hostile, []byte("x")),
		} {
			events, err := browser(stream)
			if err != nil || len(events) != 1 || events[0].Data != "x" {
				t.Errorf("%q in %q is read as %+v, %v", hostile, stream, events, err)
			}
		}
	}
}

// FuzzAppendSSE holds that any data arrives as one event.
func FuzzAppendSSE(f *testing.F) {
	for _, seed := range []string{"", "a", "\n", "\r", "\r\n", "a\r\rb\n\n", " a", ":", "data: x", "\xff", "\x00", "\uFEFF"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		events, err := browser(channels.AppendSSE(nil, "t", "1", []byte(data)))
		want := seen{"t", oneLineEnd(strings.ToValidUTF8(data, "\uFFFD")), "1"}
		if err != nil || len(events) != 1 || events[0] != want {
			t.Fatalf("%q is read as %+v, %v", data, events, err)
		}
	})
}
