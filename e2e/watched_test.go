package e2e_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

const (
	// pumpRate is how many messages a second a simulated pump sends that nobody watches.
	pumpRate = 10
	// pumpWindow is over how long the rate is measured.
	pumpWindow = 2 * time.Second
	watchedBy  = "things/pump/pump-001/watched"
)

func TestADeviceDoublesItsRateWhileABrowserLooks(t *testing.T) {
	t.Parallel()
	public := "channels: [{match: \"**\", read: public}]\n"
	t.Run("Mosquitto", func(t *testing.T) {
		t.Parallel()
		watchAPump(t, e2e.StartServe(t, e2e.ServeOptions{Config: public}))
	})
	t.Run("the broker of griphub dev", func(t *testing.T) {
		t.Parallel()
		watchAPump(t, e2e.StartDev(t, e2e.DevOptions{}))
	})
}

func watchAPump(t *testing.T, hub *e2e.Hub) {
	hub.Background(t, "simulate", "--types", "pump", "--devices", "1", "--rate", strconv.Itoa(pumpRate))
	wantRate(t, hub, 1)
	if got := e2e.Retained(t, hub.MQTT, watchedBy); got != "" {
		t.Errorf("before anybody watched, %s says %q", watchedBy, got)
	}

	browser := e2e.Watch(t, hub.URL("/iot/stream/pump/pump-001/"), e2e.EventSourceOptions{})
	e2e.Eventually(t, "the pump is told that it is watched", func() bool { return e2e.Retained(t, hub.MQTT, watchedBy) == "1" })
	e2e.Eventually(t, "presence counts the browser", func() bool { return presenceOf(t, hub, "iot_pump_pump-001") == 1 })
	wantRate(t, hub, 2)

	browser.Close()
	e2e.Eventually(t, "the pump is told that nobody watches", func() bool { return e2e.Retained(t, hub.MQTT, watchedBy) == "0" })
	wantRate(t, hub, 1)

	socket := e2e.Dial(t, hub.URL("/ws/iot/pump/"), nil) // and so does who watches the type
	wantRate(t, hub, 2)
	socket.Close(t, websocket.StatusNormalClosure, "")
	wantRate(t, hub, 1)
}

// wantRate waits until the pump speaks so many times as often as one that nobody watches. Nobody watches meanwhile: the log is read.
func wantRate(t *testing.T, hub *e2e.Hub, times float64) {
	t.Helper()
	var rate float64
	for deadline := time.Now().Add(e2e.Patience); ; {
		start, before := time.Now(), pumpSeq(t, hub)
		time.Sleep(pumpWindow)
		rate = float64(pumpSeq(t, hub)-before) / time.Since(start).Seconds() / pumpRate
		if rate > times-0.4 && rate < times+0.4 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pump speaks %.1f times as often as one that nobody watches, want %v", rate, times)
		}
	}
}

// pumpSeq is the number of the pump's last message.
func pumpSeq(t *testing.T, hub *e2e.Hub) int64 {
	t.Helper()
	var page struct {
		Cursor string `json:"cursor"`
	}
	answer := e2e.Get(t, hub.BackendURL("/api/channels/iot_pump_pump-001/events?limit=1"))
	if err := json.Unmarshal([]byte(answer.Body), &page); err != nil {
		t.Fatalf("%v in %.300q", err, answer.Body)
	}
	_, number, _ := strings.Cut(page.Cursor, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatalf("the cursor %q: %v", page.Cursor, err)
	}
	return seq
}

// presenceOf is the number of viewers, -1 where it is not known.
func presenceOf(t *testing.T, hub *e2e.Hub, channel string) int {
	t.Helper()
	var presence struct {
		Viewers *int `json:"viewers"`
	}
	answer := e2e.Get(t, hub.URL("/api/presence/"+channel))
	if err := json.Unmarshal([]byte(answer.Body), &presence); err != nil {
		t.Fatalf("%v in %.300q", err, answer.Body)
	}
	if presence.Viewers == nil {
		return -1
	}
	return *presence.Viewers
}

func TestWatchedIsTrueAfterARestart(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Config: "channels: [{match: \"**\", read: public}]\n"})
	for _, pump := range []string{"pump/p1", "pump/p2"} {
		say(t, hub, pump, `{"flow":1}`)
	}
	told := func(pump string) string { return e2e.Retained(t, hub.MQTT, "things/pump/"+pump+"/watched") }
	stays := watch(t, hub.URL("/iot/stream/pump/p1/"))
	leaves := watch(t, hub.URL("/iot/stream/pump/p2/"))
	e2e.Eventually(t, "both are told that they are watched", func() bool { return told("p1") == "1" && told("p2") == "1" })

	hub.Kill(t)
	leaves.Close()
	hub.Start(t)
	hub.AwaitReady(t)
	e2e.Eventually(t, "the one whose viewer has gone is told", func() bool { return told("p2") == "0" })
	if told("p1") != "1" || stays.Opens() != 1 {
		t.Errorf("the one whose viewer has stayed is told %q; its stream was opened %d times", told("p1"), stays.Opens())
	}
}
