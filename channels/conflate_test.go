package channels_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

// A board is what viewers are shown.
type board struct {
	mu    sync.Mutex
	shown []shown
}

// A shown event is an item as the proxy gets it.
type shown struct {
	channel  string
	id, prev channels.Seq
	device   string
	eventType,
	data string
	at time.Time
}

func (b *board) Send(events []channels.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		for i, item := range e.AppendItems(nil, "") {
			s := shown{channel: item.Channel, device: e.Device.ID, eventType: e.Type, data: string(e.Data), at: time.Now()}
			if s.id = e.Positions[i].Seq; s.id > 0 {
				prev, err := channels.ParseSeq(item.PrevID)
				if err != nil || item.ID != s.id.String() {
					panic(fmt.Sprintf("item %q after %q: %v", item.ID, item.PrevID, err))
				}
				s.prev = prev
			}
			b.shown = append(b.shown, s)
		}
	}
}

func (b *board) all() []shown {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.shown)
}

var stateRules = channels.Rules{
	{Match: "state*", MaxRate: 2}, {Match: "gauge*", MaxRate: 2, Unstored: true}, {Match: "**"},
}

// readings are the state of their device.
func readings(e *channels.Event) (string, bool) { return e.Device.ID, e.Type == "data" }

// conflating starts a Conflater, inside a synctest bubble.
func conflating(t *testing.T) (*channels.Conflater, *board, func()) {
	b := &board{}
	c := channels.NewConflater(b, stateRules, readings)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return c, b, stop
}

func reading(channel channels.Channel, seq channels.Seq, device string) channels.Event {
	return channels.Event{
		Draft: channels.Draft{
			Channels: []channels.Channel{channel}, Type: "data", Data: []byte(strconv.Itoa(int(seq))), Device: channels.DeviceRef{Type: "pump", ID: device},
		},
		ID: channels.EventID(seq), Positions: []channels.Position{{Channel: channel, Seq: seq}},
	}
}

// say is the events as "id<prev:device".
func say(list []shown) (text string) {
	for _, s := range list {
		text += fmt.Sprintf("%d<%d:%s ", s.id, s.prev, s.device)
	}
	return text
}

func wantBoard(t *testing.T, b *board, want string) {
	t.Helper()
	if got := say(b.all()); got != want {
		t.Errorf("shown is %q, want %q", got, want)
	}
}

func TestViewersOfAStateSeeTheNewestOfEachDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, _ := conflating(t)
		c.Send([]channels.Event{reading("state", 1, "a")})
		wantBoard(t, b, "1<0:a ") // a channel that was silent does not wait
		for seq := channels.Seq(2); seq <= 9; seq++ {
			c.Send([]channels.Event{reading("state", seq, []string{"a", "b", "c"}[seq%3])})
			time.Sleep(10 * time.Millisecond)
		}
		wantBoard(t, b, "1<0:a ")
		time.Sleep(500 * time.Millisecond)
		wantBoard(t, b, "1<0:a 7<1:b 8<7:c 9<8:a ")
		time.Sleep(time.Second)
		c.Send([]channels.Event{reading("state", 10, "a"), reading("state", 11, "a")})
		wantBoard(t, b, "1<0:a 7<1:b 8<7:c 9<8:a 11<9:a ")
		if n := c.Conflated(); n != 6 {
			t.Errorf("%d events were conflated, want 6", n)
		}
	})
}

func TestWhatHappensOnceIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, _ := conflating(t)
		events := []channels.Event{reading("state", 1, "a")}
		for seq := channels.Seq(2); seq <= 7; seq++ {
			events = append(events, reading("state", seq, "a"))
		}
		events[1].Type = "status"
		events[2].SkipUsers = []string{"7"}
		events[4].ReplayOf, events[4].Replay = 1, 1
		c.Send(events)
		wantBoard(t, b, "2<0:a 3<2:a 5<3:a 7<5:a ")
	})
}

func TestNoEventStandsForSomebodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, _ := conflating(t)
		c.Send([]channels.Event{reading("state", 1, "a")})
		// 4 and 7 are another instance's.
		for _, seq := range []channels.Seq{2, 3, 5, 6, 8} {
			c.Send([]channels.Event{reading("state", seq, "a")})
		}
		time.Sleep(time.Second)
		wantBoard(t, b, "1<0:a 3<1:a 6<4:a 8<7:a ")
	})
}

func TestChannelsThatKeepNothingAreConflatedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, _ := conflating(t)
		for n := range 10 {
			e := reading("gauge", 0, []string{"a", "b"}[n%2])
			e.Data = []byte(strconv.Itoa(n))
			c.Send([]channels.Event{e})
		}
		time.Sleep(time.Second)
		var got []string
		for _, s := range b.all() {
			got = append(got, s.device+s.data)
		}
		if want := []string{"a0", "a8", "b9"}; !slices.Equal(got, want) {
			t.Errorf("shown is %v, want %v", got, want)
		}
	})
}

