package logtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

func browseScenes() []scene {
	return []scene{
		{"everything can be browsed, newest first, a page at a time", func(s *stage) {
			var want []channels.EventID
			for _, e := range s.append(append(onEach(5, "a", "b"), onEach(4, "c", channels.System)...)...) {
				want = append(want, e.ID)
			}
			slices.Reverse(want)
			for limit := 1; limit <= 10; limit++ {
				s.wantBrowsed(channels.EventQuery{Limit: limit}, want...)
			}
			if page := s.browse(channels.EventQuery{Limit: 9}); page.Next != 0 || page.Events[0].Cursor().String() != "c:4,%40system:4" ||
				time.Since(page.Events[0].Stored) > time.Hour || time.Since(page.Events[0].Stored) < 0 {
				s.Errorf("got %+v", page)
			}
			s.wantBrowsed(channels.EventQuery{Limit: 2, Channel: "b"}, want[4:]...)
			s.wantBrowsed(channels.EventQuery{Limit: 2, Channel: "nobody's"})
		}},
		{"events can be browsed by type, scope and device", func(s *stage) {
			of := func(kind string, scope channels.Scope, user string, device channels.DeviceRef) channels.EventID {
				d := on("a")
				d.Type, d.Scope, d.User, d.Device = kind, scope, user, device
				return s.append(d)[0].ID
			}
			p1, p2, v1 := channels.DeviceRef{Type: "pump", ID: "1"}, channels.DeviceRef{Type: "pump", ID: "2"}, channels.DeviceRef{Type: "valve", ID: "1"}
			first := of("data", channels.ScopeChannel, "", p1)
			second := of("it's", channels.ScopeUser, "7", p2)
			third := of("data", channels.ScopeGlobal, "", v1)
			fourth := of("data", channels.ScopeSystem, "", channels.DeviceRef{})
			s.wantBrowsed(channels.EventQuery{Limit: 1, Type: "data"}, fourth, third, first)
			s.wantBrowsed(channels.EventQuery{Limit: 5, Type: "it's"}, second)
			s.wantBrowsed(channels.EventQuery{Limit: 5, Type: "\xff\x00"})
			s.wantBrowsed(channels.EventQuery{Limit: 5, Scope: channels.ScopeGlobal}, third)
			s.wantBrowsed(channels.EventQuery{Limit: 1, Device: channels.DeviceRef{Type: "pump"}}, second, first)
			s.wantBrowsed(channels.EventQuery{Limit: 5, Device: v1}, third)
			s.wantBrowsed(channels.EventQuery{Limit: 5, Device: channels.DeviceRef{ID: "1"}}, third, first)
			s.wantBrowsed(channels.EventQuery{Limit: 5, Type: "data", Scope: channels.ScopeChannel, Device: p1, Channel: "a"}, first)
		}},
		{"events can be browsed by when they were stored", func(s *stage) {
			var ids []channels.EventID
			moments := []time.Time{instant()}
			for i := range 6 {
				// When it happened is of no concern.
				d := atMinute(60-i, "a")
				if i%2 > 0 {
					d.Channels = append(d.Channels, "b")
				}
				ids = append(ids, s.append(d)[0].ID)
				moments = append(moments, instant())
			}
			for from := range moments {
				for until := from; until < len(moments); until++ {
					want := slices.Clone(ids[from:until])
					slices.Reverse(want)
					s.wantBrowsed(channels.EventQuery{Limit: 2, From: moments[from], Until: moments[until]}, want...)
					s.wantBrowsed(channels.EventQuery{Limit: 2, From: moments[from], Until: moments[until], Channel: "a"}, want...)
				}
			}
			s.wantBrowsed(channels.EventQuery{Limit: 2, From: moments[3], Channel: "b"}, ids[5], ids[3])
			s.wantBrowsed(channels.EventQuery{Limit: 2, Until: moments[3], Type: "data", Channel: "b"}, ids[1])
		}},
		{"browsing finds its place also after a jump and a trim", func(s *stage) {
			old := s.append(onEach(3, "a")...)
			if err := s.Jump(s.Context()); err != nil {
				s.Fatal(err)
			}
			between := instant()
			fresh := s.append(onEach(2, "a")...)
			s.wantBrowsed(channels.EventQuery{Limit: 2}, fresh[1].ID, fresh[0].ID, old[2].ID, old[1].ID, old[0].ID)
			s.wantBrowsed(channels.EventQuery{Limit: 2, Channel: "a", From: between}, fresh[1].ID, fresh[0].ID)
			s.wantBrowsed(channels.EventQuery{Limit: 2, Until: between}, old[2].ID, old[1].ID, old[0].ID)
			s.trim(channels.Retention{Count: 3}, time.Now())
			s.wantBrowsed(channels.EventQuery{Limit: 1}, fresh[1].ID, fresh[0].ID, old[2].ID)
			s.wantBrowsed(channels.EventQuery{Limit: 1, Channel: "a"}, fresh[1].ID, fresh[0].ID, old[2].ID)
		}},
		{"a page looks only so far back, and the next one goes on from there", func(s *stage) {
			rare := on("a")
			rare.Type = "rare"
			first := s.append(rare)[0]
			for range channels.BrowseDepth / 1000 {
				s.append(onEach(1000, "a")...)
			}
			for _, channel := range []channels.Channel{"", "a"} {
				query := channels.EventQuery{Limit: 10, Type: "rare", Channel: channel}
				page := s.browse(query)
				if len(page.Events) > 0 || page.Next == 0 {
					s.Fatalf("got %+v", page)
				}
				query.Before = page.Next
				if page = s.browse(query); len(page.Events) != 1 || page.Events[0].ID != first.ID || page.Next != 0 {
					s.Errorf("then %+v", page)
				}
			}
		}},
	}
}

