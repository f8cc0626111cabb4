package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/e2e"
)

// A known is what a viewer, or the registry, knows of a device.
type known struct {
	Status string         `json:"status"`
	Values map[string]any `json:"values"`
}

// fold brings what is known up to date with an event of a device stream, or a message of a socket.
func fold(t *testing.T, all map[string]known, text string) {
	t.Helper()
	var env struct {
		Event string          `json:"event"`
		ID    string          `json:"device_id"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(text), &env); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	d, there := all[env.ID]
	if !there {
		d.Status = "offline" // as every device is before it says anything
	}
	var err error
	switch env.Event {
	case "snapshot":
		d = known{}
		err = json.Unmarshal(env.Data, &d)
	case "data":
		if d.Values == nil {
			d.Values = map[string]any{}
		}
		err = json.Unmarshal(env.Data, &d.Values)
	case "status":
		var change struct {
			New string `json:"new_status"`
		}
		err = json.Unmarshal(env.Data, &change)
		d.Status = change.New
	default:
		return
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	all[env.ID] = d
}

// A fleet talks over Mosquitto while viewers come, one of them cut off in the middle of its snapshot again and again. At the end all
// of them know what the registry knows.
func TestViewersWithASnapshotKnowWhatTheRegistryKnows(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	const size, senders = 400, 4
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var talk errgroup.Group
	var said atomic.Int64
	stop := make(chan struct{})
	for s := range senders {
		talk.Go(func() error {
			device := e2e.NewDevice(hub.MQTT, fmt.Sprintf("sender-%d", s))
			defer device.Close()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return nil
				default:
				}
				topic := fmt.Sprintf("things/pump/p-%04d/", (n*7+s)%(size/senders)*senders+s)
				payload, kind := fmt.Sprintf(`{"f%d":%d,"pad":%q}`, n%3, n, strings.Repeat("%", n%200)), "data"
				if n%5 == 4 {
					payload, kind = []string{"online", "warning", "error"}[n%3], "status"
				}
				if err := device.Send(ctx, topic+kind, payload); err != nil {
					return err
				}
				said.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	e2e.Eventually(t, "the fleet is known", func() bool { return countLines(run(t, hub, "devices", "list", "--json")) == size })

	address := hub.URL("/iot/stream/pump/?snapshot=1")
	whole := e2e.Watch(t, address, e2e.EventSourceOptions{})
	cut := e2e.Watch(t, address, e2e.EventSourceOptions{})
	for range 5 {
		for range 60 {
			cut.Next(t)
		}
		cut.Cut()
	}
	one := e2e.Watch(t, hub.URL("/iot/stream/pump/p-0007/?snapshot=1"), e2e.EventSourceOptions{})
	socket := e2e.Dial(t, hub.URL("/ws/iot/pump/?snapshot=1"), nil)
	var messages []string
	var pong struct {
		Event, Cursor string
		More          bool
	}
	for {
		f := socket.Next(t)
		messages = append(messages, f.Data)
		if pong.More = false; !strings.HasPrefix(f.Data, `{"event":"pong"`) {
			continue
		}
		if f.JSON(t, &pong); !pong.More {
			break
		}
		socket.Send(t, fmt.Sprintf(`{"action":"ping","cursor":%q}`, pong.Cursor))
	}
	begun := said.Load()
	e2e.Eventually(t, "more is said", func() bool { return said.Load() > begun+500 })
	close(stop)
	if err := talk.Wait(); err != nil {
		t.Fatal(err)
	}

	registry := map[string]known{}
	e2e.Eventually(t, "everything is stored", func() bool {
		return strings.Contains(e2e.Get(t, hub.OpsURL("/metrics")).Body, fmt.Sprintf("griphub_mqtt_messages_stored_total %d\n", said.Load()))
	})
	for line := range strings.Lines(run(t, hub, "devices", "list", "--json")) {
		var d struct {
			known
			ID string `json:"device_id"`
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		registry[d.ID] = d.known
	}
	if len(registry) != size {
		t.Fatalf("%d devices are registered, want %d", len(registry), size)
	}
	for name, viewer := range map[string]struct {
		stream *e2e.EventSource
		state  string // the address of what the registry says
		want   map[string]known
	}{
		"whole": {whole, "/api/devices?type=pump", registry},
		"cut":   {cut, "/api/devices?type=pump", registry},
		"one":   {one, "/api/devices/pump/p-0007", map[string]known{"p-0007": registry["p-0007"]}},
	} {
		var head struct{ Cursor string }
		if err := json.Unmarshal([]byte(e2e.Get(t, hub.URL(viewer.state)).Body), &head); err != nil {
			t.Fatal(err)
		}
		e2e.Eventually(t, name+" comes to "+head.Cursor, func() bool {
			events := viewer.stream.Events()
			return strings.HasSuffix(events[len(events)-1].ID, head.Cursor)
		})
		all := map[string]known{}
		for _, e := range viewer.stream.Events() {
			if e.Type != "connected" {
				fold(t, all, e.Data)
			}
		}
		if !reflect.DeepEqual(all, viewer.want) {
			t.Errorf("%s: the viewer knows %d devices otherwise than the registry", name, differ(all, viewer.want))
		}
	}
	// The socket asks for what it missed since its snapshot; what it got already comes again and changes nothing.
	for pong.More = true; pong.More; {
		socket.Send(t, fmt.Sprintf(`{"action":"ping","cursor":%q}`, pong.Cursor))
		for pong.Event = ""; pong.Event != "pong"; {
			f := socket.Next(t)
			messages = append(messages, f.Data)
			pong.More = false
			f.JSON(t, &pong)
		}
	}
	all := map[string]known{}
	for _, m := range messages {
		fold(t, all, m)
	}
	if !reflect.DeepEqual(all, registry) {
		t.Errorf("socket: the viewer knows %d devices otherwise than the registry", differ(all, registry))
	}
	hub.Stop(t)
}

// differ counts the devices of which not the same is known.
func differ(a, b map[string]known) (n int) {
	for id := range b {
		if !reflect.DeepEqual(a[id], b[id]) {
			n++
		}
	}
	return n + max(0, len(a)-len(b))
}
