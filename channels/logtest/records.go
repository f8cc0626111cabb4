package logtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

func recordScenes() []scene {
	return []scene{
		{"activities are those of their event, oldest first", func(s *stage) {
			a, b := s.append(on("a"))[0], s.append(on("a"))[0]
			at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
			s.record(channels.Activity{Event: a.ID, Kind: channels.ActivityReplayed, Who: "ops", Time: at})
			s.record(channels.Activity{Event: b.ID, Kind: channels.ActivityDead, Who: "crm"})
			s.record(channels.Activity{Event: a.ID, Kind: channels.ActivityDelivered, Who: "crm"})
			got := s.activities(a.ID)
			if len(got) != 2 || got[0].Kind != channels.ActivityReplayed || got[0].Who != "ops" || !got[0].Time.Equal(at) ||
				got[0].Event != a.ID || got[1].Kind != channels.ActivityDelivered || time.Since(got[1].Time) > time.Hour {
				s.Errorf("got %+v", got)
			}
			if got := s.activities(b.ID); len(got) != 1 || got[0].Who != "crm" {
				s.Errorf("got %+v", got)
			}
		}},
		{"an activity may be of an event of its own batch, and none is of an event that is not there", func(s *stage) {
			first := s.append(on("a"))[0]
			s.appendTo(s.Log, channels.Batch{
				Drafts: []channels.Draft{again(first)},
				State:  []any{channels.Activity{Event: first.ID, Kind: channels.ActivityReplayed, Who: "ops"}},
			})
			if got := s.activities(first.ID); len(got) != 1 {
				s.Errorf("got %+v", got)
			}
			s.record(channels.Activity{Event: first.ID + 1000, Kind: channels.ActivityDelivered, Who: "crm"})
			if got := s.activities(first.ID + 1000); len(got) != 0 {
				s.Errorf("got %+v", got)
			}
		}},
		{"activities go with their event", func(s *stage) {
			gone, kept := s.append(on("gone"))[0], s.append(on("kept"))[0]
			for _, e := range []channels.Event{gone, kept} {
				s.record(channels.Activity{Event: e.ID, Kind: channels.ActivityDelivered, Who: "crm"})
			}
			s.trimBy(func(c channels.Channel) channels.Retention {
				if c == "gone" {
					return everything
				}
				return channels.Retention{}
			}, instant().Add(everything.Age))
			if got := s.activities(gone.ID); len(got) != 0 {
				s.Errorf("the trimmed event has %+v", got)
			}
			if got := s.activities(kept.ID); len(got) != 1 {
				s.Errorf("the kept event has %+v", got)
			}
		}},
		{"only the last activities are read", func(s *stage) {
			e := s.append(on("a"))[0]
			batch := channels.Batch{}
			for i := range channels.MaxActivities + 5 {
				batch.State = append(batch.State, channels.Activity{Event: e.ID, Kind: channels.ActivityDelivered, Who: fmt.Sprint(i)})
			}
			s.appendTo(s.Log, batch)
			if got := s.activities(e.ID); len(got) != channels.MaxActivities || got[0].Who != "5" {
				s.Errorf("got %d, the first by %+v", len(got), got[:1])
			}
		}},
		{"a bookmark stays where it was put last", func(s *stage) {
			s.wantBookmark("crm", "")
			s.record(channels.Bookmark{Name: "crm", Cursor: channels.Cursor{{Channel: "a b", Seq: 3}, {Channel: channels.System, Seq: 0}}})
			s.record(channels.Bookmark{Name: "other", Cursor: channels.Cursor{{Channel: "a", Seq: 1}}})
			s.wantBookmark("crm", "a%20b:3,%40system:0")
			s.appendTo(s.Another(), channels.Batch{State: []any{
				channels.Bookmark{Name: "crm", Cursor: channels.Cursor{{Channel: "a", Seq: 7}}},
				channels.Bookmark{Name: "crm", Cursor: channels.Cursor{{Channel: "a", Seq: 8}}},
			}})
			s.wantBookmark("crm", "a:8")
			s.wantBookmark("other", "a:1")
		}},
		{"what was not delivered can be looked at, requeued and settled", playUndelivered},
		{"what was not delivered is trimmed like refused messages", func(s *stage) {
			for i := range s.Refusals.Count + 3 {
				s.record(channels.Undelivered{Subscriber: "crm", Event: 1, Message: fmt.Sprint(i), Body: []byte("{}")})
			}
			if n := s.trim(channels.Retention{}, time.Now()); n != 3 {
				s.Errorf("%d went, want 3", n)
			}
			left := s.undelivered(channels.UndeliveredQuery{Limit: 1000})
			if len(left) != s.Refusals.Count || left[len(left)-1].Message != "3" {
				s.Errorf("%d are left", len(left))
			}
			if n := s.trim(channels.Retention{}, time.Now().Add(s.Refusals.Age+time.Minute)); n != s.Refusals.Count {
				s.Errorf("%d went by age", n)
			}
		}},
		{"hostile text is no reason to fail", func(s *stage) {
			e := s.append(on("a"))[0]
			s.record(channels.Activity{Event: e.ID, Kind: channels.ActivityReplayed, Who: "\xff\x00'"})
			s.record(channels.Undelivered{Subscriber: "c\xff", Message: "\x00", Reason: "it said \xff\x00", Body: []byte("\x00\xff")})
			got := s.undelivered(channels.UndeliveredQuery{Limit: 5})
			if len(got) != 1 || string(got[0].Body) != "\x00\xff" {
				s.Errorf("got %+v", got)
			}
			if len(s.activities(e.ID)) != 1 {
				s.Error("the activity is gone")
			}
		}},
	}
}

