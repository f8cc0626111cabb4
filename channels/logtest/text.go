package logtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// hostile is text that has broken something somewhere. None holds NUL, which only raw data may.
func hostile() []string {
	return []string{
		"'", "''", `"`, "`", `\`, `\'`, "'; DROP TABLE events; --", "$1", "?1", ":name", "%s%n", "{}", "null",
		"\t\r\n\v\f\x01\x1f\x7f", "\u0080\u009f\u2028\u2029\ufeff", "é", "e\u0301", "漢字", "😀👩‍👩‍👧", "\U0010FFFF", "\uFFFD",
		" ", "  leading and trailing  ", "a,b", "a:1", "%2C", "%00", "true", "0", "-1", "1e400",
		strings.Repeat("x", 255), strings.Repeat("😀", 63),
	}
}

func textScenes() []scene {
	return []scene{
		{"every field of an event comes back as it was", func(s *stage) {
			d := channels.Draft{
				Channels: []channels.Channel{"b", "a"}, Type: "data", Data: []byte(`{"a":1}`), Raw: true,
				Private: json.RawMessage(`{"secret":1}`), Scope: channels.ScopeUser, User: "7",
				SkipUsers: []string{"8", "9"}, Device: channels.DeviceRef{Type: "pump", ID: "17"}, Key: "k",
				Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
			}
			e := s.append(d)[0]
			sameEvent(s, e, channels.Event{Draft: d, ID: e.ID,
				Positions: []channels.Position{{Channel: "b", Seq: 1}, {Channel: "a", Seq: 1}}})
			s.wantStored(e)
		}},
		{"an event of which little is known comes back as it was", func(s *stage) {
			e := s.append(channels.Draft{Channels: []channels.Channel{"a"}})[0]
			s.wantStored(e)
			stored, _ := s.Log.Event(s.Context(), e.ID)
			if stored.Private != nil {
				s.Errorf("no private data became %q", stored.Private)
			}
		}},
		{"text of any kind comes back as it was", func(s *stage) {
			var drafts []channels.Draft
			for _, text := range hostile() {
				quoted, _ := json.Marshal(text)
				drafts = append(drafts, channels.Draft{
					Channels: []channels.Channel{"a"}, Type: text, Data: []byte(text), Raw: true, Private: quoted,
					Scope: channels.ScopeSystem, User: text, SkipUsers: []string{text, "x"},
					Device: channels.DeviceRef{Type: text, ID: text}, Key: text,
				})
			}
			for _, e := range s.append(drafts...) {
				s.wantStored(e)
			}
		}},
		{"raw data may hold NUL, and private data whatever JSON takes", func(s *stage) {
			for _, data := range []string{"\x00", "a\x00b", "\x00\x00", ""} {
				d := on("a")
				d.Data, d.Raw, d.Private = []byte(data), true, json.RawMessage("\"\\u0000 \\ud800 \xff\"")
				s.wantStored(s.append(d)[0])
			}
		}},
		{"a megabyte comes back as it was", func(s *stage) {
			d := on("a")
			d.Data = append(append([]byte(`"`), bytes.Repeat([]byte("0123456789abcdef"), channels.MaxSystemBytes/16-1)...), '"')
			d.Private = d.Data
			d.Scope = channels.ScopeSystem
			s.wantStored(s.append(d)[0])
		}},
		{"channels of any name are apart", func(s *stage) {
			names := []channels.Channel{"@public", "@user/7", "A", "a"}
			for _, text := range hostile() {
				if c, err := channels.ParseChannel(text); err == nil {
					names = append(names, c)
				}
			}
			for i, name := range names {
				s.append(onEach(i+1, name)...)
			}
			heads, err := s.Log.Heads(s.Context(), names)
			if err != nil {
				s.Fatal(err)
			}
			for i, name := range names {
				if heads[i].Channel != name || heads[i].Seq != channels.Seq(i+1) {
					s.Errorf("%q stands at %d, want %d", name, heads[i].Seq, i+1)
				}
				for _, e := range s.wantSeqs(name, 0, upTo(i+1)...).Events {
					if len(e.Channels) != 1 || e.Channels[0] != name {
						s.Errorf("an event of %q says that it is on %q", name, e.Channels)
					}
				}
			}
		}},
		{"an event may have as many channels as a draft, of the longest names", func(s *stage) {
			var names []channels.Channel
			for i := range channels.MaxChannels {
				// The longest text that a cursor can have: every byte is escaped.
				names = append(names, channels.Channel(strings.Repeat(",", channels.MaxNameBytes-2)+fmt.Sprintf("%02d", i)))
			}
			e := s.append(on(names...))[0]
			s.wantStored(e)
			s.jump()
			s.wantStored(s.append(on(names...))[0])
		}},
		{"an event may skip as many users as a draft", func(s *stage) {
			d := on("a")
			for i := range channels.MaxSkipUsers {
				d.SkipUsers = append(d.SkipUsers, strings.Repeat("u", channels.MaxNameBytes-3)+fmt.Sprintf("%03d", i))
			}
			s.wantStored(s.append(d)[0])
		}},
	}
}

// wantStored demands that every way to read the event gives it as it is.
func (s *stage) wantStored(e channels.Event) {
	s.Helper()
	stored, err := s.Log.Event(s.Context(), e.ID)
	if err != nil {
		s.Fatal(err)
	}
	sameEvent(s, stored, e)
	for _, p := range e.Positions {
		latest, err := s.Log.Latest(s.Context(), p.Channel, 100)
		if err != nil {
			s.Fatal(err)
		}
		found := false
		for _, other := range latest.Events {
			if found = other.ID == e.ID; found {
				sameEvent(s, other, e)
				break
			}
		}
		if !found {
			s.Errorf("event %d is not among the latest of %q", e.ID, p.Channel)
		}
	}
}
