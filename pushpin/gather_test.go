package pushpin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// A proxy that does not keep up with many channels is given what has come on each of them at once: a write to a viewer takes it as
// long as another, whatever it carries.
func TestWhatWaitsOnManyChannelsIsGathered(t *testing.T) {
	t.Parallel()
	const many, each = 250, 4
	for name, scene := range map[string]struct {
		viewers pushpin.Viewers
		sockets int // items for WebSockets alone, of each channel
	}{
		"where there may be WebSockets": {viewers: pushpin.Viewers{Streams: 1}, sockets: each},
		"where there is none":           {viewers: pushpin.Viewers{Streams: 1, Sure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, answer := hung(t)
			c := startClient(t, pushpin.Options{
				Merge: merge, Render: toAll, WritesPerSecond: 1_000_000,
				Viewers: func(string) pushpin.Viewers { return scene.viewers },
			}, port.proxy())
			c.SendItems([]grip.Item{line("1", "0", "one")})
			waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
			for i := 1; i <= each; i++ {
				var events []channels.Event
				for channel := range many {
					events = append(events, event(fmt.Sprint("c", channel), i))
				}
				c.Send(events)
			}
			answer()
			if err := flush(t, c); err != nil {
				t.Fatal(err)
			}
			var streams, sockets []string
			for _, p := range port.requests()[1:] {
				for _, item := range p.shown() {
					if strings.Contains(item, " ws ") {
						sockets = append(sockets, item)
					} else {
						streams = append(streams, item)
					}
				}
			}
			if len(streams) != many || len(sockets) != many*scene.sockets || len(port.requests()) > 1+many/50 {
				t.Errorf("%d items for streams and %d for WebSockets in %d requests", len(streams), len(sockets), len(port.requests()))
			}
			if want := "c7 0>4 c7 1|c7 2|c7 3|c7 4|"; !slices.Contains(streams, want) {
				t.Errorf("no item is %q", want)
			}
		})
	}
}

// What was not sent because there was no stream, the first one gets all the same.
func TestTheFirstStreamOfAChannelAsksWhatItMissed(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		position, text := "5", "open"
		if a.path == "/next" {
			position, text = "6", "six"
		}
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id="+position, "Grip-Link", "</next>; rel=next")
		fmt.Fprintln(w, text)
	})
	v := view(t, o.URL()+"/s")
	v.want("six")
	o.post(line("7", "6", "seven"))
	v.want("seven")
}
