package devices_test

import (
	"testing"
	"time"

	"github.com/griphub/griphub/devices"
)

func TestRetainedDataIsASnapshot(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, retained(data("new", `{"t":1}`)), data("old", `{"t":2}`), retained(data("old", `{"t":1}`)))
	if len(h.events) != 1 {
		t.Errorf("events %q: what the broker retained is no event", h.data())
	}
	if device := h.device(t, "new"); string(device.Values["t"]) != "1" || !device.LastSeen.IsZero() {
		t.Errorf("new device: %+v", device)
	}
	if device := h.device(t, "old"); string(device.Values["t"]) != "2" {
		t.Errorf("known device: %+v", device)
	}

	process(t, p,
		at(retained(data("old", `{"t":3,"timestamp":"2025-01-15T12:30:00Z"}`)), time.Hour),
		at(retained(data("new", `{"t":9,"timestamp":"2031-01-01T00:00:00Z"}`)), time.Hour))
	if device := h.device(t, "old"); string(device.Values["t"]) != "3" || !device.LastSeen.Equal(noon.Add(30*time.Minute)) {
		t.Errorf("a retained message that is newer: %+v", device)
	}
	if device := h.device(t, "new"); string(device.Values["t"]) != "1" {
		t.Errorf("a retained message from the future: %+v", device)
	}
	if len(h.events) != 1 {
		t.Errorf("events %q", h.data())
	}
}

func TestRetainedStatusIsTheDevicesLastWord(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, retained(status("w", "online")))
	batches := h.batches
	process(t, p, at(retained(status("w", "online")), time.Hour))
	if len(h.events) != 1 || h.batches != batches {
		t.Errorf("events %q in %d batches: the second time it tells nothing", h.data(), h.batches)
	}
	process(t, p, at(retained(status("w", "offline")), time.Hour))
	if device := h.device(t, "w"); device.Status != devices.Offline || !device.LastSeen.IsZero() || len(h.events) != 2 {
		t.Errorf("registry: %+v, events %q", device, h.data())
	}
}
