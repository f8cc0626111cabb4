package e2e

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// parsed is what a stream says, without times.
type parsed struct {
	events   []string // type|data|id
	comments []string
	retry    time.Duration
	lastID   string
}

func parse(stream io.Reader) parsed {
	var got parsed
	p := parser{
		event:   func(e Event) { got.events = append(got.events, e.Type+"|"+e.Data+"|"+e.ID) },
		comment: func(c Comment) { got.comments = append(got.comments, c.Text) },
		retry:   func(d time.Duration) { got.retry = d },
		lastID:  func(id string) { got.lastID = id },
	}
	if err := p.read(stream); !errors.Is(err, io.EOF) {
		panic(err)
	}
	return got
}

func TestStreamsAreParsedAsTheStandardSays(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   parsed
	}{
		"the standard's first example":                   {"data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n", parsed{events: []string{"message|This is the first message.|", "message|This is the second message, it\nhas two lines.|"}}},
		"the standard's example of names":                {"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", parsed{events: []string{"add|73857293|", "remove|2153|"}}},
		"the standard's stock ticker":                    {"data: YHOO\ndata: +2\ndata: 10\n\n", parsed{events: []string{"message|YHOO\n+2\n10|"}}},
		"the standard's four blocks":                     {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", parsed{events: []string{"message|first event|1", "message|second event|"}, comments: []string{" test stream"}}},
		"the standard's empty data":                      {"data\n\ndata\ndata\n\ndata:", parsed{events: []string{"message||", "message|\n|"}}},
		"the standard's optional space":                  {"data:test\n\ndata: test\n\n", parsed{events: []string{"message|test|", "message|test|"}}},
		"CR and CR LF end lines":                         {"data: a\r\rdata: b\r\n\r\n", parsed{events: []string{"message|a|", "message|b|"}}},
		"a block without data is no event but has an id": {"event: stream-open\nid: a:1\n\n", parsed{lastID: "a:1"}},
		"an id stays until the next":                     {"id: 1\ndata: a\n\ndata: b\n\n", parsed{events: []string{"message|a|1", "message|b|1"}, lastID: "1"}},
		"an id with NUL is none":                         {"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", parsed{events: []string{"message|a|1", "message|b|1"}, lastID: "1"}},
		"a type is for one block":                        {"event: x\n\ndata: a\n\n", parsed{events: []string{"message|a|"}}},
		"retry is in milliseconds":                       {"retry: 1500\n\n", parsed{retry: 1500 * time.Millisecond}},
		"retry takes digits alone":                       {"retry: 1500\nretry: +7\nretry: 1.5\nretry:\n\n", parsed{retry: 1500 * time.Millisecond}},
		"a byte order mark may begin":                    {"\uFEFFdata: a\n\n\uFEFFdata: b\n\n", parsed{events: []string{"message|a|"}}},
		"unknown fields are ignored":                     {"datum: a\n data: b\n\n", parsed{}},
		"what is cut off is no event":                    {"data: a\nid: 1", parsed{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(strings.NewReader(c.stream))
			if !slices.Equal(got.events, c.want.events) {
				t.Errorf("events %q, want %q", got.events, c.want.events)
			}
			if !slices.Equal(got.comments, c.want.comments) && c.want.comments != nil {
				t.Errorf("comments %q, want %q", got.comments, c.want.comments)
			}
			if got.retry != c.want.retry {
				t.Errorf("retry %v, want %v", got.retry, c.want.retry)
			}
			if c.want.lastID != "" && got.lastID != c.want.lastID {
				t.Errorf("last id %q, want %q", got.lastID, c.want.lastID)
			}
		})
	}
}

// However a stream is cut into pieces, and whatever ends its lines, the events are the same.
func FuzzParser(f *testing.F) {
	f.Add("event: a\nid: 7\ndata: x\ndata: y\n\n: note\nretry: 9\n\ndata\n\n")
	f.Add("\uFEFFdata:\xff\x00\n\nid: \x00\n\n")
	f.Add("data: a\n\n\n\n:\nid\n")
	f.Fuzz(func(t *testing.T, stream string) {
		stream = strings.ReplaceAll(stream, "\r", "")
		want := parse(strings.NewReader(stream))
		for name, other := range map[string]io.Reader{
			"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
			"CR":           strings.NewReader(strings.ReplaceAll(stream, "\n", "\r")),
			"CR LF":        iotest.HalfReader(strings.NewReader(strings.ReplaceAll(stream, "\n", "\r\n"))),
		} {
			got := parse(other)
			if !slices.Equal(got.events, want.events) || !slices.Equal(got.comments, want.comments) ||
				got.retry != want.retry || got.lastID != want.lastID {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	})
}
