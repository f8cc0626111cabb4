package e2e_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/e2e"
)

// Of a channel of class state viewers see little, but each device's last value, in order, none twice, and every number that is
// missing between two messages of a WebSocket is one that the message says to stand for.
func TestViewersOfAStateEndWithTheLastValues(t *testing.T) {
	t.Parallel()
	const pumps, each = 5, 400
	hub := e2e.StartServe(t, e2e.ServeOptions{Config: "channels:\n" +
		"  - {match: \"iot_pump*\", read: public, class: state, max_rate: 4, shared: true}\n" +
		"  - {match: \"**\", read: public}\n"})
	early := watch(t, hub.URL("/iot/stream/pump/"))
	socket := e2e.Dial(t, hub.URL("/ws/iot/pump/"), nil)
	late := make(chan *e2e.EventSource, 100)
	done := make(chan error, pumps)
	for pump := range pumps {
		go func() {
			var lines []string
			for n := 1; n <= each; n++ {
				lines = append(lines, fmt.Sprintf(`{"n":%d}`, n))
			}
			done <- e2e.PublishLines(hub.MQTT, fmt.Sprintf("things/pump/p%d/data", pump), lines)
		}()
	}
	for open, ended := 0, 0; ended < pumps; {
		select {
		case err := <-done:
			if ended++; err != nil {
				t.Fatal(err)
			}
		case <-time.After(300 * time.Millisecond):
			if open++; open < 10 { // between two moments at which something is shown
				late <- watch(t, hub.URL("/iot/stream/pump/"))
			}
		}
	}
	late <- early
	close(late)
	for viewer := range late {
		e2e.Eventually(t, "a viewer has the last values", func() bool {
			return hasLast(t, viewer.Events(), pumps, each) || viewer != early && settled(t, hub, viewer)
		})
		wantRising(t, viewer.Events())
	}
	e2e.Eventually(t, "the WebSocket has the last message", func() bool {
		frames := socket.Frames()
		return len(frames) > 0 && strings.Contains(frames[len(frames)-1].Data, fmt.Sprintf(`"id":"iot_pump:%d"`, pumps*each))
	})
	wantChain(t, socket)
	// A stream that a busy proxy has cut a gap into is repaired from the log, which has everything; the WebSocket shows what was sent.
	if n := len(socket.Frames()); n > pumps*each/4 {
		t.Errorf("a viewer was shown %d of %d events", n, pumps*each)
	}
	socket.Close(t, websocket.StatusNormalClosure, "")
	if metrics := e2e.Get(t, hub.OpsURL("/metrics")).Body; !strings.Contains(metrics, "griphub_events_conflated_total ") {
		t.Error("the metrics do not tell how many events were conflated")
	}
	hub.Stop(t)
}

// hasLast tells whether the last event of each pump has its last value.
func hasLast(t *testing.T, events []e2e.Event, pumps, last int) bool {
	t.Helper()
	values := map[string]string{}
	for _, e := range events {
		if e.Type == "data" {
			env := envelopeOf(t, e)
			values[env.DeviceID] = string(env.Data)
		}
	}
	for pump := range pumps {
		if values["p"+strconv.Itoa(pump)] != fmt.Sprintf(`{"n":%d}`, last) {
			return false
		}
	}
	return true
}

// settled tells whether a viewer who came when some pumps had spoken their last is where the log is.
func settled(t *testing.T, hub *e2e.Hub, viewer *e2e.EventSource) bool {
	t.Helper()
	var page struct {
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal([]byte(e2e.Get(t, hub.BackendURL("/api/channels/iot_pump/events?limit=1")).Body), &page); err != nil {
		t.Fatal(err)
	}
	events := viewer.Events()
	return events[len(events)-1].ID == page.Cursor
}

// wantRising checks that no event is shown twice or after a later one.
func wantRising(t *testing.T, events []e2e.Event) {
	t.Helper()
	last := channels.Seq(-1)
	for _, e := range events {
		place, err := channels.ParseCursor(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := place.Find("iot_pump"); n <= last {
			t.Errorf("event %d is shown after %d", n, last)
		} else {
			last = n
		}
	}
}

// wantChain checks that each message follows the one before it.
func wantChain(t *testing.T, socket *e2e.Socket) {
	t.Helper()
	last := ""
	for i, f := range socket.Frames() {
		var m struct{ ID, Prev string }
		f.JSON(t, &m)
		if i > 0 && m.Prev != last {
			t.Errorf("the message %s follows %s, the one before it is %s", m.ID, m.Prev, last)
		}
		last = m.ID
	}
}
