package mqttbridge_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// printer stands for a devices.Processor.
type printer struct{ printed chan struct{} }

func (p printer) Process(_ context.Context, messages []devices.Message, _ ...any) error {
	for _, m := range messages {
		fmt.Println(m.Kind, m.Type, m.ID, string(m.Payload))
		p.printed <- struct{}{}
	}
	return nil // now the messages are acknowledged
}

func Example() {
	rules, err := mqttbridge.ParseRules([]mqttbridge.Rule{{Topic: "things/{device_type}/{device_id}/data", Kind: devices.KindData}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := printer{make(chan struct{})}
	broker, err := mqttbridge.NewBroker("127.0.0.1:0", rules, p, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- broker.Run(ctx) }()
	for !broker.Connected() {
		time.Sleep(time.Millisecond)
	}

	device, err := mqttbridge.NewPublisher(mqttbridge.Config{URL: "mqtt://" + broker.Addr()})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { ended <- device.Run(ctx) }()
	go func() { ended <- device.Publish(ctx, "things/pump/p-1/data", []byte(`{"flow":3.5}`)) }()
	<-p.printed
	fmt.Println(<-ended)
	stop()
	fmt.Println(<-ended, <-ended)
	// Output:
	// data pump p-1 {"flow":3.5}
	// <nil>
	// <nil> <nil>
}
