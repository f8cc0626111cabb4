package pushpin_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/pushpin/pushpintest"
)

// holdReliably holds streams on the channel that the path names, after number 0.
func holdReliably(w http.ResponseWriter, a ask) {
	channel := strings.Trim(strings.TrimPrefix(a.path, "/next"), "/")
	set(w, "Grip-Hold", "stream", "Grip-Channel", channel+"; prev-id=0", "Grip-Link", "</next/"+channel+">; rel=next")
	if !strings.HasPrefix(a.path, "/next") {
		fmt.Fprintln(w, "open")
	}
}

func TestEventsReachViewersInOrderAtFullSpeed(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdReliably)
	const channelCount, viewersEach, events = 4, 3, 2000
	viewers := make(map[string][]*viewer)
	for i := range channelCount {
		channel := "c" + strconv.Itoa(i)
		for range viewersEach {
			viewers[channel] = append(viewers[channel], view(t, o.URL()+"/"+channel))
		}
	}
	for i := range channelCount {
		o.wantAsk("/next/c"+strconv.Itoa(i), 1) // of the first subscriber
	}
	before := len(o.asks())

	var log logbook
	c := startClient(t, pushpin.Options{Logger: log.logger()}, parseProxy(t, o.GripURL()))
	for i := 1; i <= events; i++ {
		var batch []channels.Event
		for channel := range viewers {
			batch = append(batch, event(channel, i))
		}
		c.Send(batch)
	}
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	for channel, list := range viewers {
		complete := 0
		for _, v := range list {
			for i := 1; ; i++ {
				got, ok := v.read()
				if !ok {
					break // of holds in quick succession, Pushpin cuts off a few
				}
				if want := channel + " " + strconv.Itoa(i); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
				if i == events {
					complete++
					break
				}
			}
		}
		if complete == 0 {
			t.Errorf("nobody saw all of %s", channel)
		}
	}
	if n := len(o.asks()); n != before {
		t.Errorf("viewers had to ask %d times for what they missed", n-before)
	}
	s := c.Status()[0]
	t.Logf("%d items in %d requests", s.Sent, s.Requests)
	if log.String() != "" {
		t.Errorf("logged: %s", &log)
	}
}

func TestAnItemThatIsSentTwiceIsShownOnce(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdReliably)
	v := view(t, o.URL()+"/c")
	c := startClient(t, pushpin.Options{}, parseProxy(t, o.GripURL()))
	c.Send(run("c", 1, 2))
	c.Send(run("c", 1, 2)) // as after a request whose answer was lost
	c.Send(run("c", 3, 3))
	for i := 1; i <= 3; i++ {
		v.want("c " + strconv.Itoa(i))
	}
}

func TestPublishingOutlivesPushpin(t *testing.T) {
	t.Parallel()
	p := pushpintest.Start(t, holdBackend(t), pushpintest.Options{})
	v := view(t, p.URL()+"/c")
	c := startClient(t, pushpin.Options{}, parseProxy(t, p.GripURL()))
	c.Send(run("c", 1, 1))
	v.want("c 1")

	p.Kill()
	v.wantEnd()
	c.Send(run("c", 2, 100))
	waitFor(t, "the items to be given up", func() bool {
		s := c.Status()[0]
		return s.State == pushpin.StateDown && s.QueuedItems == 0
	})

	p.Restart()
	waitFor(t, "the client to notice", func() bool { return c.Status()[0].State == pushpin.StateUp })
	v = view(t, p.URL()+"/c")
	c.Send(run("c", 101, 101))
	v.want("c 101")
}
