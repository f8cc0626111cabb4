package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

func TestStreamsOutliveTheBackend(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	device := watch(t, hub.URL("/iot/stream/buoy/"))
	room := watch(t, hub.URL("/events/?channel=room&channel=hall"))
	s := e2e.Dial(t, hub.URL("/ws/iot/buoy/"), nil)
	ping(t, s)
	say(t, hub, "buoy/b", `{"n":1}`)
	hub.Publish(t, "room", "1")

	hub.Kill(t)
	// The command needs no backend; what devices say waits at the broker.
	hub.Publish(t, "hall", "2")
	say(t, hub, "buoy/b", `{"n":2}`)
	say(t, hub, "buoy/c", `{"n":3}`)
	hub.Restart(t)
	say(t, hub, "buoy/b", `{"n":4}`)
	hub.Publish(t, "room", "3")

	for _, want := range []string{"1", "2", "3"} {
		if e := room.Expect(t, "message"); e.Data != want {
			t.Errorf("the room's stream shows %s, want %s", e.Data, want)
		}
	}
	for n := range 4 {
		var data struct{ N int }
		if err := json.Unmarshal(envelopeOf(t, device.Expect(t, "data")).Data, &data); err != nil || data.N != n+1 {
			t.Errorf("the device's stream shows %d, want %d (%v)", data.N, n+1, err)
		}
		s.Next(t)
	}
	for _, stream := range []*e2e.EventSource{device, room} {
		if stream.Opens() != 1 {
			t.Errorf("%d connections were opened, want the one that was held", stream.Opens())
		}
		e2e.RecordStream(stream.Events()).Check(t, hub)
	}
	e2e.RecordMessages(texts(s)).Check(t, hub)
	ping(t, s)

	// And the same in order, as at every deployment.
	hub.Restart(t)
	hub.Publish(t, "room", "4")
	room.Expect(t, "message")
	if room.Opens() != 1 {
		t.Errorf("%d connections were opened, want the one that was held", room.Opens())
	}
	hub.Stop(t)
}

func TestStreamsCatchUpAfterTheProxyWasDown(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	room := watchStubbornly(t, hub.URL("/events/?channel=room"))
	device := watchStubbornly(t, hub.URL("/iot/stream/buoy/"))
	hub.Publish(t, "room", "1")
	room.Expect(t, "message")

	hub.Proxy.Kill()
	if result := hub.Run(t, "publish", "room", "2"); result.Code != 3 || result.Stdout == "" {
		t.Errorf("without a proxy publish exits with %d and prints %q: %s", result.Code, result.Stdout, result.Stderr)
	}
	say(t, hub, "buoy/b", `{"n":1}`)
	if _, answer := post(t, hub.BackendURL("/api/publish"), `{"channel":"room","data":0}`, nil); answer.Error.Code != "unauthorized" {
		t.Errorf("an anonymous publisher is answered by %+v", answer)
	}
	e2e.Eventually(t, "readyz tells that the proxy is away", func() bool { return hub.Ready() != nil })
	if answer := e2e.Get(t, hub.OpsURL("/healthz")); answer.Status != 200 {
		t.Errorf("healthz answers %d", answer.Status)
	}
	hub.Proxy.Restart()
	hub.AwaitReady(t)
	if e := room.Find(t, "what was stored meanwhile", func(e e2e.Event) bool { return e.Type == "message" }); e.Data != "2" {
		t.Errorf("got %s, want 2", e.Data)
	}
	device.Find(t, "what the device said meanwhile", func(e e2e.Event) bool { return e.Type == "data" })
	hub.Publish(t, "room", "3")
	room.Expect(t, "message")
	for _, stream := range []*e2e.EventSource{room, device} {
		e2e.RecordStream(stream.Events()).Check(t, hub)
	}
	hub.Stop(t)
}

func TestMessagesWaitWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	stream := watch(t, hub.URL("/iot/stream/buoy/"))
	say(t, hub, "buoy/b", `{"n":1}`)
	stream.Expect(t, "data")
	hub.Broker.Kill()
	e2e.Eventually(t, "readyz tells that the broker is away", func() bool { return hub.Ready() != nil })
	hub.Publish(t, "--device", "buoy/b", `{"n":2}`)
	stream.Expect(t, "message")
	hub.Broker.Restart()
	hub.AwaitReady(t)
	say(t, hub, "buoy/b", `{"n":3}`)
	stream.Expect(t, "data")
	e2e.RecordStream(stream.Events()).Check(t, hub)
	hub.Stop(t)
}

// What was acknowledged is stored, whatever happens to the hub at that moment.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	stream := watchStubbornly(t, hub.URL("/iot/stream/writer/"))
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	t.Cleanup(func() { cancel(); writers.Wait() })
	const count = 3
	acknowledged := make([][]string, 2*count)
	for w := range count {
		writers.Go(func() { acknowledged[w] = writeAsDevice(ctx, hub, fmt.Sprintf("d%d", w)) })
		writers.Go(func() { acknowledged[count+w] = writeOverHTTP(ctx, hub, fmt.Sprintf("h%d", w)) })
	}
	sawMore := func() {
		t.Helper()
		for range 50 {
			stream.Find(t, "messages that flow", func(e e2e.Event) bool { return e.Type == "data" })
		}
	}
	sawMore()
	hub.Stop(t)
	hub.Restart(t)
	sawMore()
	hub.Kill(t)
	hub.Restart(t)
	sawMore()
	cancel()
	writers.Wait()

	stored := make(map[string]int)
	entries := hub.Entries(t, "iot_writer")
	for _, entry := range entries {
		var env struct {
			Data struct{ Key string }
		}
		if err := json.Unmarshal([]byte(entry.Data), &env); err != nil {
			t.Fatal(err)
		}
		stored[env.Data.Key]++
	}
	total := 0
	for _, keys := range acknowledged {
		total += len(keys)
		for _, key := range keys {
			if stored[key] != 1 {
				t.Errorf("%s was acknowledged and is stored %d times", key, stored[key])
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d messages were acknowledged", total)
	}
	last := entries[len(entries)-1]
	stream.Find(t, "the last message", func(e e2e.Event) bool {
		positions, _ := e2e.ParseCursor(e.ID)
		return positions["iot_writer"] == last.Seq
	})
	e2e.RecordStream(stream.Events()).Check(t, hub)
	hub.Stop(t)
}

// writerPause keeps the writers from filling the machine.
const writerPause = 5 * time.Millisecond

// writeAsDevice sends message after message until ctx ends, and returns the keys of those that were acknowledged.
func writeAsDevice(ctx context.Context, hub *e2e.Hub, name string) (acknowledged []string) {
	device := e2e.NewDevice(hub.MQTT, name)
	defer device.Close()
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%s-%d", name, n)
		if device.Send(ctx, "things/writer/"+name+"/data", fmt.Sprintf(`{"id":%q,"key":%q}`, key, key)) == nil {
			acknowledged = append(acknowledged, key)
		}
		time.Sleep(writerPause)
	}
	return acknowledged
}

// writeOverHTTP does the same with POST /api/publish, trying each until it is taken.
func writeOverHTTP(ctx context.Context, hub *e2e.Hub, name string) (acknowledged []string) {
	client := http.Client{Timeout: 5 * time.Second}
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%s-%d", name, n)
		for ctx.Err() == nil {
			if publishOnceOverHTTP(&client, hub.BackendURL("/api/publish"), name, key) {
				acknowledged = append(acknowledged, key)
				break
			}
			time.Sleep(10 * writerPause)
		}
		time.Sleep(writerPause)
	}
	return acknowledged
}

func publishOnceOverHTTP(client *http.Client, url, name, key string) bool {
	body := fmt.Sprintf(`{"device":"writer/%s","event":"data","id":%q,"data":{"key":%q}}`, name, key, key)
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	// Only a whole answer is an acknowledgement.
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}
