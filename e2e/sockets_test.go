package e2e_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

// A message is what WebSockets and polls show of an event of a device.
type message struct {
	envelope
	Channel string `json:"channel"`
	ID      string `json:"id"`
	Prev    string `json:"prev"`
}

func TestSocketsShowWhatStreamsShow(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	scenes := socketScenes{hub}
	t.Run("a message shows on the sockets of its type and its device", scenes.socketsShowMessages)
	t.Run("a ping is answered", scenes.pingIsAnswered)
	t.Run("a ping with a cursor brings what was missed first", scenes.pingBringsWhatWasMissed)
	t.Run("a socket may begin where another ended", scenes.socketBeginsAtCursor)
	t.Run("garbage does not end a connection", scenes.garbageIsSurvived)
	t.Run("a close is answered with its code", scenes.closeIsAnswered)
	t.Run("channels of events have sockets too", scenes.channelsHaveSockets)
	hub.Stop(t)
}

// texts are the text messages of a socket.
func texts(s *e2e.Socket) []string {
	var list []string
	for _, f := range s.Frames() {
		list = append(list, f.Data)
	}
	return list
}

// ping waits until the socket is subscribed: its OPEN was answered before the ping is.
func ping(t *testing.T, s *e2e.Socket) {
	t.Helper()
	s.Send(t, `{"action":"ping"}`)
	if f := s.Next(t); f.Data != `{"event":"pong"}` || f.Binary {
		t.Fatalf("the ping is answered by %q", f.Data)
	}
}

// socketScenes are about WebSockets, at one hub.
type socketScenes struct{ hub *e2e.Hub }

func (sc socketScenes) socketsShowMessages(t *testing.T) {
	hub := sc.hub
	ofType, one := e2e.Dial(t, hub.URL("/ws/iot/boiler/"), nil), e2e.Dial(t, hub.URL("/ws/iot/boiler/b1/"), nil)
	other := e2e.Dial(t, hub.URL("/ws/iot/boiler/b2"), nil)
	for _, s := range []*e2e.Socket{ofType, one, other} {
		ping(t, s)
	}
	stream := watch(t, hub.URL("/iot/stream/boiler/"))
	say(t, hub, "boiler/b1", `{"temperature":71.5,"note":"50 % %I"}`)
	status(t, hub, "boiler/b1", `{"status":"online"}`)
	say(t, hub, "boiler/b2", `{"temperature":20}`)
	for _, eventType := range []string{"data", "status"} {
		env := envelopeOf(t, stream.Expect(t, eventType))
		for _, s := range []*e2e.Socket{ofType, one} {
			var m message
			s.Next(t).JSON(t, &m)
			if m.Event != eventType || m.DeviceType != "boiler" || m.DeviceID != "b1" || m.Timestamp != env.Timestamp {
				t.Errorf("the socket shows %+v, the stream %+v", m, env)
			}
			sameJSON(t, "data", string(m.Data), string(env.Data))
		}
	}
	for _, s := range []*e2e.Socket{ofType, other} {
		var m message
		if s.Next(t).JSON(t, &m); m.DeviceID != "b2" {
			t.Errorf("got a message of %s, want b2's", m.DeviceID)
		}
	}
	for _, s := range []*e2e.Socket{ofType, one, other} {
		e2e.RecordMessages(texts(s)).Check(t, hub)
	}
}

func (sc socketScenes) pingIsAnswered(t *testing.T) {
	hub := sc.hub
	s := e2e.Dial(t, hub.URL("/ws/iot/boiler/"), nil)
	for range 3 {
		ping(t, s)
	}
	s.Ping(t)
	for range 20 {
		s.Send(t, `{"action":"ping"}`)
	}
	for range 20 {
		if f := s.Next(t); f.Data != `{"event":"pong"}` {
			t.Fatalf("the ping is answered by %q", f.Data)
		}
	}
}

// pong is the answer to a ping with a cursor.
type pong struct {
	Event, Cursor string
	More          bool
}

func (sc socketScenes) pingBringsWhatWasMissed(t *testing.T) {
	hub := sc.hub
	s := e2e.Dial(t, hub.URL("/ws/iot/tank/"), nil)
	s.Send(t, `{"action":"ping","cursor":""}`)
	var start, end pong
	s.Next(t).JSON(t, &start)
	if start.Event != "pong" || start.Cursor == "" {
		t.Fatalf("the pong is %+v", start)
	}
	for _, payload := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
		say(t, hub, "tank/t", payload)
		s.Next(t)
	}
	s.Send(t, `{"action":"ping","cursor":"`+start.Cursor+`"}`)
	for n := range 3 {
		var again message
		f := s.Next(t)
		if f.JSON(t, &again); again.Event != "data" || f.Data != s.Frames()[1+n].Data {
			t.Errorf("missed message %d is %s, live it was %s", n, f.Data, s.Frames()[1+n].Data)
		}
	}
	s.Next(t).JSON(t, &end)
	head, err := e2e.ParseCursor(end.Cursor)
	if err != nil || end.Event != "pong" || end.More {
		t.Fatalf("the pong is %+v", end)
	}
	if entries := hub.Entries(t, "iot_tank"); head["iot_tank"] != entries[len(entries)-1].Seq {
		t.Errorf("the pong's place is %s, the log's head %d", end.Cursor, entries[len(entries)-1].Seq)
	}
	s.Send(t, `{"action":"ping","cursor":"nonsense"}`)
	if f := s.Next(t); !strings.Contains(f.Data, "error") {
		t.Errorf("a bad cursor is answered by %s", f.Data)
	}
	ping(t, s)
}