// record stores values of a batch's state.
func (s *stage) record(state ...any) {
	s.Helper()
	s.appendTo(s.Log, channels.Batch{State: state})
}

func (s *stage) activities(id channels.EventID) []channels.Activity {
	s.Helper()
	all, err := s.Log.Activities(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return all
}

func (s *stage) undelivered(q channels.UndeliveredQuery) []channels.Undelivered {
	s.Helper()
	all, err := s.Log.Undelivered(s.Context(), q)
	if err != nil {
		s.Fatal(err)
	}
	return all
}

func (s *stage) wantBookmark(name, want string) {
	s.Helper()
	got, err := s.Log.Bookmark(s.Context(), name)
	if err != nil || got.String() != want || (want == "" && got != nil) {
		s.Errorf("bookmark %s is %q (%v), want %q", name, got, err, want)
	}
}

func playUndelivered(s *stage) {
	s.record(channels.Undelivered{Subscriber: "crm", Event: 7, Message: "7", Body: []byte(`{"n":1}`), Reason: "503"})
	s.record(channels.Undelivered{Subscriber: "erp", Event: 7, Message: "7", Reason: "410"})
	s.record(channels.Undelivered{Subscriber: "crm", Event: 8, Message: "8-1", Body: []byte(`{"n":2}`), Reason: "no answer"})
	messages := func(q channels.UndeliveredQuery) []string {
		s.Helper()
		if q.Limit == 0 {
			q.Limit = 100
		}
		var all []string
		for _, u := range s.undelivered(q) {
			all = append(all, u.Subscriber+" "+u.Message)
		}
		return all
	}
	same := func(got []string, want ...string) {
		s.Helper()
		if !slices.Equal(got, want) {
			s.Errorf("got %q, want %q", got, want)
		}
	}
	same(messages(channels.UndeliveredQuery{}), "crm 8-1", "erp 7", "crm 7")
	same(messages(channels.UndeliveredQuery{Subscriber: "crm"}), "crm 8-1", "crm 7")
	same(messages(channels.UndeliveredQuery{Subscriber: "crm", Limit: 1}), "crm 8-1")
	all := s.undelivered(channels.UndeliveredQuery{Limit: 100})
	same(messages(channels.UndeliveredQuery{Before: all[0].ID}), "erp 7", "crm 7")
	same(messages(channels.UndeliveredQuery{Requeued: true}))
	if u := all[2]; u.Event != 7 || string(u.Body) != `{"n":1}` || u.Reason != "503" || u.Requeued || time.Since(u.Time) > time.Hour {
		s.Errorf("got %+v", u)
	}
	requeued := all[2]
	requeued.Requeued = true
	s.record(requeued)
	same(messages(channels.UndeliveredQuery{Subscriber: "crm", Requeued: true}), "crm 7")
	requeued.Requeued, requeued.Reason = false, "503 again"
	s.record(requeued)
	same(messages(channels.UndeliveredQuery{Requeued: true}))
	if u := s.undelivered(channels.UndeliveredQuery{Limit: 100})[2]; u.Reason != "503 again" || string(u.Body) != `{"n":1}` {
		s.Errorf("got %+v", u)
	}
	s.record(channels.Settled(all[2].ID), channels.Settled(all[1].ID))
	same(messages(channels.UndeliveredQuery{}), "crm 8-1")
}
