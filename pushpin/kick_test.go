package pushpin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/grip"
)

// The tests of this file hold Pushpin to what ending the streams of one viewer relies on.

func TestAHintReachesOnlyHoldersOfTheChannelThatItRequires(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		viewer := a.path[len(a.path)-1:]
		set(w, "Grip-Hold", "stream", "Grip-Channel", "events-"+viewer+"; prev-id=5; filter=skip-users, kicks; filter=require-sub",
			"Grip-Link", "</next/"+viewer+">; rel=next")
		fmt.Fprintln(w, "open")
	})
	view(t, o.URL()+"/s/A")
	view(t, o.URL()+"/s/B")
	o.wantAsk("/next/A", 1) // for the sake of first subscribers
	o.wantAsk("/next/B", 1)
	waitFor(t, "the last of these", func() bool {
		asks := o.asks()
		return time.Since(asks[len(asks)-1].at) > 1500*time.Millisecond
	})
	before := len(o.asksFor("/next/B"))
	asked := len(o.asksFor("/next/A"))
	for n := range 3 {
		kick := hint("kicks", "", "")
		kick.Meta = map[string]string{grip.MetaRequireSub: "events-A"}
		o.post(kick)
		if last := o.wantAsk("/next/A", asked+n+1).last; last != "events-A; last-id=5" {
			t.Errorf("Grip-Last %q", last)
		}
		time.Sleep(100 * time.Millisecond) // nothing tells when the reply has ended
	}
	if after := len(o.asksFor("/next/B")); after != before {
		t.Errorf("the other stream has asked %d times", after-before)
	}
}

// Each viewer is the first subscriber of a channel of its own, and so has its link followed a second later, when it is its
// turn: ten a second, and nothing is sent to who waits. So streams name no channel of their user's own.
func TestAChannelOfItsOwnMakesEachViewerAsk(t *testing.T) {
	t.Parallel()
	const viewers = 30
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		viewer := strings.TrimPrefix(strings.TrimPrefix(a.path, "/s"), "/next")
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5, user-"+viewer[1:], "Grip-Link", "</next"+viewer+">; rel=next")
		fmt.Fprintln(w, "open")
	})
	view(t, o.URL()+"/s/first")
	o.wantAsk("/next/first", 1)
	start := time.Now()
	for i := range viewers {
		view(t, fmt.Sprintf("%s/s/%d", o.URL(), i))
	}
	links := func() int {
		n := 0
		for _, a := range o.asks() {
			if strings.HasPrefix(a.path, "/next") {
				n++
			}
		}
		return n
	}
	waitFor(t, "the viewers' requests", func() bool { return links() >= viewers*9/10 })
	if took := time.Since(start); took < viewers/10*time.Second/2 {
		t.Errorf("they were all made within %v: no longer rationed?", took)
	}
}

func TestALongPollTellsItsPositionOnAChannelWithoutItems(t *testing.T) {
	t.Parallel()
	const want = "events-c; last-id=5,kicks-c; last-id=3"
	if last := afterHint(t, "events-c; prev-id=5, kicks-c; prev-id=3", hint("kicks-c", "", "")); last != want {
		t.Errorf("Grip-Last %q, want %q", last, want)
	}
}

func TestASocketIsClosedWithItsCode(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		set(w, "Content-Type", "application/websocket-events", "Sec-WebSocket-Extensions", "grip", "Set-Meta-Kicks", "3")
		if strings.HasPrefix(a.body, "OPEN") {
			const subscribe = `c:{"type":"subscribe","channel":"user-7:events-c"}`
			fmt.Fprintf(w, "OPEN\r\nTEXT %x\r\n%s\r\nTEXT 6\r\nm:open\r\n", len(subscribe), subscribe)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, o.URL()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	wantMessage(ctx, t, ws, "open")
	time.Sleep(200 * time.Millisecond) // nothing tells when the subscription is made
	o.post(grip.Item{Channel: "user-7:events-c", WSMessage: &grip.WSMessage{Action: grip.ActionClose, Code: 4403, Reason: "forbidden"}})
	_, _, err = ws.Read(ctx)
	if code := websocket.CloseStatus(err); code != 4403 || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("the socket ends with %v", err)
	}
}
