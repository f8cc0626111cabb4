package mqttbridge_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// Many more reports than the queue has room for take their turns with the messages of the broker.
func TestReportsTakeTheirTurn(t *testing.T) {
	broker, r := brokertest.Start(t), newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	d := newDevice(t, broker.URL, "device")
	d.send(1, false, dataTopic(0), "before")
	await(t, "the first message", func() bool { return r.count() == 1 })
	const n = 5000
	reports := make([]devices.Message, n)
	for i := range reports {
		reports[i] = devices.Message{Kind: devices.KindSilence, Topic: "silence", Payload: fmt.Append(nil, i)}
	}
	if err := b.Report(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	d.send(1, false, dataTopic(0), "after")
	await(t, "the last message", func() bool { return r.count() == n+2 })
	if r.stored[0] != dataTopic(0)+" before" || r.stored[n] != fmt.Sprint("silence ", n-1) || r.stored[n+1] != dataTopic(0)+" after" {
		t.Errorf("stored are %q … %q", r.stored[:2], r.stored[len(r.stored)-2:])
	}
	b.stop()
	if err := b.Report(t.Context(), reports); err == nil {
		t.Error("a bridge that has stopped takes reports")
	}
}

func TestAReportDoesNotWaitForEver(t *testing.T) {
	broker, r := brokertest.Start(t), newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	defer r.block()()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Report(ctx, make([]devices.Message, 10_000)) }()
	await(t, "the queue to be full", func() bool { return b.Stats().Waiting > 500 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
