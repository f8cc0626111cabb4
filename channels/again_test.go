package channels_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

// replayed is the event as it is at another number, the n-th time that it is sent again.
func replayed(seq channels.Seq, n int, d channels.Draft) *channels.Event {
	d.ReplayOf, d.Replay = 7, n
	return at(seq, d)
}

func TestAReplayIsToldBeforeItsUnchangedData(t *testing.T) {
	d := channels.Draft{Channels: []channels.Channel{"a"}, Type: "note", Data: []byte(`{"p":"100%"}`)}
	e := replayed(9, 2, d)
	const told = "event: stream-replay\ndata: {\"event_id\":\"7\",\"replay\":2}\n\n"
	if got, want := string(e.AppendSSE(nil, "a:9")), told+string(at(9, d).AppendSSE(nil, "a:9")); got != want {
		t.Errorf("the block is %q, want %q", got, want)
	}
	item := onlyItem(t, e, "")
	live := string(item.HTTPStream.Content)
	if live != string(e.AppendSSE(nil, "a:9")) {
		t.Errorf("live it is %q", live)
	}
	events, err := browser([]byte(live))
	if err != nil || len(events) != 2 || events[0].ID != "" || events[1] != (seen{"note", `{"p":"100%"}`, "a:9"}) {
		t.Errorf("a browser sees %+v (%v)", events, err)
	}
	if got, want := string(e.AppendMessage(nil, "a")),
		`{"event":"note","channel":"a","data":{"p":"100%"},"event_id":"7","replay":2,"id":"a:9","prev":"a:8"}`; got != want {
		t.Errorf("the message is %s, want %s", got, want)
	}
}

func TestAReplayOfADeviceIsToldBesideItsEnvelope(t *testing.T) {
	e := replayed(9, 1, channels.Draft{Channels: []channels.Channel{"a"}, Device: channels.DeviceRef{Type: "pump"}, Data: []byte(`{"event":"data"}`)})
	if got, want := string(e.AppendMessage(nil, "a")), `{"event":"data","event_id":"7","replay":1,"id":"a:9","prev":"a:8"}`; got != want {
		t.Errorf("the message is %s, want %s", got, want)
	}
}

func TestAReplayHasTheIDOfItsOriginal(t *testing.T) {
	play(t, func(s *scene) {
		d := plain("a", 1)
		d.Key, d.Private, d.SkipUsers, d.Time = "k", json.RawMessage(`{"who":1}`), []string{"7"}, time.Now().Add(-time.Hour).Truncate(time.Second)
		first := s.publish(d)[0]
		for n := 1; n <= 2; n++ {
			again, err := channels.SendAgain(s.Context(), s.log, s.Publisher, []channels.EventID{first.ID}, "ops")
			if err != nil {
				t.Fatal(err)
			}
			e := again[0]
			if e.PublicID() != first.PublicID() || e.ID == first.ID || e.Replay != n || e.Repeated || e.Seq("a") != channels.Seq(1+n) {
				t.Errorf("replay %d is %+v", n, e)
			}
			if e.Type != d.Type || string(e.Data) != "1" || string(e.Private) != `{"who":1}` || len(e.SkipUsers) != 1 || !e.Time.Equal(d.Time) || e.Key != "" {
				t.Errorf("replay %d differs: %+v", n, e)
			}
			// A replay is as good as the original.
			first = e
		}
		if sent := s.sink.events(); len(sent) != 3 || sent[2].Replay != 2 {
			t.Errorf("sent were %d events", len(sent))
		}
		activities, err := s.log.Log.(channels.Records).Activities(s.Context(), 1)
		if err != nil || len(activities) != 2 || activities[0].Kind != channels.ActivityReplayed || activities[0].Who != "ops" {
			t.Errorf("the activities are %+v (%v)", activities, err)
		}
	})
}

func TestReplaysAreAllOrNone(t *testing.T) {
	play(t, func(s *scene) {
		e := s.publish(plain("a", 1))[0]
		_, err := channels.SendAgain(s.Context(), s.log, s.Publisher, []channels.EventID{e.ID, 99}, "ops")
		if !errors.Is(err, channels.ErrNotReplayable) || !strings.Contains(err.Error(), "99") || len(s.sink.events()) != 1 {
			t.Errorf("got %v, and %d events were sent", err, len(s.sink.events()))
		}
	})
}

func TestWhatIsShownToNobodyOnlyMovesStreamsOn(t *testing.T) {
	d := channels.Draft{Channels: []channels.Channel{"a"}, Type: "note", Data: []byte(`"secret"`), Shown: &channels.Shown{Nobody: true}}
	e := at(3, d)
	if got := string(e.AppendSSE(nil, "a:3")); got != "id: a:3\n\n" {
		t.Errorf("the block is %q", got)
	}
	if got := string(e.AppendSSE(nil, "")); got != "" {
		t.Errorf("without an id it is %q", got)
	}
	item := onlyItem(t, e, "")
	if item.WSMessage != nil || item.HTTPResponse != nil || string(item.HTTPStream.Content) != "id: a:3\n\n" || item.PrevID != "2" {
		t.Errorf("the item is %+v", item)
	}
	if items := at(0, d).AppendItems(nil, ""); len(items) != 0 {
		t.Errorf("where nothing is stored there are %d items", len(items))
	}
	if !e.Skips("") || !e.Skips("7") {
		t.Error("somebody is shown the event")
	}
}

func TestViewersGetWhatIsShownAndBackendsTheOriginal(t *testing.T) {
	d := channels.Draft{
		Channels: []channels.Channel{channels.Public}, Scope: channels.ScopeGlobal, Type: "note", Data: []byte(`{"card":"1234"}`),
		Shown: &channels.Shown{Type: "masked", Data: []byte(`{"card":"…"}`)},
	}
	e := at(3, d)
	want := "id: x\ndata: {\"card\":\"…\",\"type\":\"masked\"}\n\n"
	if got := string(e.AppendSSE(nil, "x")); got != want {
		t.Errorf("streams get %q, want %q", got, want)
	}
	for what, text := range map[string]string{
		"sockets": string(e.AppendMessage(nil, channels.Public)), "live streams": string(onlyItem(t, e, "").HTTPStream.Content),
	} {
		if strings.Contains(text, "1234") || !strings.Contains(text, "masked") {
			t.Errorf("%s get %s", what, text)
		}
	}
	b := e.Backend()
	if string(b.Data) != `{"card":"1234"}` || b.Event != "note" {
		t.Errorf("backends get %+v", b)
	}
	d.Device, d.Scope = channels.DeviceRef{Type: "pump"}, channels.ScopeChannel
	if got := string(at(3, d).AppendMessage(nil, channels.Public)); strings.Contains(got, "1234") {
		t.Errorf("a device's message is %s", got)
	}
}

func TestBackendsReadWhatIsNotJSONAsText(t *testing.T) {
	for _, d := range []channels.Draft{{Data: []byte("<b>"), Raw: true}, {Data: []byte("{broken")}} {
		b := at(1, d).Backend()
		text, err := json.Marshal(b)
		if err != nil || !b.Raw || !json.Valid(text) {
			t.Errorf("%q: %s, %v", d.Data, text, err)
		}
	}
}
