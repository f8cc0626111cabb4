package logtest

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/griphub/griphub/channels"
)

func numberScenes() []scene {
	return []scene{
		{"an empty log stands at 0", func(s *stage) {
			if head := s.head("a"); head != 0 {
				s.Errorf("head is %d, want 0", head)
			}
			s.wantSeqs("a", 0)
			s.wantNotFound(1)
		}},
		{"a channel counts its events from 1", func(s *stage) {
			for want := channels.Seq(1); want <= 5; want++ {
				if got := s.append(on("a"))[0].Positions; len(got) != 1 || got[0] != (channels.Position{Channel: "a", Seq: want}) {
					s.Fatalf("positions are %v, want a:%d", got, want)
				}
			}
			for i, e := range s.append(onEach(20, "a")...) {
				if want := channels.Seq(6 + i); e.Seq("a") != want {
					s.Fatalf("draft %d of a batch has number %d, want %d", i, e.Seq("a"), want)
				}
			}
			if head := s.head("a"); head != 25 {
				s.Errorf("head is %d, want 25", head)
			}
		}},
		{"channels count by themselves", func(s *stage) {
			s.append(onEach(3, "a")...)
			events := s.append(on("b"), on("a"), on("b"))
			if got, want := places(events), "[b:1 a:4 b:2]"; got != want {
				s.Errorf("got %s, want %s", got, want)
			}
		}},
		{"an event on several channels is one event with a number in each", func(s *stage) {
			s.append(on("b"))
			e := s.append(on("c", "a", "b"))[0]
			if got, want := e.Cursor().String(), "c:1,a:1,b:2"; got != want {
				s.Fatalf("cursor is %s, want %s", got, want)
			}
			for _, p := range e.Positions {
				page := s.wantSeqs(p.Channel, p.Seq-1, p.Seq)
				sameEvent(s, page.Events[0], e)
			}
			stored, err := s.Log.Event(s.Context(), e.ID)
			if err != nil {
				s.Fatal(err)
			}
			sameEvent(s, stored, e)
		}},
		{"ids rise in the order of drafts", func(s *stage) {
			last := channels.EventID(0)
			for range 5 {
				for _, e := range s.append(on("a"), on("b", "a"), on("c")) {
					if e.ID <= last {
						s.Fatalf("id %d comes after %d", e.ID, last)
					}
					last = e.ID
				}
			}
		}},
		{"heads come in the order asked", func(s *stage) {
			s.append(append(onEach(2, "a"), on("b", "c"))...)
			asked := []channels.Channel{"c", "nobody", "a", "b", "a"}
			heads, err := s.Log.Heads(s.Context(), asked)
			if got := fmt.Sprint(heads); err != nil || got != "c:1,nobody:0,a:2,b:1,a:2" {
				s.Errorf("got %s, %v", got, err)
			}
			if heads, err := s.Log.Heads(s.Context(), nil); err != nil || len(heads) != 0 {
				s.Errorf("of no channel: got %v, %v", heads, err)
			}
		}},
		{"another handle sees what is stored and continues the numbers", func(s *stage) {
			s.append(onEach(3, "a")...)
			other := s.Another()
			if e := s.appendTo(other, channels.Batch{Drafts: onEach(1, "a")})[0]; e.Seq("a") != 4 {
				s.Errorf("the other handle gave %d, want 4", e.Seq("a"))
			}
			if e := s.append(on("a"))[0]; e.Seq("a") != 5 {
				s.Errorf("the first handle gave %d, want 5", e.Seq("a"))
			}
			s.wantSeqs("a", 0, upTo(5)...)
		}},
		{"numbers and ids continue after everything was trimmed", func(s *stage) {
			events := s.append(onEach(5, "a")...)
			s.trimAll()
			s.wantNotFound(events[4].ID)
			if head := s.head("a"); head != 5 {
				s.Errorf("head is %d, want 5", head)
			}
			next := s.append(on("a"))[0]
			if next.Seq("a") != 6 || next.ID <= events[4].ID {
				s.Errorf("got id %d number %d after id %d number 5", next.ID, next.Seq("a"), events[4].ID)
			}
		}},
		{"numbers and ids continue after everything was deleted by hand", func(s *stage) {
			events := s.append(onEach(5, "a", "b")...)
			s.DeleteEvents()
			s.wantNotFound(events[0].ID)
			next := s.append(on("a"))[0]
			if next.Seq("a") != 6 || next.ID <= events[4].ID {
				s.Errorf("got id %d number %d after id %d number 5", next.ID, next.Seq("a"), events[4].ID)
			}
			s.wantSeqs("a", 5, 6)
			s.wantSeqs("b", 5)
		}},
		{"an event that is not there is not found", func(s *stage) {
			s.append(on("a"))
			for _, id := range []channels.EventID{-1, 0, 1 << 52, 1<<63 - 1} {
				if _, err := s.Log.Event(s.Context(), id); !errors.Is(err, channels.ErrNotFound) {
					s.Errorf("event %d: got %v", id, err)
				}
			}
		}},
	}
}

// places shows the positions of events with one channel each.
func places(events []channels.Event) string {
	var all []string
	for i := range events {
		all = append(all, events[i].Cursor().String())
	}
	return fmt.Sprint(all)
}

// sameEvent demands that what was read is what Append returned, except for Repeated.
func sameEvent(s interface {
	Helper()
	Errorf(string, ...any)
}, got, want channels.Event) {
	s.Helper()
	for _, e := range []*channels.Event{&got, &want} {
		e.Repeated = false
		// Empty and absent data are the same; absent private data is not empty.
		e.Data = append([]byte{}, e.Data...)
		e.SkipUsers = append([]string{}, e.SkipUsers...)
		if !e.Time.IsZero() {
			e.Time = e.Time.UTC()
		}
	}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got  event %+v\nwant event %+v", got, want)
	}
}
