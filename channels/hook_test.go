package channels_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/channels"
)

// point is a hook that is asked about everything, and fails closed.
func point(f func(d *channels.Draft) error) *channels.HookPoint {
	return channels.NewHookPoint(channels.HookFunc(func(_ context.Context, d *channels.Draft) error { return f(d) }),
		channels.HookOptions{Name: "test", Match: "**", Timeout: time.Second})
}

func open(h channels.Hook) *channels.HookPoint {
	return channels.NewHookPoint(h, channels.HookOptions{Name: "test", Match: "**", Timeout: time.Second, Open: true})
}

func closed(h channels.Hook) *channels.HookPoint {
	return channels.NewHookPoint(h, channels.HookOptions{Name: "test", Match: "**", Timeout: time.Second})
}

// playHooked runs a scene with hooks.
func playHooked(t *testing.T, hooks channels.Hooks, act func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, log: newTap(), sink: &record{}}
		s.Publisher = channels.NewPublisher(s.log, keepAll, s.sink, time.Now)
		s.SetHooks(hooks)
		s.run()
		act(s)
		s.end()
	})
}

func TestAHookChangesDropsAndRefusesBeforeAnythingIsStored(t *testing.T) {
	asked := 0
	h := point(func(d *channels.Draft) error {
		asked++
		switch d.Type {
		case "drop":
			return fmt.Errorf("not that: %w", channels.ErrDrop)
		case "refuse":
			return &channels.RefusedError{Reason: "too loud"}
		case "change":
			d.Type, d.Data, d.Private, d.SkipUsers = "changed", []byte(`{"n":2}`), []byte(`{"by":"hook"}`), []string{"7"}
			d.Channels = []channels.Channel{"b"}
			// What is not the hook's to say changes nothing.
			d.Scope, d.User, d.Key, d.ReplayOf, d.Time = channels.ScopeGlobal, "9", "k", 3, time.Time{}
		}
		return nil
	})
	playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{h}}, func(s *scene) {
		typed := func(eventType string) channels.Draft {
			d := plain("a", 1)
			d.Type = eventType
			return d
		}
		events := s.publish(typed("as it is"), typed("drop"), typed("change"))
		if e := events[0]; e.Type != "as it is" || e.Seq("a") != 1 || e.Dropped {
			t.Errorf("the first is %+v", e)
		}
		if e := events[1]; !e.Dropped || e.ID != 0 || e.Positions != nil || e.PublicID() != "" {
			t.Errorf("the dropped one is %+v", e)
		}
		e := events[2]
		if e.Type != "changed" || string(e.Data) != `{"n":2}` || string(e.Private) != `{"by":"hook"}` || e.SkipUsers[0] != "7" || e.Seq("b") != 1 ||
			e.Scope != channels.ScopeChannel || e.User != "" || e.Key != "" || e.ReplayOf != 0 || e.Time.IsZero() {
			t.Errorf("the changed one is %+v", e)
		}
		if e := s.publish(typed("drop"))[0]; !e.Dropped {
			t.Errorf("alone it is %+v", e)
		}
		_, err := s.Publish(s.Context(), batch(typed("x"), typed("refuse"), typed("x"), typed("refuse")))
		var refused channels.RefusedDrafts
		var reason *channels.RefusedError
		if !errors.As(err, &refused) || len(refused) != 2 || refused[0].Index != 1 || refused[1].Index != 3 || !errors.As(err, &reason) || reason.Reason != "too loud" {
			t.Errorf("the refusal is %v", err)
		}
		if sent := s.sink.events(); len(sent) != 2 {
			t.Errorf("%d events were sent", len(sent))
		}
		if got, want := h.Stats(), (channels.HookStats{Asked: 8, Changed: 1, Dropped: 2, Refused: 2}); got != want || asked != 8 {
			t.Errorf("the counts are %+v, want %+v", got, want)
		}
	})
}

