package channels_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// follow subscribes until the scene ends.
func follow(t testing.TB, log channels.Log, bell *channels.Bell, from string, chans ...channels.Channel) *channels.Subscription {
	t.Helper()
	var cursor channels.Cursor
	if from != "" {
		var err error
		if cursor, err = channels.ParseCursor(from); err != nil {
			t.Fatal(err)
		}
	}
	s, err := channels.Subscribe(context.Background(), log, bell, chans, cursor)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func nextOf(t testing.TB, s *channels.Subscription) channels.Delivery {
	t.Helper()
	d, err := s.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func appendTo(t testing.TB, log channels.Log, drafts ...channels.Draft) []channels.Event {
	t.Helper()
	events, err := log.Append(context.Background(), channels.Batch{Drafts: drafts})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func newLog() *logtest.Memory { return logtest.NewMemory(time.Now, 0, channels.Retention{}) }

func TestASubscriptionBeginsNowOrWhereItIsTold(t *testing.T) {
	log := newLog()
	for n := range 3 {
		appendTo(t, log, plain("a", n), plain(channels.System, n))
	}
	s := follow(t, log, nil, "@system:2", "a", channels.System)
	appendTo(t, log, plain("a", 3))
	for _, want := range []string{"2 @system:3 a:3,%40system:3", "3 a:4 a:4,%40system:3"} {
		d := nextOf(t, s)
		if got := fmt.Sprintf("%s %s %s", d.Event.Data, strings.ReplaceAll(d.Event.Cursor().String(), "%40", "@"), d.Cursor); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAnEventOnSeveralFollowedChannelsIsDeliveredOnce(t *testing.T) {
	log := newLog()
	s := follow(t, log, nil, "", "b", "a")
	both := plain("a", 1)
	both.Channels = []channels.Channel{"a", "b", "c"}
	appendTo(t, log, plain("b", 0), both, plain("a", 2))
	for _, want := range []string{"0 b:1,a:0", "1 b:2,a:1", "2 b:2,a:2"} {
		d := nextOf(t, s)
		if got := fmt.Sprintf("%s %s", d.Event.Data, d.Cursor); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Whatever is on which channels, and wherever the reader breaks off and goes on: each event once, each channel in order.
func TestASubscriptionMissesNothingAndRepeatsNothing(t *testing.T) {
	all := []channels.Channel{"a", "b", "c"}
	rapid.Check(t, func(rt *rapid.T) {
		log := newLog()
		var drafts []channels.Draft
		for n := range rapid.IntRange(1, 400).Draw(rt, "events") {
			d := plain("a", n)
			d.Channels = rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, rapid.ID).Draw(rt, "channels")
			drafts = append(drafts, d)
		}
		s := follow(t, log, nil, "", all...)
		appendTo(t, log, drafts...)
		for n := range drafts {
			d := nextOf(t, s)
			if got := string(d.Event.Data); got != fmt.Sprint(n) {
				rt.Fatalf("got event %s, want %d", got, n)
			}
			if rapid.IntRange(0, 30).Draw(rt, "break") == 0 {
				s = follow(t, log, nil, d.Cursor.String(), all...)
			}
		}
	})
}

func TestLostHistoryIsToldToSubscribersBeforeTheyGoOn(t *testing.T) {
	log := newLog()
	for n := range 5 {
		appendTo(t, log, plain("a", n), plain("b", n))
	}
	s := follow(t, log, nil, "a:1,b:4", "a", "b")
	newest := func(channels.Channel) channels.Retention { return channels.Retention{Count: 2} }
	if _, err := log.Trim(t.Context(), newest, time.Now()); err != nil {
		t.Fatal(err)
	}
	d := nextOf(t, s)
	if d.Event != nil || len(d.Lost) != 1 || d.Lost[0] != "a" || d.Cursor.String() != "a:3,b:4" {
		t.Errorf("got %+v", d)
	}
	if b := d.Backend(); b.Event != "stream-reset" || string(b.Data) != `{"channels":["a"]}` || b.Cursor.String() != "a:3,b:4" {
		t.Errorf("backends read %+v", b)
	}
	for _, want := range []string{"a:4,b:4", "a:5,b:4", "a:5,b:5"} {
		if d := nextOf(t, s); d.Event == nil || d.Cursor.String() != want {
			t.Errorf("got %+v, want the event at %s", d, want)
		}
	}
}

func TestAPlaceOfAnotherHistoryLeadsToTheHead(t *testing.T) {
	log := newLog()
	for n := range 3 {
		appendTo(t, log, plain("a", n))
	}
	s := follow(t, log, nil, "a:7", "a")
	if d := nextOf(t, s); d.Event != nil || d.Cursor.String() != "a:3" {
		t.Errorf("got %+v", d)
	}
	appendTo(t, log, plain("a", 3))
	if d := nextOf(t, s); d.Event == nil || d.Cursor.String() != "a:4" {
		t.Errorf("got %+v", d)
	}
}

func TestASubscriptionIsWokenAndLooksFromTimeToTime(t *testing.T) {
	for what, c := range map[string]struct {
		wake func(*channels.Bell, []channels.Event)
		want time.Duration
	}{
		"by the publisher":           {func(b *channels.Bell, e []channels.Event) { b.Send(e) }, 0},
		"by another process":         {func(b *channels.Bell, _ []channels.Event) { b.Ring() }, 0},
		"not by events of no matter": {func(b *channels.Bell, _ []channels.Event) { b.Send([]channels.Event{{Draft: plain("x", 1)}}) }, time.Second},
		"by nobody":                  {func(*channels.Bell, []channels.Event) {}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			log, bell := newLog(), &channels.Bell{}
			s := follow(t, log, bell, "", "a")
			defer s.Close()
			got := make(chan time.Time)
			go func() {
				nextOf(t, s)
				got <- time.Now()
			}()
			synctest.Wait()
			begin := time.Now()
			c.wake(bell, appendTo(t, log, plain("a", 1)))
			if took := (<-got).Sub(begin); took != c.want {
				t.Errorf("woken %s it takes %v, want %v", what, took, c.want)
			}
		})
	}
}

func TestASubscriptionHeedsItsContextAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newTap()
		s := follow(t, log, nil, "", "a")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		appendTo(t, log, plain("a", 1))
		if d := nextOf(t, s); string(d.Event.Data) != "1" {
			t.Errorf("got %+v", d)
		}
	})
}

func TestSubscriptionsAreOfOneToAHundredChannels(t *testing.T) {
	var many []channels.Channel
	for n := range channels.MaxSubscribed {
		many = append(many, channels.Channel(fmt.Sprint("c", n)))
	}
	follow(t, newLog(), nil, "", many...).Close()
	for what, chans := range map[string][]channels.Channel{
		"none": nil, "too many": append(many, "one more"), "twice": {"a", "a"}, "no name": {""}, "a control character": {"a\n"},
	} {
		if _, err := channels.Subscribe(t.Context(), newLog(), nil, chans, nil); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestSubscribersSeePrivateDataAndWhatNobodyIsShown(t *testing.T) {
	log := newLog()
	s := follow(t, log, nil, "", channels.System)
	d := plain(channels.System, 1)
	d.Scope, d.Private, d.Shown = channels.ScopeSystem, []byte(`{"k":1}`), &channels.Shown{Nobody: true}
	appendTo(t, log, d)
	got := nextOf(t, s)
	if b := got.Backend(); string(b.Private) != `{"k":1}` || string(b.Data) != "1" || b.ID != "1" || b.Channels[0] != channels.System {
		t.Errorf("got %+v", b)
	}
}
