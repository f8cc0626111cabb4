package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/e2e"
)

// A thousand devices of five types, each with a last will, of which a hundred lose their connection.
func TestAHundredOfAThousandDevicesDie(t *testing.T) {
	t.Parallel()
	const size, dying = 1000, 100
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	var streams []*e2e.EventSource
	for kind := range 5 {
		streams = append(streams, watch(t, hub.URL(fmt.Sprintf("/iot/stream/kind%d/", kind))))
	}
	fleet := make([]*e2e.Device, size)
	name := func(i int) string { return fmt.Sprintf("kind%d/d-%04d", i%5, i) }
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(20)
	for i := range fleet {
		topic := "things/" + name(i) + "/status"
		fleet[i] = e2e.NewDevice(hub.MQTT, fmt.Sprintf("device-%d", i)).WithWill(topic, "offline")
		t.Cleanup(fleet[i].Close)
		group.Go(func() error { return fleet[i].Send(ctx, topic, `{"status":"online"}`) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	// changes are the events of status so far, by what they say.
	changes := func() map[string]int {
		all := map[string]int{}
		for _, s := range streams {
			for _, e := range s.Events() {
				var env struct {
					Data struct {
						Old string `json:"old_status"`
						New string `json:"new_status"`
					} `json:"data"`
				}
				if e.Type == "status" && json.Unmarshal([]byte(e.Data), &env) == nil {
					all[env.Data.Old+">"+env.Data.New]++
				}
			}
		}
		return all
	}
	e2e.Eventually(t, "all are online", func() bool { return changes()["offline>online"] == size })
	for i := range dying {
		fleet[i*size/dying+i%5].Close()
	}
	e2e.Eventually(t, "those that died are offline", func() bool { return changes()["online>offline"] >= dying })
	// Another says something after all of that: what has come before it is all there is.
	for kind, stream := range streams {
		say(t, hub, fmt.Sprintf("kind%d/last", kind), `{"last":true}`)
		e2e.Eventually(t, "the last word comes", func() bool {
			events := stream.Events()
			return events[len(events)-1].Type == "data"
		})
	}
	if got := changes(); got["online>offline"] != dying || got["offline>online"] != size || len(got) != 2 {
		t.Errorf("the changes are %v, want %d that went offline", got, dying)
	}
	offline := run(t, hub, "devices", "list", "--json", "--status", "offline")
	if n := countLines(offline); n != dying+len(streams) { // the last ones have never said that they are online
		t.Errorf("%d devices are offline in the registry", n)
	}
	for _, s := range streams {
		e2e.RecordStream(s.Events()).Check(t, hub)
	}
	hub.Stop(t)
}

func countLines(text string) (n int) {
	for _, c := range text {
		if c == '\n' {
			n++
		}
	}
	return n
}
