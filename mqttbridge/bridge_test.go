package mqttbridge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

func TestTenThousandMessagesArriveOnceAndInOrder(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	newDevice(t, broker.URL, "d1").sendCounts(100, 0, 100)
	await(t, "10,000 messages", func() bool { return r.count() >= 10_000 })
	r.wantCounts(t, 100, 100)
	t.Logf("stats %+v", b.Stats())
}

func TestNothingIsAcknowledgedBeforeItIsStored(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	release := r.block()
	defer release()
	b := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 20}, r, nil)
	newDevice(t, broker.URL, "d1").sendCounts(1, 0, 50)
	<-r.waiting
	await(t, "as many messages as may be unacknowledged", func() bool { return b.Stats().Received >= 20 })

	// The broker, asked again by another bridge of the same client id, still has all of them.
	other := newRecorder()
	b2 := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 20}, other, nil)
	await(t, "50 messages", func() bool { return other.count() >= 50 })
	other.wantCounts(t, 1, 50)
	if got := b.Stats().Received; got != 20 {
		t.Errorf("the blocked bridge has received %d messages, its Receive Maximum is 20", got)
	}
	b2.stop()
}

func TestABrokerThatRestartsLosesNothing(t *testing.T) {
	for name, end := range map[string]func(*brokertest.Broker){
		"stopped": (*brokertest.Broker).Stop,
		// It forgets the session, or what of it was not saved yet. The bridge stores what it had received.
		"killed": (*brokertest.Broker).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			broker := brokertest.Start(t)
			r := newRecorder()
			release := r.block()
			defer release()
			b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
			newDevice(t, broker.URL, "d1").sendCounts(10, 0, 50)
			<-r.waiting
			await(t, "500 messages", func() bool { return b.Stats().Received == 500 })
			end(broker)
			await(t, "the loss of the connection", func() bool { return !b.Connected() })
			broker.Restart()
			await(t, "the connection", b.Connected)
			release()
			newDevice(t, broker.URL, "d2").sendCounts(10, 50, 60)
			await(t, "600 messages", func() bool { return r.count() >= 600 })
			r.wantCounts(t, 10, 60)
			if name == "stopped" && b.Stats().Duplicates == 0 {
				t.Error("the broker repeated nothing: the scene shows nothing")
			}
		})
	}
}

func TestTheBridgeWaitsForABrokerThatIsNotThereYet(t *testing.T) {
	broker := brokertest.Start(t)
	broker.Stop()
	r := newRecorder()
	b := start(t, mqttbridge.Config{URL: broker.URL}, r, r)
	await(t, "a failed try", func() bool { return b.Err() != nil && strings.Contains(b.Err().Error(), "connection refused") })
	broker.Restart()
	await(t, "the connection", b.Connected)
	if err := b.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	newDevice(t, broker.URL, "d1").sendCounts(1, 0, 3)
	await(t, "3 messages", func() bool { return r.count() >= 3 })
}

func TestADatabaseThatFailsHoldsMessagesBackAndLosesNone(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	r.fail = errors.New("the disk is full")
	b := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 10}, r, r)
	newDevice(t, broker.URL, "d1").sendCounts(2, 0, 100)
	await(t, "some failures", func() bool { return b.Stats().Failures >= 3 })
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Err: %v", err)
	}
	if got := b.Stats().Received; got > 10 {
		t.Errorf("received %d messages, the Receive Maximum is 10", got)
	}
	r.set(func() { r.fail = nil })
	await(t, "200 messages", func() bool { return r.count() >= 200 })
	r.wantCounts(t, 2, 100)
	await(t, "health", func() bool { return b.Err() == nil })
}

func TestStopStoresAndAcknowledgesWhatWasReceived(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	release := r.block()
	b := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 30}, r, nil)
	newDevice(t, broker.URL, "d1").sendCounts(1, 0, 30)
	<-r.waiting
	await(t, "all messages", func() bool { return b.Stats().Received == 30 })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	release()
	<-stopped
	r.wantCounts(t, 1, 30)

	// A bridge that comes after it finds nothing left.
	next := connected(t, mqttbridge.Config{URL: broker.URL}, r, nil)
	newDevice(t, broker.URL, "d2").sendCounts(1, 30, 31)
	await(t, "the newest message", func() bool { return r.count() >= 31 })
	r.wantCounts(t, 1, 31)
	if stats := next.Stats(); stats.Received != 1 {
		t.Errorf("stats %+v", stats)
	}
}

