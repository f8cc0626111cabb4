package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// MosquittoPub runs mosquitto_pub against the broker at host:port with QoS 1, and returns once the broker has
// acknowledged: MosquittoPub(t, hub.MQTT, "-t", topic, "-m", payload).
func MosquittoPub(t testing.TB, broker string, args ...string) {
	t.Helper()
	if err := mosquittoPub(broker, "", args); err != nil {
		t.Fatal(err)
	}
}

// PublishLines sends each line as a message to the topic, with mosquitto_pub -l and QoS 1, and returns once the broker has
// acknowledged all. It may be called from any goroutine.
func PublishLines(broker, topic string, lines []string) error {
	return mosquittoPub(broker, strings.Join(lines, "\n")+"\n", []string{"-l", "-t", topic})
}

func mosquittoPub(broker, stdin string, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mosquitto_pub", append([]string{"-h", "127.0.0.1", "-p", portOf(broker), "-q", "1"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mosquitto_pub %q (apt install mosquitto-clients): %w: %s", args, err, out)
	}
	return nil
}

// A Device publishes with QoS 1 like one that must not lose anything: one message after the other, and again, over new
// connections, until the broker has acknowledged. Messages may arrive twice; devices that mind give them an "id".
type Device struct {
	broker, id string
	will       *paho.WillMessage // nil for none
	client     *paho.Client
	conn       net.Conn
}

// NewDevice returns a Device that has not connected yet. id is its client id at the broker.
func NewDevice(broker, id string) *Device { return &Device{broker: broker, id: id} }

// WithWill has the broker publish the message when the device goes without a word.
func (d *Device) WithWill(topic, payload string) *Device {
	d.will = &paho.WillMessage{Topic: topic, Payload: []byte(payload), QoS: 1}
	return d
}

// Send publishes the message and returns once it is acknowledged, or with an error when ctx has ended.
func (d *Device) Send(ctx context.Context, topic, payload string) error {
	const pause = 50 * time.Millisecond
	for {
		err := d.try(ctx, topic, payload)
		if err == nil {
			return nil
		}
		d.Close()
		select {
		case <-ctx.Done():
			return fmt.Errorf("device %s: send to %s: %w", d.id, topic, err)
		case <-time.After(pause):
		}
	}
}

func (d *Device) try(ctx context.Context, topic, payload string) error {
	const packetTimeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, packetTimeout)
	defer cancel()
	if d.client == nil {
		if err := d.connect(ctx); err != nil {
			return err
		}
	}
	// An answer of 0x80 and above is an error (MQTT 5, section 2.4), which paho tells too.
	_, err := d.client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)})
	return err
}

func (d *Device) connect(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.broker)
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn})
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: d.id, CleanStart: true, KeepAlive: 30, WillMessage: d.will}); err != nil {
		conn.Close()
		return err
	}
	d.client, d.conn = client, conn
	return nil
}

// Close leaves the broker without a word, as a device does that is switched off.
func (d *Device) Close() {
	if d.client != nil {
		d.conn.Close()
		<-d.client.Done()
		d.client = nil
	}
}

// Retained is what the broker at host:port retains on the topic, empty where that is nothing.
func Retained(t testing.TB, broker, topic string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	defer cancel()
	// -W ends it with 27 where nothing comes.
	const nothing = 27
	out, err := exec.CommandContext(ctx, "mosquitto_sub", "-h", "127.0.0.1", "-p", portOf(broker), "-C", "1", "-W", "1",
		"--retained-only", "-t", topic).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == nothing) {
		t.Fatalf("mosquitto_sub %s (apt install mosquitto-clients): %v", topic, err)
	}
	return strings.TrimSpace(string(out))
}
