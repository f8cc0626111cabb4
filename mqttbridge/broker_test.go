package mqttbridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// broker runs a Broker until the end of the test or stop.
func broker(t *testing.T, addr string, processor mqttbridge.Processor, marks devices.Marks) (b *mqttbridge.Broker, stop func()) {
	t.Helper()
	b, err := mqttbridge.NewBroker(addr, rules(t), processor, marks, slog.New(slog.NewTextHandler(new(logBuffer), nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop = running(t, b)
	await(t, "the broker", b.Connected)
	return b, stop
}

// mosquittoPub runs mosquitto_pub with lines to publish, and returns when it has seen all of them acknowledged.
func mosquittoPub(t *testing.T, b *mqttbridge.Broker, lines []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, port, _ := net.SplitHostPort(b.Addr())
	pub := exec.CommandContext(ctx, "mosquitto_pub", append([]string{"-h", "127.0.0.1", "-p", port, "-l"}, args...)...)
	pub.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := pub.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub (apt install mosquitto-clients): %v\n%s", err, out)
	}
}

func counts(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"n":%d}`, i))
	}
	return lines
}

func TestTheBrokerTakesTenThousandMessagesOnceAndInOrder(t *testing.T) {
	for name, args := range map[string][]string{
		"MQTT 3.1.1":        {"-q", "1", "-V", "311"},
		"MQTT 5":            {"-q", "1", "-V", "5"},
		"QoS 2":             {"-q", "2", "-V", "5"},
		"QoS 2, MQTT 3.1.1": {"-q", "2", "-V", "311"},
		"QoS 0":             {"-q", "0", "-V", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			b, _ := broker(t, "127.0.0.1:0", r, r)
			mosquittoPub(t, b, counts(10_000), append(args, "-t", dataTopic(0))...)
			await(t, "10,000 messages", func() bool { return r.count() >= 10_000 })
			r.wantCounts(t, 1, 10_000)
		})
	}
}

func TestTheBrokerAcknowledgesWhatIsStored(t *testing.T) {
	r := newRecorder()
	release := r.block()
	defer release()
	b, _ := broker(t, "127.0.0.1:0", r, r)
	watcher := newWatcher(t, b.Addr(), "#")
	d := newDevice(t, "mqtt://"+b.Addr(), "d1")
	acknowledged := make(chan struct{})
	go func() {
		defer close(acknowledged)
		d.send(1, false, dataTopic(0), `{"n":0}`)
	}()
	<-r.waiting
	// What no rule matches is none of the log's business, and passes by.
	newDevice(t, "mqtt://"+b.Addr(), "d2").send(1, false, "other", "x")
	if got := watcher.next(t); got != "other x" {
		t.Errorf("the watcher got %q", got)
	}
	select {
	case <-acknowledged:
		t.Error("the message was acknowledged before it was stored")
	default:
	}
	release()
	<-acknowledged
	r.wantCounts(t, 1, 1)
	if got := watcher.next(t); got != dataTopic(0)+` {"n":0}` {
		t.Errorf("the watcher got %q", got)
	}
}

func TestTheBrokerHoldsDevicesBackWhileTheDatabaseIsSlow(t *testing.T) {
	r := newRecorder()
	release := r.block()
	defer release()
	b, _ := broker(t, "127.0.0.1:0", r, r)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		mosquittoPub(t, b, counts(20_000), "-q", "0", "-t", dataTopic(0))
	}()
	await(t, "a full queue", func() bool { return b.Stats().Waiting >= 2000 })
	release()
	<-sent
	await(t, "20,000 messages", func() bool { return r.count() >= 20_000 })
	r.wantCounts(t, 1, 20_000)
}

func TestTheBrokerRecognisesARedeliveryAfterARestart(t *testing.T) {
	r := newRecorder()
	b, stop := broker(t, "127.0.0.1:0", r, r)
	publish := func(b *mqttbridge.Broker, dup bool, packet byte, payload string) {
		conn, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		flags := byte(0x32)
		if dup {
			flags = 0x3a
		}
		connect := []byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 60, 0, 2, 'd', '1'}
		body := append([]byte{0, byte(len(dataTopic(0)))}, dataTopic(0)...)
		body = append(append(body, 0, packet), payload...)
		if _, err := conn.Write(append(append(connect, flags, byte(len(body))), body...)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 8)
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer[4:], []byte{0x40, 2, 0, packet}) {
			t.Fatalf("answer % x: %v", answer, err)
		}
	}
	publish(b, false, 1, `{"n":0}`)
	publish(b, true, 1, `{"n":0}`)
	stop()
	b, _ = broker(t, "127.0.0.1:0", r, r)
	publish(b, true, 1, `{"n":0}`)
	publish(b, false, 2, `{"n":1}`)
	publish(b, true, 3, `{"n":2}`)
	r.wantCounts(t, 1, 3)
	if got := b.Stats().Duplicates; got != 1 {
		t.Errorf("%d duplicates after the restart", got)
	}
}

func TestABrokerWhoseLedgerAnotherWritesEnds(t *testing.T) {
	r := newRecorder()
	first, err := mqttbridge.NewBroker("127.0.0.1:0", rules(t), r, r, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- first.Run(t.Context()) }()
	await(t, "the broker", first.Connected)
	mosquittoPub(t, first, counts(1), "-t", dataTopic(0), "-q", "1")
	second, _ := broker(t, "127.0.0.1:0", r, r)
	mosquittoPub(t, second, counts(1), "-t", dataTopic(1), "-q", "1")
	device := newDevice(t, "mqtt://"+first.Addr(), "d1")
	var unanswered sync.WaitGroup
	unanswered.Go(func() {
		_, _ = device.client.Publish(t.Context(), &paho.Publish{Topic: dataTopic(2), QoS: 1, Payload: []byte(`{"n":0}`)})
	})
	t.Cleanup(unanswered.Wait)
	if err := <-ended; !errors.Is(err, mqttbridge.ErrTakenOver) {
		t.Errorf("Run: %v", err)
	}
	r.wantCounts(t, 2, 1)
}

func TestTheBrokerTakesWills(t *testing.T) {
	r := newRecorder()
	b, _ := broker(t, "127.0.0.1:0", r, r)
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn})
	_, err = client.Connect(t.Context(), &paho.Connect{ClientID: "d1", CleanStart: true, KeepAlive: 60,
		WillMessage: &paho.WillMessage{Topic: "things/pump/p/status", Payload: []byte("offline")}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	await(t, "the will", func() bool { return r.count() == 1 })
	if got := r.perDevice()["things/pump/p/status"]; len(got) != 1 || got[0] != "offline" {
		t.Errorf("stored %q", got)
	}
}

func TestTheBrokerRetainsWhatItForwards(t *testing.T) {
	r := newRecorder()
	b, _ := broker(t, "127.0.0.1:0", r, r)
	newDevice(t, "mqtt://"+b.Addr(), "d1").send(1, true, "things/pump/p/status", "online")
	if got := newWatcher(t, b.Addr(), "things/#").next(t); got != "things/pump/p/status online" {
		t.Errorf("the watcher got %q", got)
	}
	if r.count() != 1 {
		t.Errorf("%d messages stored", r.count())
	}
}

func TestTheBrokerStopsInOrder(t *testing.T) {
	r := newRecorder()
	release := r.block()
	b, stop := broker(t, "127.0.0.1:0", r, r)
	d := newDevice(t, "mqtt://"+b.Addr(), "d1")
	acknowledged := make(chan struct{})
	go func() {
		defer close(acknowledged)
		d.send(1, false, dataTopic(0), `{"n":0}`)
	}()
	<-r.waiting
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	release()
	<-acknowledged
	<-stopped
	r.wantCounts(t, 1, 1)
	if b.Connected() || b.Err() == nil {
		t.Errorf("connected %v, error %v", b.Connected(), b.Err())
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("the port is still open")
	}
}

func TestTheBrokerListensOnTheLoopbackInterfaceOnly(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, addr := range []string{":1883", "0.0.0.0:1883", "192.0.2.1:1883", "example.com:1883", "[::]:1883", "nowhere"} {
		if _, err := mqttbridge.NewBroker(addr, rules(t), newRecorder(), nil, log); err == nil {
			t.Errorf("%s is accepted", addr)
		}
	}
	first, _ := broker(t, "localhost:0", newRecorder(), nil)
	second, err := mqttbridge.NewBroker(first.Addr(), rules(t), newRecorder(), nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Run: %v", err)
	}
}

// watcher is a client that subscribes.
type watcher chan string

func newWatcher(t *testing.T, addr, filter string) watcher {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := make(watcher, 1000)
	client := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			w <- p.Packet.Topic + " " + string(p.Packet.Payload)
			return true, nil
		},
	}})
	if _, err := client.Connect(t.Context(), &paho.Connect{ClientID: "watcher", CleanStart: true, KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(&paho.Disconnect{}) })
	if _, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w watcher) next(t *testing.T) string {
	t.Helper()
	select {
	case message := <-w:
		return message
	case <-time.After(patience):
		t.Fatal("no message arrives")
		return ""
	}
}
