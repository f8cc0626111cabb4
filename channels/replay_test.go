package channels_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// history is a log to which each word of the script appends one event: the channels that its letters name.
func history(t fataler, script string) *logtest.Memory {
	t.Helper()
	log := logtest.NewMemory(time.Now, 0, channels.Retention{})
	for _, word := range strings.Fields(script) {
		var chans []channels.Channel
		for _, letter := range word {
			chans = append(chans, channels.Channel(string(letter)))
		}
		d := plain(chans[0], 0)
		d.Channels = chans
		if _, err := log.Append(context.Background(), batch(d)); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func read(t fataler, log channels.Log, chans, from string, limit int) channels.Replay {
	t.Helper()
	var asked []channels.Channel
	for _, letter := range chans {
		asked = append(asked, channels.Channel(string(letter)))
	}
	var cursor channels.Cursor
	if from != "" {
		var err error
		if cursor, err = channels.ParseCursor(from); err != nil {
			t.Fatal(err)
		}
	}
	rules := channels.Rules{{Match: "u", Unstored: true}, {Match: "**"}}
	replay, err := channels.NewReader(log, rules).Read(context.Background(), asked, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	return replay
}

// steps are the events of a replay as channel:number, in order.
func steps(r channels.Replay) string {
	var all []string
	for _, s := range r.Steps {
		all = append(all, channels.Position{Channel: s.Channel, Seq: s.Seq}.String())
	}
	return strings.Join(all, " ")
}

func TestAFreshViewerStartsAtTheHeads(t *testing.T) {
	r := read(t, history(t, "a b a"), "abc", "", 100)
	if r.Start.String() != "a:2,b:1,c:0" || len(r.Steps)+len(r.Lost) != 0 || r.More {
		t.Errorf("the replay is %+v", r)
	}
}

// Whoever asks while a proxy does not keep up comes to where those are who wait.
func TestAReaderStopsWhereTheProxyHasNotBeen(t *testing.T) {
	log := history(t, "a b a a b a")
	reader := channels.NewReader(log, channels.Rules{{Match: "**"}}).Until(func(c channels.Channel) (channels.Seq, bool) {
		return 2, c == "a"
	})
	for _, c := range []struct {
		from         string
		limit        int
		start, steps string
		more         bool
	}{
		{"", 100, "a:2,b:2", "", false},
		{"a:0,b:0", 100, "a:0,b:0", "a:1 b:1 a:2 b:2", false},
		{"a:0,b:0", 2, "a:0,b:0", "a:1 b:1", true},
		{"a:1,b:2", 100, "a:1,b:2", "a:2", false},
		{"a:2,b:1", 100, "a:2,b:1", "b:2", false},
		{"a:3,b:2", 100, "a:3,b:2", "", false},
		{"a:9,b:2", 100, "a:2,b:2", "", false}, // it was no place
	} {
		var from channels.Cursor
		if c.from != "" {
			from, _ = channels.ParseCursor(c.from)
		}
		r, err := reader.Read(context.Background(), []channels.Channel{"a", "b"}, from, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if r.Start.String() != c.start || steps(r) != c.steps || r.More != c.more {
			t.Errorf("from %q: %v %q %v", c.from, r.Start, steps(r), r.More)
		}
	}
}

func TestAResumingViewerGetsWhatItMissedInTheOrderOfEvents(t *testing.T) {
	log := history(t, "a b a ab b a")
	for _, c := range []struct{ chans, from, start, steps string }{
		{"ab", "a:0,b:0", "a:0,b:0", "a:1 b:1 a:2 a:3 b:2 b:3 a:4"},
		{"ba", "a:0,b:0", "b:0,a:0", "a:1 b:1 a:2 b:2 a:3 b:3 a:4"},
		{"ab", "b:1,a:2", "a:2,b:1", "a:3 b:2 b:3 a:4"},
		{"ab", "a:4,b:3", "a:4,b:3", ""},
		{"a", "a:1,b:0,x:7", "a:1", "a:2 a:3 a:4"},
		{"ab", "a:2", "a:2,b:3", "a:3 a:4"},
		{"ab", "x:2", "a:4,b:3", ""},
	} {
		r := read(t, log, c.chans, c.from, 100)
		if r.Start.String() != c.start || steps(r) != c.steps || r.More || r.Lost != nil {
			t.Errorf("%s from %s: start %s, steps %q, more %v, lost %v", c.chans, c.from, r.Start, steps(r), r.More, r.Lost)
		}
	}
}

func TestALostPositionIsToldAndContinuesAtTheHead(t *testing.T) {
	log := history(t, "a a a b b")
	keep := func(c channels.Channel) channels.Retention {
		if c == "a" {
			return channels.Retention{Count: 1}
		}
		return channels.Retention{}
	}
	if n, err := log.Trim(t.Context(), keep, time.Now()); err != nil || n != 2 {
		t.Fatalf("trimmed %d, %v", n, err)
	}
	for _, c := range []struct{ from, start, steps, lost string }{
		{"a:1,b:0", "a:3,b:0", "b:1 b:2", "[a]"},
		{"a:2,b:3", "a:2,b:2", "a:3", "[b]"},
		{"a:4,b:9", "a:3,b:2", "", "[a b]"},
	} {
		r := read(t, log, "ab", c.from, 100)
		if r.Start.String() != c.start || steps(r) != c.steps || fmt.Sprint(r.Lost) != c.lost {
			t.Errorf("from %s: start %s, steps %q, lost %v", c.from, r.Start, steps(r), r.Lost)
		}
	}
}

func TestAViewerIsCarriedOverAJump(t *testing.T) {
	log := history(t, "a a")
	if err := log.JumpTo(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), batch(plain("a", 3))); err != nil {
		t.Fatal(err)
	}
	if r := read(t, log, "a", "a:2", 100); r.Lost == nil && !strings.HasPrefix(steps(r), "a:10") {
		t.Errorf("from before the jump: %+v", r)
	}
	if r := read(t, log, "a", "a:500", 100); r.Lost == nil || len(r.Steps) != 0 {
		t.Errorf("from within the jump: %+v", r)
	}
}

func TestUnstoredChannelsHaveNoPartInAReplay(t *testing.T) {
	r := read(t, history(t, "a a"), "ua", "u:5,a:1", 100)
	if r.Start.String() != "a:1" || steps(r) != "a:2" || r.Lost != nil {
		t.Errorf("the replay is %+v", r)
	}
	if r := read(t, history(t, "a"), "u", "u:5", 100); r.Start != nil || r.Steps != nil || r.Lost != nil || r.More {
		t.Errorf("of an unstored channel alone: %+v", r)
	}
}

func TestALimitIsSharedByTheChannels(t *testing.T) {
	log := history(t, strings.Repeat("a b c ", 10))
	for _, c := range []struct {
		chans, from string
		limit, want int
		more        bool
	}{
		{"a", "a:0", 100, 10, false},
		{"a", "a:0", 10, 10, false},
		{"a", "a:0", 9, 9, true},
		{"abc", "a:0,b:0,c:0", 9, 9, true},
		{"abc", "a:0,b:0,c:0", 10, 9, true},
		{"abc", "a:0,b:0,c:0", 1, 3, true},
		{"abc", "a:0", 9, 9, true},
		{"abc", "a:10,b:10,c:9", 9, 1, false},
	} {
		if r := read(t, log, c.chans, c.from, c.limit); len(r.Steps) != c.want || r.More != c.more {
			t.Errorf("%s from %s, limit %d: %d steps, more %v", c.chans, c.from, c.limit, len(r.Steps), r.More)
		}
	}
}

func TestReadingOnBringsEveryEventOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "ab", "cb", "abc"}), 0, 60).Draw(t, "events")
		log := history(t, strings.Join(words, " "))
		chans := rapid.SampledFrom([]string{"a", "ab", "cba"}).Draw(t, "channels")
		limit := rapid.IntRange(1, 12).Draw(t, "limit")

		var cursor channels.Cursor
		var want []string
		for _, letter := range chans {
			c := channels.Channel(string(letter))
			heads, _ := log.Heads(context.Background(), []channels.Channel{c})
			from := channels.Seq(rapid.Int64Range(0, int64(heads[0].Seq)).Draw(t, "from"))
			cursor.Set(c, from)
			for seq := from + 1; seq <= heads[0].Seq; seq++ {
				want = append(want, channels.Position{Channel: c, Seq: seq}.String())
			}
		}
		var got []string
		for pages := 0; ; pages++ {
			r := read(t, log, chans, cursor.String(), limit)
			for _, s := range r.Steps {
				if before, _ := cursor.Find(s.Channel); s.Seq != before+1 {
					t.Fatalf("%s:%d comes after %d", s.Channel, s.Seq, before)
				}
				cursor.Set(s.Channel, s.Seq)
				got = append(got, channels.Position{Channel: s.Channel, Seq: s.Seq}.String())
			}
			if !r.More {
				break
			}
			if len(r.Steps) == 0 || pages > len(words) {
				t.Fatal("reading on does not end")
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("read %v, want %v", got, want)
		}
	})
}

