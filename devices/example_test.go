package devices_test

import (
	"context"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// printer stands for a channels.Publisher and its log.
type printer struct{ devices.Registry }

func (printer) Devices(context.Context, []channels.DeviceRef) ([]devices.Device, error) {
	return nil, nil
}

func (printer) Publish(_ context.Context, batch channels.Batch) ([]channels.Event, error) {
	for _, d := range batch.Drafts {
		fmt.Println(d.Channels, string(d.Data))
	}
	for _, r := range batch.Refused {
		fmt.Println(r.Source, r.Reason)
	}
	return make([]channels.Event, len(batch.Drafts)), nil
}

func ExampleProcessor() {
	p := devices.NewProcessor(printer{}, printer{}, devices.Options{})
	noon := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	err := p.Process(context.Background(), []devices.Message{
		{Kind: devices.KindStatus, Type: "pump", ID: "p-1", Topic: "things/pump/p-1/status", Payload: []byte(`online`), Received: noon},
		{Kind: devices.KindData, Type: "pump", ID: "p-1", Topic: "things/pump/p-1/data", Payload: []byte(`{"flow": 3.50}`), Received: noon},
		{Kind: devices.KindData, Type: "pump", ID: "p-2", Topic: "things/pump/p-2/data", Payload: []byte(`flow: 3.50`), Received: noon},
	})
	fmt.Println(err)
	// Output:
	// [iot_pump iot_pump_p-1] {"event":"status","device_type":"pump","device_id":"p-1","data":{"old_status":"offline","new_status":"online"},"timestamp":"2025-01-15T12:00:00+00:00"}
	// [iot_pump iot_pump_p-1] {"event":"data","device_type":"pump","device_id":"p-1","data":{"flow":3.50},"timestamp":"2025-01-15T12:00:00+00:00"}
	// things/pump/p-2/data the payload is not a JSON object
	// <nil>
}
