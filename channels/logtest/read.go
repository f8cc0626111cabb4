package logtest

import (
	"context"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
)

func readScenes() []scene {
	return []scene{
		{"pages follow each other without gap or repetition", func(s *stage) {
			const n = 23
			s.append(onEach(n, "other", "a")...)
			for limit := 1; limit <= n+1; limit++ {
				at, pages := channels.Seq(0), 0
				for more := true; more; pages++ {
					page := s.read("a", at, limit)
					want := between(at+1, min(at+channels.Seq(limit), n))
					if fmt.Sprint(seqs(page)) != fmt.Sprint(want) || page.Next != want[len(want)-1] || page.Lost {
						s.Fatalf("limit %d after %d: got %s, want %v", limit, at, show(page), want)
					}
					at, more = page.Next, page.More
				}
				if want := (n + limit - 1) / limit; pages != want || at != n {
					s.Errorf("limit %d: %d pages up to %d, want %d up to %d", limit, pages, at, want, n)
				}
			}
		}},
		{"the head has nothing behind it", func(s *stage) {
			s.append(onEach(3, "a")...)
			s.wantSeqs("a", 3)
		}},
		{"a position ahead of the head is lost", func(s *stage) {
			s.append(onEach(3, "a")...)
			for _, seq := range []channels.Seq{4, 5, 1 << 40, channels.MaxSeq} {
				s.wantLost("a", seq)
			}
			s.wantLost("nobody", 1)
		}},
		{"a negative position is lost", func(s *stage) {
			s.append(on("a"))
			s.wantLost("a", -1)
		}},
		{"a position that was trimmed away is lost, the one before what is left is not", func(s *stage) {
			s.append(onEach(10, "a")...)
			s.trim(channels.Retention{Count: 4}, time.Now())
			for _, seq := range []channels.Seq{0, 1, 5} {
				s.wantLost("a", seq)
			}
			s.wantSeqs("a", 6, 7, 8, 9, 10)
			s.wantSeqs("a", 7, 8, 9, 10)
			s.wantSeqs("a", 10)
		}},
		{"a channel that was trimmed to nothing stands at its head", func(s *stage) {
			s.append(onEach(3, "a")...)
			s.trimAll()
			s.wantSeqs("a", 3)
			for _, seq := range []channels.Seq{0, 1, 2, 4} {
				s.wantLost("a", seq)
			}
			s.append(on("a"))
			s.wantSeqs("a", 3, 4)
			s.wantLost("a", 2)
		}},
		{"positions whose events were deleted by hand are lost", func(s *stage) {
			s.append(onEach(5, "a")...)
			s.DeleteEvents()
			for seq := range channels.Seq(5) {
				s.wantLost("a", seq)
			}
			s.wantSeqs("a", 5)
			s.append(on("a"))
			for seq := range channels.Seq(5) {
				s.wantLost("a", seq)
			}
			s.wantSeqs("a", 5, 6)
		}},
		{"every position is answered in order, also one that is asked twice", func(s *stage) {
			s.append(append(onEach(3, "a"), onEach(2, "b")...)...)
			pages := s.readAll(channels.Cursor{{Channel: "b", Seq: 1}, {Channel: "nobody"}, {Channel: "a", Seq: 9},
				{Channel: "a", Seq: 1}, {Channel: "b", Seq: 0}}, 10)
			got := ""
			for _, p := range pages {
				got += show(p)
			}
			want := "{events [2] next 2 more false lost false}" +
				"{events [] next 0 more false lost false}" +
				"{events [] next 3 more false lost true}" +
				"{events [2 3] next 3 more false lost false}" +
				"{events [1 2] next 2 more false lost false}"
			if got != want {
				s.Errorf("got  %s\nwant %s", got, want)
			}
			if pages, err := s.Log.Read(s.Context(), nil, 1); err != nil || len(pages) != 0 {
				s.Errorf("of no position: got %v, %v", pages, err)
			}
		}},
		{"all pages are of one moment", playOneMoment},
		{"latest are the newest events, oldest first", func(s *stage) {
			s.append(onEach(7, "a", "b")...)
			for limit, want := range map[int][]channels.Seq{1: {7}, 3: {5, 6, 7}, 7: upTo(7), 99: upTo(7)} {
				page, err := s.Log.Latest(s.Context(), "a", limit)
				if err != nil || fmt.Sprint(seqs(page)) != fmt.Sprint(want) || page.Next != 7 || page.Lost ||
					page.Channel != "a" {
					s.Errorf("limit %d: got %s, %v", limit, show(page), err)
				}
			}
			page, err := s.Log.Latest(s.Context(), "nobody", 5)
			if err != nil || len(page.Events) > 0 || page.Next != 0 || page.Lost || page.More {
				s.Errorf("of an empty channel: got %s, %v", show(page), err)
			}
			s.trimAll()
			page, err = s.Log.Latest(s.Context(), "a", 5)
			if err != nil || len(page.Events) > 0 || page.Next != 7 || page.Lost {
				s.Errorf("of a trimmed channel: got %s, %v", show(page), err)
			}
		}},
	}
}

// playOneMoment appends events that are on two channels while both are read: the pages must agree.
func playOneMoment(s *stage) {
	logs := s.handles(2)
	const rounds = 60
	s.concurrently(2, func(ctx context.Context, i int) error {
		for range rounds {
			if i == 0 {
				if _, err := logs[0].Append(ctx, channels.Batch{Drafts: onEach(2, "a", "b")}); err != nil {
					return err
				}
				continue
			}
			pages, err := logs[1].Read(ctx, channels.Cursor{{Channel: "a"}, {Channel: "nobody"}, {Channel: "b"}}, 10*rounds)
			if err != nil {
				return err
			}
			if a, b := fmt.Sprint(seqs(pages[0])), fmt.Sprint(seqs(pages[2])); a != b {
				return fmt.Errorf("one read saw %s in a and %s in b", a, b)
			}
			heads, err := logs[1].Heads(ctx, []channels.Channel{"a", "b"})
			if err != nil {
				return err
			}
			if heads[0].Seq != heads[1].Seq {
				return fmt.Errorf("the heads of one moment are %s", heads)
			}
		}
		return nil
	})
}
