package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

func TestPollsContinueWhereTheyWere(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	scenes := pollScenes{hub}
	t.Run("a cursor continues", scenes.cursorContinues)
	t.Run("without a cursor the cookie does", scenes.cookieContinues)
	t.Run("a long poll is answered when something happens", scenes.longPollIsAnswered)
	t.Run("a long poll in which nothing happens is answered empty", scenes.longPollEndsEmpty)
	t.Run("a client that polls all the time sees everything once", scenes.pollingSeesEverythingOnce)
	t.Run("what cannot be read is refused", scenes.badPollsAreRefused)
	hub.Stop(t)
}

// numbers are the readings "n" of the answer's events.
func numbers(t *testing.T, answer e2e.PollAnswer) []int {
	t.Helper()
	list := []int{}
	for _, raw := range answer.Events {
		var m struct {
			message
			Data struct{ N int } `json:"data"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%v in %.200s", err, raw)
		}
		if m.Event != "data" || m.DeviceID == "" || m.Timestamp == "" || m.ID == "" {
			t.Errorf("the poll shows %s", raw)
		}
		list = append(list, m.Data.N)
	}
	return list
}

func expectNumbers(t *testing.T, answer e2e.PollAnswer, want ...int) {
	t.Helper()
	if got := numbers(t, answer); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the poll brings %v, want %v", got, want)
	}
	if answer.Cursor == "" || answer.Reset {
		t.Errorf("the poll's cursor is %q, reset %v", answer.Cursor, answer.Reset)
	}
}

func sayNumbers(t *testing.T, hub *e2e.Hub, device string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		say(t, hub, device, fmt.Sprintf(`{"n":%d}`, n))
	}
}

// after is the path with the cursor of the last answer.
func after(hub *e2e.Hub, path string, last e2e.PollAnswer, more string) string {
	return hub.URL(path + "?cursor=" + url.QueryEscape(last.Cursor) + more)
}

// pollScenes are about polling, at one hub.
type pollScenes struct{ hub *e2e.Hub }

func (sc pollScenes) cursorContinues(t *testing.T) {
	hub := sc.hub
	const ofType, one = "/iot/poll/lamp/", "/iot/poll/lamp/l1"
	poll := func(url string) e2e.PollAnswer { return e2e.NewPoller(t).Poll(t, url) }
	empty := poll(hub.URL(ofType))
	expectNumbers(t, empty)
	sayNumbers(t, hub, "lamp/l1", 1, 2)
	sayNumbers(t, hub, "lamp/l2", 3)
	first := poll(after(hub, ofType, empty, ""))
	expectNumbers(t, first, 1, 2, 3)
	expectNumbers(t, poll(after(hub, ofType, empty, "")), 1, 2, 3)
	expectNumbers(t, poll(after(hub, ofType, first, "")))
	expectNumbers(t, poll(hub.URL(one)), 1, 2)
	expectNumbers(t, poll(hub.URL(ofType+"?limit=2")), 2, 3)

	page := poll(after(hub, ofType, empty, "&limit=2"))
	expectNumbers(t, page, 1, 2)
	expectNumbers(t, poll(after(hub, ofType, page, "&limit=2")), 3)
}

func (sc pollScenes) cookieContinues(t *testing.T) {
	hub := sc.hub
	const path = "/iot/poll/fan/"
	sayNumbers(t, hub, "fan/f1", 1)
	a, b := e2e.NewPoller(t), e2e.NewPoller(t)
	expectNumbers(t, a.Poll(t, hub.URL(path)), 1)
	sayNumbers(t, hub, "fan/f1", 2, 3)
	expectNumbers(t, a.Poll(t, hub.URL(path)), 2, 3)
	expectNumbers(t, a.Poll(t, hub.URL(path)))
	expectNumbers(t, b.Poll(t, hub.URL(path)), 1, 2, 3)
	expectNumbers(t, a.Poll(t, hub.URL(path+"f1/")), 1, 2, 3)
	sayNumbers(t, hub, "fan/f1", 4)
	expectNumbers(t, a.Poll(t, hub.URL(path+"f1/")), 4)
	expectNumbers(t, a.Poll(t, hub.URL(path)), 4)
}

func (sc pollScenes) longPollIsAnswered(t *testing.T) {
	hub := sc.hub
	const path, wait = "/iot/poll/valve/", 25 * time.Second
	p := e2e.NewPoller(t)
	last := p.Poll(t, hub.URL(path))
	// The event comes before the proxy holds the poll, while it begins to, and when it has held it for a while.
	for n, pause := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond} {
		answers := p.Start(t, after(hub, path, last, "&wait=25"))
		time.Sleep(pause)
		sayNumbers(t, hub, "valve/v", n)
		answer := <-answers
		if answer.Err != nil {
			t.Fatal(answer.Err)
		}
		expectNumbers(t, answer, n)
		if answer.Took > wait/2 {
			t.Errorf("the answer took %v", answer.Took)
		}
		last = answer
	}
	// By the cookie too.
	answers := p.Start(t, hub.URL(path+"?wait=25"))
	sayNumbers(t, hub, "valve/v", 99)
	answer := <-answers
	expectNumbers(t, answer, 99)
}

func (sc pollScenes) longPollEndsEmpty(t *testing.T) {
	hub := sc.hub
	const path = "/iot/poll/silent/"
	sayNumbers(t, hub, "silent/s", 1)
	p := e2e.NewPoller(t)
	last := p.Poll(t, hub.URL(path))
	answer := p.Poll(t, after(hub, path, last, "&wait=5"))
	expectNumbers(t, answer)
	if answer.Took < 4*time.Second || answer.Took > 20*time.Second {
		t.Errorf("with wait=5 the answer took %v", answer.Took)
	}
	if answer.Cursor != last.Cursor {
		t.Errorf("the cursor went from %s to %s", last.Cursor, answer.Cursor)
	}
	sayNumbers(t, hub, "silent/s", 2)
	expectNumbers(t, p.Poll(t, after(hub, path, answer, "&wait=5")), 2)
}

func (sc pollScenes) pollingSeesEverythingOnce(t *testing.T) {
	hub := sc.hub
	const path, count = "/iot/poll/stream/", 60
	p := e2e.NewPoller(t)
	last := p.Poll(t, hub.URL(path))
	lines := make([]string, count)
	for n := range lines {
		lines[n] = fmt.Sprintf(`{"n":%d}`, n)
	}
	sent := make(chan error, 1)
	go func() {
		// In two parts, so that the proxy holds a poll in between.
		sent <- errors.Join(
			e2e.PublishLines(hub.MQTT, "things/stream/s/data", lines[:count/2]),
			e2e.PublishLines(hub.MQTT, "things/stream/s/data", lines[count/2:]),
		)
	}()
	var seen []string
	for deadline := time.Now().Add(e2e.Patience); len(seen) < count && time.Now().Before(deadline); {
		last = p.Poll(t, after(hub, path, last, "&wait=5"))
		for _, raw := range last.Events {
			seen = append(seen, string(raw))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if len(seen) != count {
		t.Errorf("the polls brought %d events, want %d", len(seen), count)
	}
	e2e.RecordMessages(seen).Check(t, hub)
}

func (sc pollScenes) badPollsAreRefused(t *testing.T) {
	hub := sc.hub
	for _, query := range []string{"?cursor=nonsense", "?limit=0", "?limit=1001", "?limit=x", "?wait=-1", "?wait=soon", "?wait=NaN", "?cursor=iot_lamp:x"} {
		answer := e2e.Get(t, hub.URL("/iot/poll/lamp/"+query))
		var problem struct {
			Status int
			Error  struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(answer.Body), &problem); err != nil {
			t.Errorf("%s is answered by %.200q", query, answer.Body)
		}
		if answer.Status != 400 || problem.Status != 400 || problem.Error.Code == "" || problem.Error.Message == "" {
			t.Errorf("%s is answered by %d %s", query, answer.Status, answer.Body)
		}
	}
}