func TestAnEventOfTwoClassesIsShownInEachAsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, stop := conflating(t)
		for seq := channels.Seq(1); seq <= 5; seq++ {
			e := reading("state", seq, "a")
			e.Channels = append(e.Channels, "events")
			e.Positions = append(e.Positions, channels.Position{Channel: "events", Seq: seq})
			c.Send([]channels.Event{e})
		}
		stop() // shows what is left
		count := map[string]int{}
		for _, s := range b.all() {
			count[s.channel]++
		}
		if count["events-state"] != 2 || count["events-events"] != 5 {
			t.Errorf("shown are %v", count)
		}
		c.Send([]channels.Event{reading("state", 6, "a"), reading("state", 7, "a")}) // nothing is held back any more
		if all := b.all(); say(all[len(all)-2:]) != "6<5:a 7<6:a " {
			t.Errorf("after the end %s", say(all))
		}
	})
}

func TestWhatIsHeldBackIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, _ := conflating(t)
		const devices = 60_000
		for seq := channels.Seq(1); seq <= devices; seq++ {
			c.Send([]channels.Event{reading("state", seq, strconv.Itoa(int(seq)))})
		}
		if n := len(b.all()); n < 50_000 {
			t.Errorf("%d of %d events are shown, the others are held back", n, devices)
		}
		for seq := channels.Seq(devices + 1); seq <= 2*devices; seq++ {
			c.Send([]channels.Event{reading("state", seq, "a")}) // of one device only the newest is kept
		}
		time.Sleep(time.Second)
		all := b.all()
		if last := all[len(all)-1]; last.id != 2*devices || len(all) > devices+3 {
			t.Errorf("%d are shown, the last is %d", len(all), last.id)
		}
	})
}

// Whatever the interleaving of channels, devices, pauses and other writers: the last value of each device is shown, ids rise,
// nothing is shown twice, and every number is shown, or stood for, or somebody else's.
func TestConflationKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		type step struct {
			channel channels.Channel
			device  string
			other   bool
			once    bool
			pause   time.Duration
		}
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{
				channel: channels.Channel(rapid.SampledFrom([]string{"state1", "state2", "events"}).Draw(r, "channel")),
				device:  rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "device"),
				other:   rapid.IntRange(0, 9).Draw(r, "other") == 0,
				once:    rapid.IntRange(0, 9).Draw(r, "once") == 0,
				pause:   time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 100, 499, 500, 501, 1200}).Draw(r, "ms")) * time.Millisecond,
			}
		}), 1, 200).Draw(r, "steps")
		synctest.Test(t, func(t *testing.T) {
			c, b, _ := conflating(t)
			seqs := map[channels.Channel]channels.Seq{}
			last := map[string]channels.Seq{}                   // by channel and device
			own := map[channels.Channel]map[channels.Seq]bool{} // what this process appended
			once := map[string]bool{}
			for _, s := range steps {
				seqs[s.channel]++
				seq := seqs[s.channel]
				if s.other {
					continue
				}
				e := reading(s.channel, seq, s.device)
				if s.once {
					e.Type = "status"
					once[fmt.Sprint(s.channel, seq)] = true
				} else {
					last[string(s.channel)+s.device] = seq
				}
				if own[s.channel] == nil {
					own[s.channel] = map[channels.Seq]bool{}
				}
				own[s.channel][seq] = true
				c.Send([]channels.Event{e})
				time.Sleep(s.pause)
			}
			time.Sleep(time.Second)
			newest, at := map[string]channels.Seq{}, map[string][]time.Time{}
			final := map[string]channels.Seq{}
			for _, s := range b.all() {
				channel := s.channel[len("events-"):]
				if s.id <= newest[channel] || s.prev >= s.id || s.prev < newest[channel] {
					t.Fatalf("%s shows %d after %d, when %d was shown", channel, s.id, s.prev, newest[channel])
				}
				for n := s.prev + 1; n < s.id; n++ {
					if !own[channels.Channel(channel)][n] || once[fmt.Sprint(channel, n)] {
						t.Fatalf("%s: %d after %d stands for %d", channel, s.id, s.prev, n)
					}
				}
				for n := newest[channel] + 1; n <= s.prev; n++ {
					if own[channels.Channel(channel)][n] {
						t.Fatalf("%s: %d is neither shown nor stood for by %d", channel, n, s.id)
					}
				}
				if s.eventType == "data" {
					final[channel+s.device] = s.id
				}
				newest[channel] = s.id
				at[channel] = append(at[channel], s.at)
			}
			for key, seq := range last {
				if final[key] != seq {
					t.Fatalf("the last value of %s shown is %d, want %d", key, final[key], seq)
				}
			}
			for channel, times := range at {
				times = slices.Compact(times)
				for i := 1; i < len(times) && channel != "events"; i++ {
					if d := times[i].Sub(times[i-1]); d < 500*time.Millisecond {
						t.Fatalf("%s shows something new after %v", channel, d)
					}
				}
			}
		})
	})
}