type brokenLog struct {
	channels.Log
	heads, read error
}

func (l brokenLog) Heads(ctx context.Context, c []channels.Channel) (channels.Cursor, error) {
	if l.heads != nil {
		return nil, l.heads
	}
	return l.Log.Heads(ctx, c)
}

func (l brokenLog) Read(context.Context, channels.Cursor, int) ([]channels.Page, error) {
	return nil, l.read
}

func TestAReaderPassesOnWhatFails(t *testing.T) {
	down := errors.New("down")
	rules := channels.Rules{{Match: "**"}}
	chans := []channels.Channel{"a", "b"}
	for _, log := range []brokenLog{{Log: history(t, "a"), heads: down}, {Log: history(t, "a"), read: down}} {
		_, err := channels.NewReader(log, rules).Read(t.Context(), chans, channels.Cursor{{Channel: "a"}}, 10)
		if !errors.Is(err, down) || err.Error() == down.Error() {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAnEventIsSkippedForItsUsersAlone(t *testing.T) {
	e := at(1, channels.Draft{Channels: []channels.Channel{"a"}, SkipUsers: []string{"7", "8"}})
	for user, want := range map[string]bool{"7": true, "8": true, "9": false, "": false, "7,8": false} {
		if e.Skips(user) != want {
			t.Errorf("user %q skips: %v", user, !want)
		}
	}
}
