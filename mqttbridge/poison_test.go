package mqttbridge_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// memory is a log that a devices.Processor can store in.
type memory struct {
	devices.Registry
	mu      sync.Mutex
	events  []channels.Draft
	refused []channels.Refusal
}

func (m *memory) Devices(context.Context, []channels.DeviceRef) ([]devices.Device, error) {
	return nil, nil
}

func (m *memory) Publish(_ context.Context, batch channels.Batch) ([]channels.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, batch.Drafts...)
	m.refused = append(m.refused, batch.Refused...)
	return make([]channels.Event, len(batch.Drafts)), nil
}

func (m *memory) counts() (events, refused int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events), len(m.refused)
}

func TestPoisonIsRefusedAndHoldsUpNothing(t *testing.T) {
	broker := brokertest.Start(t)
	m := new(memory)
	b := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 5}, devices.NewProcessor(m, m, devices.Options{}), nil)
	d := newDevice(t, broker.URL, "d1")
	poison := []string{"", "{", "\xff\xfe", `{"a":NaN}`, strings.Repeat(`{"a":`, 5000), `{"a":"` + strings.Repeat("%", 60_000) + `"}`, strings.Repeat("x", 200_000)}
	for i := range 20 {
		for _, payload := range poison {
			d.send(1, false, dataTopic(0), payload)
		}
		d.sendCounts(1, i, i+1)
	}
	d.send(1, false, "things/"+strings.Repeat("t", 100)+"/p/data", "{}")
	d.send(1, false, "things//p/data", "{}")
	await(t, "all messages", func() bool {
		events, refused := m.counts()
		return events == 20 && refused == 20*len(poison)+2
	})
	if err := b.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	for _, r := range m.refused {
		if r.Reason == "" || r.Source == "" || r.Time.IsZero() || len(r.Payload) > channels.MaxDataBytes {
			t.Errorf("refusal %+v", r)
		}
	}
}
