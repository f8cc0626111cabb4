package devices_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func TestTheCacheIsNeverAheadOfTheRegistry(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, status("w", "online"))
	h.loseAnswer = true
	if err := p.Process(t.Context(), []devices.Message{status("w", "error")}); err == nil {
		t.Fatal("Process: no error")
	}
	process(t, p, status("w", "error"))
	if len(h.events) != 2 {
		t.Errorf("events %q: the status had changed in the registry already", h.data())
	}
}

func TestTheCacheFollowsOtherWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		p := devices.NewProcessor(h, h, devices.Options{})
		process(t, p, status("w", "online"))
		device := h.device(t, "w")
		device.Status = devices.Offline
		h.devices[device.DeviceRef] = device
		time.Sleep(6 * time.Second)
		process(t, p, status("w", "online"))
		if len(h.events) != 2 {
			t.Errorf("events %q", h.data())
		}

		delete(h.devices, device.DeviceRef)
		p.Forget()
		process(t, p, status("w", "offline"))
		if len(h.events) != 2 {
			t.Errorf("events %q: an unknown device is offline", h.data())
		}
	})
}

func TestTheCacheIsBounded(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{CacheBytes: 1000})
	for i := range 100 {
		process(t, p, status(fmt.Sprint(i), "online"))
	}
	asked := h.asked
	for i := range 100 {
		process(t, p, status(fmt.Sprint(i), "online"))
	}
	if h.asked-asked < 90 || len(h.events) != 100 {
		t.Errorf("asked %d times again, %d events", h.asked-asked, len(h.events))
	}
}

func TestADeviceThatMakesUpFieldsStaysSmall(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	for i := range 300 {
		process(t, p, data("w", fmt.Sprintf(`{"f%d":1,"long":%q}`, i, strings.Repeat("x", 5000))))
	}
	if device := h.device(t, "w"); len(device.Values) != 256 || device.Values["long"] != nil || len(h.events) != 300 {
		t.Errorf("%d values, %d events", len(device.Values), len(h.events))
	}
}

func BenchmarkProcess(b *testing.B) {
	p := devices.NewProcessor(sink{}, sink{}, devices.Options{})
	const size = 200
	messages := make([]devices.Message, size)
	for i := range messages {
		messages[i] = data(fmt.Sprintf("ws-%03d", i%50), `{"temperature":21.53,"humidity":48.2,"pressure":1013.25,"battery":3.71}`)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Process(context.Background(), messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/message")
}

// sink stores nothing.
type sink struct{ devices.Registry }

func (sink) Publish(_ context.Context, batch channels.Batch) ([]channels.Event, error) {
	return make([]channels.Event, len(batch.Drafts)), nil
}

func (sink) Devices(context.Context, []channels.DeviceRef) ([]devices.Device, error) { return nil, nil }
