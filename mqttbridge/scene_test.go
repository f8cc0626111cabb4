package mqttbridge_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// recorder stores messages in memory, as a Processor whose database can fail and stand still.
type recorder struct {
	mu      sync.Mutex
	stored  []string // "topic payload"
	batches int
	marks   map[string][]byte
	gate    chan struct{} // if not nil, commits wait until it is closed
	waiting chan struct{} // gets a value when a commit starts to wait
	fail    error
}

func newRecorder() *recorder {
	return &recorder{marks: make(map[string][]byte), waiting: make(chan struct{}, 1000)}
}

func (r *recorder) Process(ctx context.Context, messages []devices.Message, state ...any) error {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	if gate != nil {
		r.waiting <- struct{}{}
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	for _, s := range state {
		mark := s.(devices.Mark)
		if err := mark.Over(r.marks[mark.Name]); err != nil {
			return err
		}
	}
	r.batches++
	for _, m := range messages {
		r.stored = append(r.stored, fmt.Sprintf("%s %s", m.Topic, m.Payload))
	}
	for _, s := range state {
		mark := s.(devices.Mark)
		r.marks[mark.Name] = mark.Value
	}
	return nil
}

func (r *recorder) Mark(_ context.Context, name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marks[name], nil
}

func (r *recorder) block() (release func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = gate
	return sync.OnceFunc(func() {
		r.mu.Lock()
		r.gate = nil
		r.mu.Unlock()
		close(gate)
	})
}

func (r *recorder) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.stored)
}

// perDevice returns the payloads of each topic.
func (r *recorder) perDevice() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string][]string)
	for _, s := range r.stored {
		topic, payload, _ := strings.Cut(s, " ")
		all[topic] = append(all[topic], payload)
	}
	return all
}

// wantCounts checks that each device's messages are {"n":0}, {"n":1}… in this order, each once.
func (r *recorder) wantCounts(t *testing.T, devices, each int) {
	t.Helper()
	all := r.perDevice()
	if len(all) != devices {
		t.Errorf("%d devices, want %d", len(all), devices)
	}
	for topic, payloads := range all {
		if len(payloads) != each {
			t.Errorf("%s has %d messages, want %d", topic, len(payloads), each)
		}
		for i, payload := range payloads {
			if want := fmt.Sprintf(`{"n":%d}`, i); payload != want {
				t.Errorf("%s: message %d is %s, want %s", topic, i, payload, want)
				break
			}
		}
	}
}

var defaultRules = []mqttbridge.Rule{
	{Topic: "things/{device_type}/{device_id}/data", Kind: devices.KindData, ID: "id"},
	{Topic: "things/{device_type}/{device_id}/status", Kind: devices.KindStatus},
}

func rules(t testing.TB) mqttbridge.Rules {
	t.Helper()
	parsed, err := mqttbridge.ParseRules(defaultRules)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// bridge is a running Bridge.
type bridge struct {
	*mqttbridge.Bridge
	stop func()
	log  *logBuffer
}

// start runs a bridge until the end of the test or stop.
func start(t *testing.T, config mqttbridge.Config, processor mqttbridge.Processor, marks devices.Marks) *bridge {
	t.Helper()
	if config.ClientID == "" {
		config.ClientID = "griphub"
	}
	config.Rules = rules(t)
	b := &bridge{log: new(logBuffer)}
	var err error
	if b.Bridge, err = mqttbridge.New(config, processor, marks, slog.New(slog.NewTextHandler(b.log, nil))); err != nil {
		t.Fatal(err)
	}
	b.stop = running(t, b.Bridge)
	return b
}

// running runs something until the end of the test, or the returned function.
func running(t *testing.T, service interface{ Run(context.Context) error }) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// connected starts a bridge and waits for its subscriptions.
func connected(t *testing.T, config mqttbridge.Config, processor mqttbridge.Processor, marks devices.Marks) *bridge {
	t.Helper()
	b := start(t, config, processor, marks)
	await(t, "the connection", b.Connected)
	return b
}

// patience bounds each wait of a test, generously.
const patience = 40 * time.Second

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// device is a client that publishes.
type device struct {
	t      *testing.T
	client *paho.Client
}

func newDevice(t *testing.T, brokerURL, clientID string) *device {
	t.Helper()
	u, err := url.Parse(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t, paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: patience})}
	if _, err := d.client.Connect(t.Context(), &paho.Connect{ClientID: clientID, CleanStart: true, KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

func (d *device) close() { _ = d.client.Disconnect(&paho.Disconnect{}) }

// send publishes and waits for the answer, which QoS 0 has none of.
func (d *device) send(qos byte, retain bool, topic, payload string) {
	d.t.Helper()
	_, err := d.client.Publish(context.Background(), &paho.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: []byte(payload)})
	if err != nil {
		d.t.Errorf("publish: %v", err)
	}
}

// sendCounts publishes {"n":first} to {"n":last-1} from each device in turn.
func (d *device) sendCounts(devices, first, last int) {
	d.t.Helper()
	for n := first; n < last; n++ {
		for i := range devices {
			d.send(1, false, dataTopic(i), fmt.Sprintf(`{"n":%d}`, n))
		}
	}
}

func dataTopic(i int) string { return fmt.Sprintf("things/pump/pump-%03d/data", i) }

// subscribeInSession adds a subscription to the session of a client that is away.
func subscribeInSession(t *testing.T, brokerURL, clientID, filter string) {
	t.Helper()
	u, _ := url.Parse(brokerURL)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	expiry := uint32(3600)
	client := paho.NewClient(paho.ClientConfig{Conn: conn})
	if _, err := client.Connect(t.Context(), &paho.Connect{ClientID: clientID, KeepAlive: 60, Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	_ = client.Disconnect(&paho.Disconnect{})
}
