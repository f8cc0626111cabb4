package pushpin_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

func TestLossOnAChannelWithoutNumbersIsTold(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	c := restingClient(pushpin.Options{
		QueueBytes: 5000,
		Render:     func(dst []grip.Item, e *channels.Event) []grip.Item { return e.AppendItems(dst, "app-") },
		Reset: func(dst []grip.Item, channel string) []grip.Item {
			return channels.AppendResetItem(dst, channel, "app-")
		},
	}, port.proxy())
	send := func(data string) {
		c.Send([]channels.Event{{
			Draft:     channels.Draft{Channels: []channels.Channel{"cursor moves"}, Type: "move", Data: []byte(data), Raw: true},
			Positions: []channels.Position{{Channel: "cursor moves"}},
		}})
	}
	for range 3 {
		send(strings.Repeat("x", 1500)) // the queue holds one: an item has the data twice
	}
	defer runClient(t, c)()
	waitFor(t, "the reset", func() bool { return len(port.ids()) == 2 })
	send("later")
	waitFor(t, "what came after it", func() bool { return len(port.ids()) == 3 })

	var items []postedItem
	for _, p := range port.requests() {
		items = append(items, p.items...)
	}
	const want = "event: stream-reset\ndata: {\"channels\":[\"cursor moves\"]}\n\n"
	reset := items[1]
	if reset.Channel != "app-events-cursor%20moves" || reset.Formats["http-stream"].Content != want {
		t.Errorf("the viewers were told %+v", reset)
	}
	if got := reset.Formats["ws-message"].Content; got != `{"event":"stream-reset","data":{"channels":["cursor moves"]}}` {
		t.Errorf("WebSockets were told %s", got)
	}
}

// A loss is told at its beginning, where what comes then still reaches everybody, and at its end.
func TestALossOnAChannelWithoutNumbersIsToldBeforeWhatIsLeft(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	c := restingClient(pushpin.Options{
		QueueBytes: 600_000,
		Render:     func(dst []grip.Item, e *channels.Event) []grip.Item { return e.AppendItems(dst, "") },
		Reset: func(dst []grip.Item, channel string) []grip.Item {
			return channels.AppendResetItem(dst, channel, "")
		},
	}, port.proxy())
	for range 2000 {
		c.Send([]channels.Event{{
			Draft:     channels.Draft{Channels: []channels.Channel{"moves"}, Type: "move", Data: []byte("1")},
			Positions: []channels.Position{{Channel: "moves"}},
		}})
	}
	left := c.Status()[0].QueuedItems
	defer runClient(t, c)()
	waitFor(t, "everything", func() bool { return len(port.ids()) == left+2 })
	var resets []int
	at := 0
	for _, p := range port.requests() {
		for _, item := range p.items {
			if strings.Contains(item.Formats["http-stream"].Content, "stream-reset") {
				resets = append(resets, at)
			}
			at++
		}
	}
	if left < 200 || len(resets) != 2 || resets[0] > 100 || resets[1] != left+1 {
		t.Errorf("of %d items the resets are at %v", left, resets)
	}
}
