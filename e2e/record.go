package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// A Record is what one viewer saw of each channel, to be held against the log.
type Record struct {
	// start is where the viewer stood first, and at where it stands, by channel.
	start, at map[string]int64
	seen      map[string][]Entry
	problems  []string
}

// An Entry is an event at its place in one channel.
type Entry struct {
	Channel string
	Seq     int64
	// Type is the event's type, and Data its data: JSON, or text of a raw event.
	Type, Data string
}

// RecordStream is what a stream showed: each event moves the position in one channel, and each opening repeats the
// position of the event before it.
func RecordStream(events []Event) *Record {
	r := newRecord()
	for _, e := range events {
		switch e.Type {
		case "keep-alive":
		case "stream-open", "connected":
			r.open(e.ID)
		case "stream-reset", "stream-error":
			r.problemf("the stream sent %s: %s", e.Type, e.Data)
		default:
			r.event(e)
		}
	}
	return r
}

// RecordMessages is what a WebSocket or polls showed: messages that name their place and the place before it.
// Others, such as pongs, have no part in it.
func RecordMessages(messages []string) *Record {
	r := newRecord()
	for _, text := range messages {
		var m struct{ Event, ID, Prev string }
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			r.problemf("message %.200q: %v", text, err)
			continue
		}
		if m.ID != "" {
			r.message(m.Event, m.ID, m.Prev, text)
		}
	}
	return r
}

func newRecord() *Record {
	return &Record{start: map[string]int64{}, at: map[string]int64{}, seen: map[string][]Entry{}}
}

func (r *Record) problemf(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *Record) open(id string) {
	positions, err := ParseCursor(id)
	if err != nil {
		r.problemf("the stream opened with %v", err)
	}
	for channel, seq := range positions {
		at, known := r.at[channel]
		if known && at != seq {
			r.problemf("the stream left %s at %d and opened again at %d", channel, at, seq)
		}
		if !known {
			r.start[channel] = seq
		}
		r.at[channel] = seq
	}
}

func (r *Record) event(e Event) {
	positions, err := ParseCursor(e.ID)
	if err != nil {
		r.problemf("event %q: %v", e.Type, err)
		return
	}
	moved := ""
	for channel, seq := range positions {
		at, known := r.at[channel]
		switch {
		case !known:
			r.problemf("event %q has the id %s, but the stream did not open %s", e.Type, e.ID, channel)
		case seq != at && moved != "":
			r.problemf("event %q has the id %s, which moves two channels", e.Type, e.ID)
		case seq != at:
			moved = channel
		}
	}
	if moved == "" {
		r.problemf("event %q has the id %s, which moves no channel", e.Type, e.ID)
		return
	}
	r.at[moved] = positions[moved]
	r.seen[moved] = append(r.seen[moved], Entry{moved, positions[moved], e.Type, e.Data})
}

func (r *Record) message(eventType, id, prev, text string) {
	here, err := position(id)
	if err != nil {
		r.problemf("message %.200q: %v", text, err)
		return
	}
	before, err := position(prev)
	if err != nil || before.Channel != here.Channel {
		r.problemf("message %.200q: prev is no place in the same channel", text)
		return
	}
	at, known := r.at[here.Channel]
	if !known {
		r.start[here.Channel] = before.Seq
	} else if at != before.Seq {
		r.problemf("%s came after %s:%d, and names %s as the one before", id, here.Channel, at, prev)
	}
	r.at[here.Channel] = here.Seq
	here.Type, here.Data = eventType, text
	r.seen[here.Channel] = append(r.seen[here.Channel], here)
}

func position(text string) (Entry, error) {
	positions, err := ParseCursor(text)
	if err == nil && len(positions) == 1 {
		for channel, seq := range positions {
			return Entry{Channel: channel, Seq: seq}, nil
		}
	}
	return Entry{}, fmt.Errorf("%q is not a place in one channel", text)
}

// Check fails the test unless the viewer saw of each channel exactly what the log has between its first and its last
// place, in the log's order: nothing lost, nothing twice, nothing made up.
func (r *Record) Check(t testing.TB, h *Hub) {
	t.Helper()
	for _, problem := range r.problems {
		t.Error(problem)
	}
	for channel, at := range r.at {
		seen := r.seen[channel]
		var want []Entry
		for _, entry := range h.Entries(t, channel) {
			if entry.Seq > r.start[channel] && entry.Seq <= at {
				want = append(want, entry)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("of %s the log has %d events from %d to %d, the viewer saw %d", channel, len(want), r.start[channel], at, len(seen))
		}
		for i := range min(len(seen), len(want)) {
			if seen[i].Seq != want[i].Seq || seen[i].Type != want[i].Type {
				t.Errorf("of %s the viewer saw %s %d where the log has %s %d", channel, seen[i].Type, seen[i].Seq, want[i].Type, want[i].Seq)
				break
			}
		}
	}
}

// Entries are the events that the log has of the channel, oldest first, at most the newest 10,000.
func (h *Hub) Entries(t testing.TB, channel string) []Entry {
	t.Helper()
	result := h.Run(t, "events", "list", channel, "--limit", "10000")
	if result.Code != 0 {
		t.Fatalf("griphub events list %s: exit code %d: %s", channel, result.Code, result.Stderr)
	}
	var entries []Entry
	for line := range strings.Lines(result.Stdout) {
		var e struct {
			Cursor, Event string
			Data          json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("griphub events list %s: %v in %.200q", channel, err, line)
		}
		// An event may stand in several channels.
		positions, err := ParseCursor(e.Cursor)
		if err != nil {
			t.Fatalf("griphub events list %s: %v", channel, err)
		}
		entries = append(entries, Entry{channel, positions[channel], e.Event, string(e.Data)})
	}
	return entries
}

// ParseCursor reads the id of a stream's event, "name:12,other%20name:7", as places by channel.
func ParseCursor(text string) (map[string]int64, error) {
	positions := make(map[string]int64)
	for place := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(place, ":")
		if !ok {
			return nil, fmt.Errorf("cursor %q: not name:number", text)
		}
		channel, err := url.PathUnescape(name)
		if err != nil {
			return nil, fmt.Errorf("cursor %q: %w", text, err)
		}
		seq, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cursor %q: %w", text, err)
		}
		positions[channel] = seq
	}
	return positions, nil
}