func (sc socketScenes) socketBeginsAtCursor(t *testing.T) {
	hub := sc.hub
	first := e2e.Dial(t, hub.URL("/ws/iot/silo/"), nil)
	ping(t, first)
	say(t, hub, "silo/s", `{"n":1}`)
	var seen message
	first.Next(t).JSON(t, &seen)
	first.Close(t, 1000, "")
	for _, payload := range []string{`{"n":2}`, `{"n":3}`} {
		say(t, hub, "silo/s", payload)
	}
	second := e2e.Dial(t, hub.URL("/ws/iot/silo/?cursor="+url.QueryEscape(seen.ID)), nil)
	for _, want := range []string{`{"n":2}`, `{"n":3}`} {
		var m message
		second.Next(t).JSON(t, &m)
		sameJSON(t, "data", string(m.Data), want)
	}
	say(t, hub, "silo/s", `{"n":4}`)
	second.Next(t)
	e2e.RecordMessages(append(texts(first), texts(second)...)).Check(t, hub)
}

func (sc socketScenes) garbageIsSurvived(t *testing.T) {
	hub := sc.hub
	s := e2e.Dial(t, hub.URL("/ws/iot/boiler/"), nil)
	for _, text := range []string{"", "{", "null", "[]", `"ping"`, `{"action":7}`, `{"action":"dance"}`, `{"action":"ping","cursor":7}`,
		"c:{\"type\":\"subscribe\",\"channel\":\"events-other\"}", "m:text", strings.Repeat("[", 10_000), strings.Repeat("x", 100_000)} {
		s.Send(t, text)
	}
	s.SendBinary(t, []byte{0, 1, 2, 255})
	s.SendBinary(t, []byte(`{"action":"ping"}`))
	s.SendBinary(t, nil)
	s.Send(t, `{"action":"ping","cursor":""}`)
	var answer pong
	for answer.Cursor == "" {
		s.Next(t).JSON(t, &answer)
	}
	// A client cannot subscribe by the proxy's own words.
	hub.Publish(t, "other", `{"secret":true}`)
	say(t, hub, "boiler/b9", `{"n":1}`)
	for {
		var m message
		if s.Next(t).JSON(t, &m); m.DeviceID == "b9" {
			break
		}
	}
	for _, text := range texts(s) {
		if strings.Contains(text, "secret") {
			t.Errorf("the socket shows %s", text)
		}
	}
}

func (sc socketScenes) closeIsAnswered(t *testing.T) {
	hub := sc.hub
	for _, code := range []int{1000, 1001, 4001} {
		s := e2e.Dial(t, hub.URL("/ws/iot/boiler/"), nil)
		ping(t, s)
		if got := s.Close(t, websocket.StatusCode(code), "bye"); int(got) != code {
			t.Errorf("a close with %d is answered by %d", code, got)
		}
	}
}

func (sc socketScenes) channelsHaveSockets(t *testing.T) {
	hub := sc.hub
	s := e2e.Dial(t, hub.URL("/ws/events/?channel=lobby&channel=caf%C3%A9%20%25"), nil)
	ping(t, s)
	for _, channel := range []string{"lobby", "café %", "lobby"} {
		hub.Publish(t, channel, "--event", "note", `{"in":"`+channel+`"}`)
		var m struct {
			Event, Channel, ID, Prev string
			Data                     json.RawMessage
		}
		s.Next(t).JSON(t, &m)
		if m.Event != "note" || m.Channel != channel {
			t.Errorf("got %+v, want a note in %s", m, channel)
		}
		sameJSON(t, "data", string(m.Data), `{"in":"`+channel+`"}`)
	}
	hub.Publish(t, "lobby", "--raw", "<b>50 %</b>\n<i>%I</i>")
	var raw struct{ Data string }
	if s.Next(t).JSON(t, &raw); raw.Data != "<b>50 %</b>\n<i>%I</i>" {
		t.Errorf("raw data is %q", raw.Data)
	}
	e2e.RecordMessages(texts(s)).Check(t, hub)
}
