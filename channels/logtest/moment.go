package logtest

import (
	"time"

	"github.com/griphub/griphub/channels"
)

// atMinute is a draft for the channel that happened so many minutes after some noon.
func atMinute(minute int, name channels.Channel) channels.Draft {
	d := on(name)
	d.Time = time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC)
	return d
}

// wantSeqAt demands where the channel stood at a minute.
func (s *stage) wantSeqAt(name channels.Channel, minute int, want channels.Seq) {
	s.Helper()
	got, err := s.Log.SeqAt(s.Context(), name, atMinute(minute, name).Time)
	if err != nil || got != want {
		s.Errorf("%s at minute %d: got %d, %v, want %d", name, minute, got, err, want)
	}
}

func timeScenes() []scene {
	return []scene{
		{"a draft without a time happened when it was committed", func(s *stage) {
			before := instant()
			e := s.append(on("a"))[0]
			after := instant()
			if !e.Time.After(before) || !e.Time.Before(after) {
				s.Errorf("it happened at %v, want between %v and %v", e.Time, before, after)
			}
			sameEvent(s, s.wantSeqs("a", 0, 1).Events[0], e)
		}},
		{"a time is kept to the microsecond", func(s *stage) {
			for _, at := range []time.Time{
				time.Date(2026, 2, 3, 4, 5, 6, 123456789, time.FixedZone("", 3600)),
				time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
				time.Date(2200, 1, 1, 0, 0, 0, 1000, time.UTC),
			} {
				d := on("a")
				d.Time = at
				e := s.append(d)[0]
				if want := time.UnixMicro(at.UnixMicro()).UTC(); !e.Time.Equal(want) {
					s.Errorf("%v became %v", at, e.Time)
				}
				stored, err := s.Log.Event(s.Context(), e.ID)
				if err != nil {
					s.Fatal(err)
				}
				sameEvent(s, stored, e)
			}
		}},
		{"a moment is the place before the first event at or after it", func(s *stage) {
			for _, minute := range []int{10, 20, 20, 30} {
				s.append(atMinute(minute, "a"), atMinute(59, "b"))
			}
			for minute, want := range map[int]channels.Seq{0: 0, 10: 0, 11: 1, 20: 1, 21: 3, 30: 3, 31: 4} {
				s.wantSeqAt("a", minute, want)
			}
			at, err := s.Log.SeqAt(s.Context(), "a", atMinute(10, "a").Time.Add(time.Nanosecond))
			if err != nil || at != 1 {
				s.Errorf("a nanosecond after the first: got %d, %v, want 1", at, err)
			}
			s.wantSeqAt("nobody", 0, 0)
		}},
		{"a moment is found where clocks went back", func(s *stage) {
			for _, minute := range []int{10, 50, 5, 20, 55, 30} {
				s.append(atMinute(minute, "a"))
			}
			for minute, want := range map[int]channels.Seq{5: 0, 10: 0, 15: 1, 50: 1, 51: 4, 55: 4, 56: 6} {
				s.wantSeqAt("a", minute, want)
			}
		}},
		{"a moment is found after its latest event was trimmed", func(s *stage) {
			for _, minute := range []int{50, 10, 20, 40} {
				s.append(atMinute(minute, "a"))
			}
			s.trim(channels.Retention{Count: 3}, time.Now())
			for minute, want := range map[int]channels.Seq{0: 1, 10: 1, 15: 2, 20: 2, 30: 3, 45: 4} {
				s.wantSeqAt("a", minute, want)
			}
			s.trimAll()
			s.wantSeqAt("a", 0, 4)
			s.append(atMinute(12, "a"))
			s.wantSeqAt("a", 12, 4)
			s.wantSeqAt("a", 13, 5)
		}},
		{"a moment is found across a jump", func(s *stage) {
			s.append(atMinute(10, "a"), atMinute(20, "a"))
			base := s.jump()
			s.wantSeqAt("a", 15, 1)
			s.wantSeqAt("a", 25, base)
			s.append(atMinute(30, "a"))
			s.wantSeqAt("a", 25, base)
			s.wantSeqAt("a", 31, base+1)
			s.wantSeqAt("nobody", 0, base)
		}},
	}
}