func TestABridgeThatIsTakenOverStoresNothingMore(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	release := r.block()
	defer release()
	b, err := mqttbridge.New(mqttbridge.Config{URL: broker.URL, ClientID: "griphub", Rules: rules(t)}, r, r, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	await(t, "the connection", b.Connected)
	newDevice(t, broker.URL, "d1").sendCounts(1, 0, 30)
	<-r.waiting
	cancel(mqttbridge.ErrTakenOver)
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	release()
	if got := r.count(); got != 0 {
		t.Errorf("%d messages stored", got)
	}
	connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	await(t, "30 messages", func() bool { return r.count() >= 30 })
	r.wantCounts(t, 1, 30)
}

func TestABridgeWhoseLedgerAnotherHasWrittenStoresNothingMore(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	b, err := mqttbridge.New(mqttbridge.Config{URL: broker.URL, ClientID: "griphub", Rules: rules(t)}, r, r, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- b.Run(t.Context()) }()
	await(t, "the connection", b.Connected)
	d := newDevice(t, broker.URL, "d1")
	d.sendCounts(1, 0, 10)
	await(t, "10 messages", func() bool { return r.count() >= 10 })
	r.set(func() { r.marks["mqtt/griphub"] = []byte("another's") })
	d.sendCounts(1, 10, 30)
	if err := <-ended; !errors.Is(err, mqttbridge.ErrTakenOver) {
		t.Errorf("Run: %v", err)
	}
	if got := r.count(); got != 10 {
		t.Errorf("%d messages stored", got)
	}
	connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	await(t, "30 messages", func() bool { return r.count() >= 30 })
	r.wantCounts(t, 1, 30)
}

func TestMessagesWaitForABridgeThatIsAway(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	b.stop()
	newDevice(t, broker.URL, "d1").sendCounts(3, 0, 400)
	start(t, mqttbridge.Config{URL: broker.URL}, r, r)
	await(t, "1200 messages", func() bool { return r.count() >= 1200 })
	r.wantCounts(t, 3, 400)
}

func TestAMessageThatNoRuleMatchesHoldsUpNothing(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	first := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	first.stop()
	// A subscription that an older configuration has left in the session.
	subscribeInSession(t, broker.URL, "griphub", "other/#")
	b := connected(t, mqttbridge.Config{URL: broker.URL, ReceiveMaximum: 2}, r, r)
	d := newDevice(t, broker.URL, "d1")
	for i := range 10 {
		d.send(1, false, "other/topic", "x")
		d.sendCounts(1, i, i+1)
	}
	await(t, "10 messages", func() bool { return r.count() >= 10 })
	r.wantCounts(t, 1, 10)
	await(t, "the others", func() bool { return b.Stats().Unmatched == 10 })
}

func TestMessagesOfQoS0AreTakenButNotWaitedFor(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	release := r.block()
	defer release()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	d := newDevice(t, broker.URL, "d1")
	d.send(0, false, dataTopic(1), `{"n":0}`)
	<-r.waiting
	for i := range 1500 {
		d.send(0, false, dataTopic(0), fmt.Sprintf(`{"n":%d}`, i))
	}
	d.send(1, false, dataTopic(2), `{"n":0}`)
	await(t, "all messages", func() bool { return b.Stats().Received >= 1502 })
	if got := b.Stats().Dropped; got != 500 {
		t.Errorf("%d messages dropped", got)
	}
	release()
	await(t, "1002 messages", func() bool { return r.count() >= 1002 })
}

func TestRetainedMessagesComeOnceWithTheFirstSubscription(t *testing.T) {
	broker := brokertest.Start(t)
	d := newDevice(t, broker.URL, "d1")
	d.send(1, true, "things/pump/p/status", "online")
	r := newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	await(t, "the retained message", func() bool { return r.count() >= 1 })
	b.stop()
	next := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	d.sendCounts(1, 0, 1)
	await(t, "the newest message", func() bool { return r.count() >= 2 })
	if stats := next.Stats(); stats.Received != 1 {
		t.Errorf("stats %+v: the retained message came again", stats)
	}
}