func (s *stage) browse(q channels.EventQuery) channels.EventPage {
	s.Helper()
	page, err := s.Log.Browse(s.Context(), q)
	if err != nil {
		s.Fatalf("browse %+v: %v", q, err)
	}
	return page
}

// wantBrowsed demands that the pages of the query have exactly the events, in full pages.
func (s *stage) wantBrowsed(q channels.EventQuery, want ...channels.EventID) {
	s.Helper()
	var got []channels.EventID
	for {
		page := s.browse(q)
		for i := range page.Events {
			got = append(got, page.Events[i].ID)
		}
		if q.Before = page.Next; q.Before == 0 {
			break
		}
		if len(page.Events) != q.Limit {
			s.Errorf("%+v: a page has %d events, and is not the last", q, len(page.Events))
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("%+v: got %v, want %v", q, got, want)
	}
}

func overviewScenes() []scene {
	return []scene{
		{"channels are listed by name, a page at a time", func(s *stage) {
			s.append(on("b"), on("a", "Ä"), on("100%_a"), on(channels.System))
			s.wantChannels(channels.ChannelQuery{}, "100%_a", "@system", "a", "b", "Ä")
			s.wantChannels(channels.ChannelQuery{Text: "a"}, "100%_a", "a")
			s.wantChannels(channels.ChannelQuery{Text: "%_"}, "100%_a")
			s.wantChannels(channels.ChannelQuery{Text: "\xff\x00'"})
			s.wantChannels(channels.ChannelQuery{Name: "a"}, "a")
			s.wantChannels(channels.ChannelQuery{Name: "nobody's"})
			s.trimAll()
			s.wantChannels(channels.ChannelQuery{After: "a"}, "b", "Ä")
		}},
		{"a channel's events are counted and dated by when they were stored", func(s *stage) {
			begin := instant()
			s.append(atMinute(1, "a"), on("a", "b"))
			middle := instant()
			if err := s.Jump(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.append(atMinute(0, "a"))
			end := instant()
			got := s.channels(channels.ChannelQuery{Since: middle, Limit: 9})
			if len(got) != 2 || got[0].Recent != 1 || got[1].Recent != 0 || got[0].Head != s.head("a") || got[1].Head != 1 {
				s.Fatalf("got %+v", got)
			}
			between := func(from, at, until time.Time) bool { return !at.Before(from) && at.Before(until) }
			if !between(begin, got[0].Oldest, middle) || !between(middle, got[0].Newest, end) || !between(begin, got[1].Newest, middle) {
				s.Errorf("between %v, %v and %v: got %+v", begin, middle, end, got)
			}
			if got := s.channels(channels.ChannelQuery{Since: begin, Limit: 9}); got[0].Recent != 3 || got[1].Recent != 1 {
				s.Errorf("got %+v", got)
			}
			s.trimAll()
			if got := s.channels(channels.ChannelQuery{Since: begin, Limit: 1}); len(got) != 1 || got[0].Recent != 0 ||
				!got[0].Oldest.IsZero() || !got[0].Newest.IsZero() {
				s.Errorf("after a trim: %+v", got)
			}
		}},
	}
}

func (s *stage) channels(q channels.ChannelQuery) []channels.ChannelInfo {
	s.Helper()
	list, err := s.Log.Channels(s.Context(), q)
	if err != nil {
		s.Fatalf("list channels %+v: %v", q, err)
	}
	return list
}

// wantChannels demands that the pages of the query name exactly the channels.
func (s *stage) wantChannels(q channels.ChannelQuery, want ...channels.Channel) {
	s.Helper()
	for q.Limit = 1; q.Limit < 7; q.Limit++ {
		var got []channels.Channel
		rest := q
		for list := s.channels(rest); len(list) > 0; list = s.channels(rest) {
			for _, c := range list {
				got = append(got, c.Channel)
			}
			rest.After = got[len(got)-1]
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			s.Errorf("%+v: got %q, want %q", q, got, want)
		}
	}
}
