package devices_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// ample is a registry of as many devices as anyone asks for, and a publisher that stores nothing.
type ample struct{ devices.Registry }

func (ample) Devices(_ context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	found := make([]devices.Device, len(refs))
	for i, ref := range refs {
		found[i] = devices.Device{DeviceRef: ref, Record: devices.DefaultRecord(), State: devices.State{
			Status: devices.Online, LastSeen: noon, Firmware: "1.4.2", Battery: new(87.5),
			Values: map[string]json.RawMessage{"temperature": json.RawMessage("21.50"), "humidity": json.RawMessage("40.5"), "pressure": json.RawMessage("1013.2")},
		}}
	}
	return found, nil
}

func (ample) Publish(_ context.Context, batch channels.Batch) ([]channels.Event, error) {
	return make([]channels.Event, len(batch.Drafts)), nil
}

// BenchmarkKnownDevices is the memory that a hundred thousand devices take which have just spoken, and the time of a
// message of one of them. docs/devices.md tells the figures.
func BenchmarkKnownDevices(b *testing.B) {
	const fleet = 100_000
	p := devices.NewProcessor(ample{}, ample{}, devices.Options{})
	batch := func(from int) []devices.Message {
		messages := make([]devices.Message, 1000)
		for i := range messages {
			m := data(fmt.Sprintf("device-%06d", (from+i)%fleet), `{"temperature":21.50,"humidity":40.5,"pressure":1013.2}`)
			m.Received = time.Now()
			messages[i] = m
		}
		return messages
	}
	before := heap()
	for from := 0; from < fleet; from += 1000 {
		if err := p.Process(b.Context(), batch(from)); err != nil {
			b.Fatal(err)
		}
	}
	each := float64(heap()-before) / fleet
	messages := batch(0)
	for b.Loop() {
		if err := p.Process(b.Context(), messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/message")
	b.ReportMetric(each, "B/device")
	runtime.KeepAlive(p)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
