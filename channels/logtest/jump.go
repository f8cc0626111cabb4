package logtest

import (
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
)

// jump makes the log jump and returns where it stands then.
func (s *stage) jump() channels.Seq {
	s.Helper()
	if err := s.Jump(s.Context()); err != nil {
		s.Fatalf("jump: %v", err)
	}
	return s.head("a channel that nobody uses")
}

func jumpScenes() []scene {
	return []scene{
		{"after a jump every channel stands far above its last event", func(s *stage) {
			last := s.append(onEach(3, "a")...)[2]
			base := s.jump()
			if base < 1_000_000 || base >= channels.MaxSeq/2 {
				s.Errorf("the jump went to %d", base)
			}
			if head := s.head("a"); head != base {
				s.Errorf("a stands at %d, want %d", head, base)
			}
			events := s.append(on("a"), on("new"), on("a"))
			if got, want := places(events), fmt.Sprintf("[a:%d new:%d a:%d]", base+1, base+1, base+2); got != want {
				s.Errorf("got %s, want %s", got, want)
			}
			if events[0].ID < last.ID+1_000_000 {
				s.Errorf("the event's id %d follows %d, which another copy may have given too", events[0].ID, last.ID)
			}
		}},
		{"positions from before a jump stay valid", func(s *stage) {
			s.append(onEach(3, "a")...)
			base := s.jump()
			for round := range 2 {
				for at := range channels.Seq(4) {
					want := between(at+1, 3)
					if round == 1 {
						want = append(want, base+1)
					}
					s.wantSeqs("a", at, want...)
				}
				s.append(on("a"))
				if round == 0 {
					s.wantSeqs("a", base, base+1)
				}
			}
		}},
		{"numbers inside a jump are lost", func(s *stage) {
			s.append(onEach(3, "a")...)
			base := s.jump()
			inside := []channels.Seq{4, 5, 1000, base - 1}
			for _, seq := range inside {
				s.wantLost("a", seq)
				s.wantLost("nobody", seq)
			}
			s.append(on("a"))
			for _, seq := range inside {
				s.wantLost("a", seq)
			}
			s.wantLost("a", base+2)
		}},
		{"a viewer that stood at a jump's base sees what comes", func(s *stage) {
			s.append(on("a"))
			first := s.jump()
			s.wantSeqs("a", first)
			s.wantSeqs("quiet", first)
			s.wantSeqs("quiet", 0)
			second := s.jump()
			if second <= first {
				s.Fatalf("the second jump went from %d to %d", first, second)
			}
			s.wantSeqs("a", first)
			s.wantSeqs("a", second)
			s.append(on("a", "quiet"))
			for _, name := range []channels.Channel{"a", "quiet"} {
				s.wantSeqs(name, first, second+1)
				s.wantSeqs(name, second, second+1)
				s.wantLost(name, first+1)
				s.wantLost(name, second-1)
			}
			s.wantSeqs("quiet", 0, second+1)
		}},
		{"pages and the latest cross a jump", func(s *stage) {
			s.append(onEach(3, "a")...)
			base := s.jump()
			s.append(onEach(3, "a")...)
			page := s.read("a", 1, 3)
			if got := show(page); got != fmt.Sprintf("{events [2 3 %d] next %d more true lost false}", base+1, base+1) {
				s.Errorf("got %s", got)
			}
			latest, err := s.Log.Latest(s.Context(), "a", 4)
			if got, want := fmt.Sprint(seqs(latest)), fmt.Sprint([]channels.Seq{3, base + 1, base + 2, base + 3}); err != nil || got != want {
				s.Errorf("latest: got %s, %v, want %s", got, err, want)
			}
		}},
		{"trimming crosses a jump", func(s *stage) {
			s.append(onEach(5, "a")...)
			base := s.jump()
			s.append(onEach(2, "a")...)
			if n := s.trim(channels.Retention{Count: 4}, time.Now()); n != 3 {
				s.Errorf("%d entries went, want 3", n)
			}
			s.wantSeqs("a", 3, 4, 5, base+1, base+2)
			s.wantLost("a", 2)
			s.trim(channels.Retention{Count: 1}, time.Now())
			s.wantSeqs("a", base+1, base+2)
			s.wantLost("a", base)
			s.wantLost("a", 5)
		}},
		{"a channel that was trimmed to nothing before a jump stands at both places", func(s *stage) {
			s.append(onEach(3, "a")...)
			s.trimAll()
			base := s.jump()
			s.wantSeqs("a", 3)
			s.wantSeqs("a", base)
			s.wantLost("a", 2)
			s.append(on("a"))
			s.wantSeqs("a", 3, base+1)
			s.wantSeqs("a", base, base+1)
			s.wantLost("a", 4)
		}},
		{"an empty log jumps too", func(s *stage) {
			base := s.jump()
			if e := s.append(on("a"))[0]; e.Seq("a") != base+1 {
				s.Errorf("got %s, want a:%d", e.Cursor(), base+1)
			}
			s.wantSeqs("a", 0, base+1)
		}},
		{"another handle knows of the jump", func(s *stage) {
			other := s.Another()
			s.appendTo(other, channels.Batch{Drafts: onEach(2, "a")})
			base := s.jump()
			if e := s.appendTo(other, channels.Batch{Drafts: onEach(1, "a")})[0]; e.Seq("a") != base+1 {
				s.Errorf("got %s, want a:%d", e.Cursor(), base+1)
			}
		}},
		{"keys outlive a jump", func(s *stage) {
			first := s.append(keyed("k", "a"))[0]
			s.jump()
			s.wantRepeated(s.append(keyed("k", "a"))[0], first)
		}},
	}
}