func TestWhatViewersAreShownIsDecidedOnceAndTheLogKeepsTheOriginal(t *testing.T) {
	asked := 0
	h := point(func(d *channels.Draft) error {
		asked++
		switch d.Type {
		case "hide":
			return channels.ErrDrop
		case "mask":
			d.Data, d.SkipUsers, d.Private = []byte(`{"card":"…"}`), []string{"8"}, nil
		case "skip":
			d.SkipUsers = []string{"8"}
		}
		return nil
	})
	further := point(func(d *channels.Draft) error {
		if d.Type == "mask" {
			if string(d.Data) != `{"card":"…"}` {
				return fmt.Errorf("sees %s", d.Data)
			}
			d.Type = "masked"
		}
		return nil
	})
	playHooked(t, channels.Hooks{Send: []*channels.HookPoint{h, further}}, func(s *scene) {
		d := channels.Draft{Channels: []channels.Channel{"a"}, Type: "mask", Data: []byte(`{"card":"1234"}`), Private: []byte(`1`), SkipUsers: []string{"7"}}
		hidden, skip, system := plain("a", 1), plain("a", 2), plain(channels.System, 3)
		hidden.Type, skip.Type = "hide", "skip"
		system.Scope, system.Type = channels.ScopeSystem, "hide"
		events := s.publish(d, hidden, skip, system)
		e := events[0]
		if e.Type != "mask" || string(e.Data) != `{"card":"1234"}` || string(e.Private) != "1" || e.Shown == nil || e.Shown.Type != "masked" ||
			string(e.Shown.Data) != `{"card":"…"}` || !slices.Equal(e.SkipUsers, []string{"7", "8"}) {
			t.Errorf("the masked one is %+v, shown %+v", e, e.Shown)
		}
		if e := events[1]; e.Shown == nil || !e.Shown.Nobody || string(e.Data) != "1" || e.Dropped || e.Seq("a") != 2 {
			t.Errorf("the hidden one is %+v", e)
		}
		if e := events[2]; e.Shown != nil || !slices.Equal(e.SkipUsers, []string{"8"}) {
			t.Errorf("the one that skips is %+v", e)
		}
		if e := events[3]; e.Shown != nil {
			t.Errorf("what no viewer sees is %+v", e)
		}
		// Resumed reads show what was shown live, and nobody is asked again.
		before := asked
		replay, err := channels.NewReader(s.log, keepAll).Read(s.Context(), []channels.Channel{"a"}, channels.Cursor{{Channel: "a", Seq: 0}}, 10)
		if err != nil {
			t.Fatal(err)
		}
		var live, resumed []byte
		for _, e := range s.sink.events()[:3] {
			live = e.AppendSSE(live, "x")
		}
		for _, step := range replay.Steps {
			resumed = step.Event.AppendSSE(resumed, "x")
		}
		if string(live) != string(resumed) || strings.Contains(string(live), "1234") || asked != before {
			t.Errorf("live:\n%s\nresumed:\n%s", live, resumed)
		}
	})
}

// A hook that changes everything that it is given changes its own copies, and those alone.
func TestAHooksDraftsAreItsOwn(t *testing.T) {
	var kept []*channels.Draft
	vandal := channels.HookFunc(func(_ context.Context, d *channels.Draft) error {
		kept = append(kept, d)
		for i := range d.Data {
			d.Data[i] = '7'
		}
		for i := range d.Private {
			d.Private[i] = '7'
		}
		d.Channels[0], d.SkipUsers[0] = "vandalised", "vandalised"
		return errors.New("and it fails")
	})
	playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{open(vandal)}, Send: []*channels.HookPoint{open(vandal)}}, func(s *scene) {
		d := plain("a", 12345)
		d.Private, d.SkipUsers = json.RawMessage("54321"), []string{"9"}
		e := s.publish(d)[0]
		if string(e.Data) != "12345" || string(e.Private) != "54321" || e.Channels[0] != "a" || e.SkipUsers[0] != "9" || e.Shown != nil || string(d.Data) != "12345" {
			t.Errorf("the event is %+v, the draft %+v", e, d)
		}
	})
	// Also what it keeps of drafts that were taken over.
	kept = nil
	keeper := point(func(d *channels.Draft) error {
		d.Data = []byte("1")
		kept = append(kept, d)
		return nil
	})
	playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{keeper}}, func(s *scene) {
		e := s.publish(plain("a", 2))[0]
		kept[0].Data[0] = '9'
		if string(e.Data) != "1" {
			t.Errorf("the event is %s", e.Data)
		}
	})
}

// hookResult is a Hook that answers as told.
type hookResult func(drafts []*channels.Draft) ([]error, error)

func (f hookResult) Ask(_ context.Context, drafts []*channels.Draft) ([]error, error) {
	return f(drafts)
}

