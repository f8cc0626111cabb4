package channels_test

import (
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// telemetry is a device's event on the channels of the device and of its type.
func telemetry() *channels.Event {
	return &channels.Event{
		Draft: channels.Draft{
			Channels: []channels.Channel{"iot_pump_17", "iot_pump"}, Type: "data", Device: channels.DeviceRef{Type: "pump", ID: "17"},
			Data: []byte(`{"event":"data","device_type":"pump","device_id":"17","data":{"temperature":21.5,"ok":true},"timestamp":"2025-01-15T12:00:00+00:00"}`),
		},
		ID: 4711, Positions: channels.Cursor{{Channel: "iot_pump_17", Seq: 42}, {Channel: "iot_pump", Seq: 4711}},
	}
}

func BenchmarkAppendItems(b *testing.B) {
	e := telemetry()
	var items []grip.Item
	b.ReportAllocs()
	for b.Loop() {
		items = e.AppendItems(items[:0], "")
	}
}

func BenchmarkMergeStreams(b *testing.B) {
	var items []grip.Item
	for range 20 {
		items = append(items, telemetry().AppendCompositeItems(nil, "", anybody)[1])
	}
	b.ReportAllocs()
	for b.Loop() {
		channels.MergeStreams(items, "")
	}
}
