package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// Not parallel: its figures are of a machine that does nothing else, as far as that is ours to say.
func TestADayOfMessagesInAMinute(t *testing.T) {
	hub := e2e.StartDev(t, e2e.DevOptions{})
	scenes := loadScenes{hub}
	t.Run("latency at 100 messages a second", scenes.latencyIsLow)
	t.Run("10,000 messages of 100 devices arrive once and in order", scenes.everythingArrives)
	hub.Stop(t)
}

// loadScenes are about how much and how fast, at one hub.
type loadScenes struct{ hub *e2e.Hub }

func (sc loadScenes) latencyIsLow(t *testing.T) {
	hub := sc.hub
	const count, interval = 500, 10 * time.Millisecond
	stream := watch(t, hub.URL("/iot/stream/probe/"))
	device := e2e.NewDevice(hub.MQTT, "probe")
	defer device.Close()
	send := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
		defer cancel()
		if err := device.Send(ctx, "things/probe/p/data", fmt.Sprintf(`{"n":%d}`, n)); err != nil {
			t.Fatal(err)
		}
	}
	send(-1)
	stream.Expect(t, "data")
	sent := make([]time.Time, count)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := range count {
		<-tick.C
		sent[n] = time.Now()
		send(n)
	}
	took := make([]time.Duration, count)
	for n := range count {
		took[n] = stream.Expect(t, "data").At.Sub(sent[n])
	}
	slices.Sort(took)
	t.Logf("MQTT to SSE at 100 messages/s: p50 %v, p99 %v, most %v", took[count/2], took[count*99/100], took[count-1])
	if took[count/2] > 2*time.Second {
		t.Errorf("p50 is %v", took[count/2])
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc loadScenes) everythingArrives(t *testing.T) {
	hub := sc.hub
	const devices, each, publishers = 100, 100, 4
	stream := watch(t, hub.URL("/iot/stream/load/"))
	start := time.Now()
	var senders sync.WaitGroup
	for p := range publishers {
		senders.Go(func() {
			for d := p; d < devices; d += publishers {
				lines := make([]string, each)
				for n := range lines {
					lines[n] = fmt.Sprintf(`{"id":"%d-%d","n":%d}`, d, n, n)
				}
				if err := e2e.PublishLines(hub.MQTT, fmt.Sprintf("things/load/d%d/data", d), lines); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make(map[string]int)
	for range devices * each {
		env := envelopeOf(t, stream.Expect(t, "data"))
		var data struct{ N int }
		if err := json.Unmarshal(env.Data, &data); err != nil || data.N != next[env.DeviceID] {
			t.Fatalf("%s said %d after %d (%v)", env.DeviceID, data.N, next[env.DeviceID]-1, err)
		}
		next[env.DeviceID]++
	}
	took := time.Since(start)
	senders.Wait()
	t.Logf("%d messages in %v: %.0f/s", devices*each, took.Round(time.Millisecond), devices*each/took.Seconds())
	if stream.Opens() != 1 {
		t.Errorf("the stream was opened %d times", stream.Opens())
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}