func badHooks() map[string]channels.Hook {
	return map[string]channels.Hook{
		"fails":     hookResult(func([]*channels.Draft) ([]error, error) { return nil, errors.New("away") }),
		"panics":    hookResult(func([]*channels.Draft) ([]error, error) { panic("boom") }),
		"hangs":     hookResult(func([]*channels.Draft) ([]error, error) { time.Sleep(time.Hour); return nil, nil }),
		"says less": hookResult(func([]*channels.Draft) ([]error, error) { return nil, nil }),
		"says more": hookResult(func(d []*channels.Draft) ([]error, error) { return make([]error, len(d)+1), nil }),
		"an unknown answer": hookResult(func(d []*channels.Draft) ([]error, error) {
			return slices.Repeat([]error{errors.New("?")}, len(d)), nil
		}),
		"no JSON":         channels.HookFunc(func(_ context.Context, d *channels.Draft) error { d.Data = []byte("{"); return nil }),
		"a reserved type": channels.HookFunc(func(_ context.Context, d *channels.Draft) error { d.Type = "stream-open"; return nil }),
		"too long": channels.HookFunc(func(_ context.Context, d *channels.Draft) error {
			d.Data, d.Raw = []byte(strings.Repeat("x", channels.MaxDataBytes+1)), true
			return nil
		}),
		"replaces drafts by nil": hookResult(func(d []*channels.Draft) ([]error, error) {
			answers := make([]error, len(d))
			for i := range d {
				d[i].Data, d[i] = []byte("["), nil
			}
			return answers, nil
		}),
	}
}

func TestAHookThatFailsHasADeclaredEffect(t *testing.T) {
	for what, hook := range badHooks() {
		for _, stage := range []string{"receive", "send"} {
			t.Run(what+" at "+stage, func(t *testing.T) {
				for _, isOpen := range []bool{true, false} {
					h := closed(hook)
					if isOpen {
						h = open(hook)
					}
					hooks := channels.Hooks{Receive: []*channels.HookPoint{h}}
					if stage == "send" {
						hooks = channels.Hooks{Send: []*channels.HookPoint{h}}
					}
					playHooked(t, hooks, func(s *scene) {
						events, err := s.Publish(s.Context(), batch(plain("a", 1), plain("a", 2)))
						var failed *channels.HookError
						switch {
						case isOpen && (err != nil || len(events) != 2 || string(events[0].Data) != "1" || events[1].Shown != nil):
							t.Errorf("open: %+v, %v", events, err)
						case !isOpen && (!errors.As(err, &failed) || failed.Name != "test" || len(s.sink.events()) > 0):
							t.Errorf("closed: %+v, %v", events, err)
						}
						stats := h.Stats()
						if stats.Failures != 1 || stats.Asked != 2 || (stats.Passed == 2) != isOpen {
							t.Errorf("the counts are %+v", stats)
						}
						time.Sleep(2 * time.Hour) // what hangs comes to an end
					})
				}
			})
		}
	}
}

func TestAHookIsAskedAboutChannelsThatMatch(t *testing.T) {
	var asked []string
	h := channels.NewHookPoint(channels.HookFunc(func(_ context.Context, d *channels.Draft) error {
		asked = append(asked, string(d.Channels[0]))
		return nil
	}), channels.HookOptions{Name: "test", Match: "chat_*", Timeout: time.Second})
	playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{h}}, func(s *scene) {
		both := plain("x", 1)
		both.Channels = []channels.Channel{"other", "chat_2"}
		kick := channels.Kick{User: "7", Channel: "chat_1"}
		s.publish(plain("a", 1), plain("chat_1", 1), both, kick.Draft())
		if !slices.Equal(asked, []string{"chat_1", "other"}) {
			t.Errorf("asked about %q", asked)
		}
	})
}

func TestNobodyCanMoveAnEventToAnotherScope(t *testing.T) {
	for _, to := range []channels.Channel{channels.Public, channels.System, "@user/7", channels.Kicks, ""} {
		h := point(func(d *channels.Draft) error { d.Channels = []channels.Channel{to}; return nil })
		playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{h}}, func(s *scene) {
			if _, err := s.Publish(s.Context(), batch(plain("a", 1))); err == nil {
				t.Errorf("a channel's event is on %q", to)
			}
		})
	}
}

func TestAHungHookHoldsUpOnlyItsOwnPublishers(t *testing.T) {
	hook := channels.HookFunc(func(ctx context.Context, d *channels.Draft) error {
		if d.Type == "hang" {
			<-ctx.Done()
		}
		return nil
	})
	playHooked(t, channels.Hooks{Receive: []*channels.HookPoint{closed(hook)}}, func(s *scene) {
		hang := plain("a", 1)
		hang.Type = "hang"
		answers := s.publishers(batch(hang))
		begin := time.Now()
		s.publish(plain("a", 2))
		if time.Since(begin) != 0 {
			t.Errorf("another publisher waited %v", time.Since(begin))
		}
		if a := <-answers[0]; a.err == nil {
			t.Error("what hung was published")
		}
	})
}
