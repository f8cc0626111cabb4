package mqttbridge_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// A tracer notes the traces of messages.
type tracer struct {
	mu     sync.Mutex
	traces []string
}

func (r *tracer) Process(_ context.Context, messages []devices.Message, _ ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range messages {
		r.traces = append(r.traces, messages[i].Trace)
	}
	return nil
}

func (r *tracer) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.traces)
}

func TestMessagesBringTheTraceOfTheirSender(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, start := range map[string]func(t *testing.T, r *tracer) (url string){
		"a bridge": func(t *testing.T, r *tracer) string {
			b := brokertest.Start(t)
			connected(t, mqttbridge.Config{URL: b.URL}, r, nil)
			return b.URL
		},
		"dev's broker": func(t *testing.T, r *tracer) string {
			b, _ := broker(t, "127.0.0.1:0", r, nil)
			return "mqtt://" + b.Addr()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := new(tracer)
			d := newDevice(t, start(t, r), "d1")
			for _, traceparent := range []string{"00-" + trace + "-00f067aa0ba902b7-01", "nonsense"} {
				_, err := d.client.Publish(t.Context(), &paho.Publish{Topic: dataTopic(0), QoS: 1, Payload: []byte("{}"), Properties: &paho.PublishProperties{
					User: paho.UserProperties{{Key: "traceparent", Value: traceparent}, {Key: "tracestate", Value: "a=b"}},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			d.send(1, false, dataTopic(0), "{}")
			await(t, "the messages", func() bool { return len(r.seen()) == 3 })
			if got := r.seen(); !slices.Equal(got, []string{trace, "", ""}) {
				t.Errorf("the traces are %q", got)
			}
		})
	}
}
