package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

// A bridgedHub is the part of a hub that takes messages, on a store that can fail.
type bridgedHub struct {
	*electedBridge
	db   *failingStore
	stop func()
}

// A failingStore is a store whose Append fails on demand, and whose leader may not hear that it leads no more.
type failingStore struct {
	store.Store
	// fails, if any, is asked before a batch with a mark, and tells whether it is stored and with what error Append ends.
	fails atomic.Pointer[func() (stored bool, err error)]
	// deaf makes the next leader one that nobody else knows of, and that nobody tells that its time is over, as a
	// process is that stood still since before its connection broke.
	deaf atomic.Bool
}

func (s *failingStore) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	if fails := s.fails.Load(); fails != nil {
		for _, state := range batch.State {
			if _, ok := state.(devices.Mark); !ok {
				continue
			}
			if stored, err := (*fails)(); err != nil {
				if stored {
					_, lost := s.Store.Append(ctx, batch)
					err = errors.Join(err, lost)
				}
				return nil, err
			}
		}
	}
	return s.Store.Append(ctx, batch)
}

func (s *failingStore) Lead(ctx context.Context, name string) (context.Context, func(), error) {
	if s.deaf.CompareAndSwap(true, false) {
		return ctx, func() {}, nil
	}
	return s.Store.Lead(ctx, name)
}

// failBy makes the hub's store fail, nil for no more.
func (h *bridgedHub) failBy(how func() (stored bool, err error)) {
	if how == nil {
		h.db.fails.Store(nil)
		return
	}
	h.db.fails.Store(&how)
}

// startBridge runs one until stop or the end of the test.
func startBridge(t *testing.T, database string, broker *brokertest.Broker, prepare func(*bridgedHub)) *bridgedHub {
	t.Helper()
	db, err := store.Open(t.Context(), database, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mqttbridge.ParseRules([]mqttbridge.Rule{
		{Topic: "things/{device_type}/{device_id}/data", Kind: devices.KindData, ID: "id"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &bridgedHub{db: &failingStore{Store: db}}
	publisher := channels.NewPublisher(h.db, channels.Rules{{Match: "**"}}, noSink{}, time.Now)
	processor := devices.NewProcessor(publisher, h.db, devices.Options{})
	cfg := mqttbridge.Config{URL: broker.URL, ClientID: "griphub", Rules: rules}
	monitor := func(source devices.Source) *devices.Monitor {
		return devices.NewMonitor(source, h.db, devices.MonitorOptions{Overdue: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	}
	if h.electedBridge, err = newElectedBridge(cfg, processor, h.db, nil, monitor, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(h)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	publishing, endPublishing := context.WithCancel(context.WithoutCancel(t.Context()))
	published := make(chan error, 1)
	go func() { published <- publisher.Run(publishing) }()
	go func() {
		defer close(done)
		if err := h.Run(ctx); err != nil {
			t.Errorf("the bridge ended: %v", err)
		}
	}()
	stopped := false
	h.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-done
		endPublishing()
		if err := errors.Join(<-published, db.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(h.stop)
	return h
}

type noSink struct{}

func (noSink) Send([]channels.Event) {}

func awaitThat(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(scenePatience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", scenePatience, what)
		}
	}
}

// deviceOf returns what publishes messages without ids, {"n":first} to {"n":last-1}.
func deviceOf(t *testing.T, broker *brokertest.Broker) (send func(first, last int)) {
	t.Helper()
	conn, err := net.Dial("tcp", broker.Addr)
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: scenePatience})
	if _, err := client.Connect(t.Context(), &paho.Connect{ClientID: "p1", CleanStart: true, KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(&paho.Disconnect{}) })
	return func(first, last int) {
		t.Helper()
		for n := first; n < last; n++ {
			if _, err := client.Publish(t.Context(), &paho.Publish{
				Topic: "things/pump/p1/data", QoS: 1, Payload: fmt.Appendf(nil, `{"n":%d}`, n),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// inLog reads the numbers of the device's messages, in the log's order.
func inLog(t *testing.T, db store.Store) []string {
	t.Helper()
	pages, err := db.Read(t.Context(), channels.Cursor{{Channel: "iot_pump_p1"}}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range pages[0].Events {
		_, number, _ := strings.Cut(string(pages[0].Events[i].Data), `"n":`)
		number, _, _ = strings.Cut(number, "}")
		all = append(all, number)
	}
	return all
}

// wantLog demands that the log has 0 to count-1, each once and in order.
func wantLog(t *testing.T, db store.Store, count int) {
	t.Helper()
	var want []string
	for n := range count {
		want = append(want, fmt.Sprint(n))
	}
	if got := inLog(t, db); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the log has %v, want 0 to %d", got, count-1)
	}
}

// A bridge that stood still while another took over from it stores nothing twice when it goes on, though its messages have no
// ids; and it may lead again.
func TestALeaderThatWasSupersededStoresNothingMore(t *testing.T) {
	var server pgtest.Server
	t.Cleanup(server.Stop)
	database := server.Database(t)
	broker := brokertest.Start(t)
	send := deviceOf(t, broker)

	down := func() (bool, error) { return false, errors.New("the database is away") }
	old := startBridge(t, database, broker, func(h *bridgedHub) { h.db.deaf.Store(true) })
	awaitThat(t, "the first bridge is connected", old.Connected)
	send(0, 10)
	awaitThat(t, "the first messages are stored", func() bool { return old.Stats().Stored == 10 })
	old.failBy(down)
	send(10, 60)
	awaitThat(t, "the first bridge holds messages that it cannot store", func() bool {
		stats := old.Stats()
		return stats.Received == 60 && stats.Failures > 0
	})

	next := startBridge(t, database, broker, nil)
	awaitThat(t, "the second bridge has stored what the first one holds", func() bool { return next.Stats().Stored == 50 })
	old.failBy(nil)
	awaitThat(t, "the first bridge has ended its term", func() bool { return !old.Connected() && old.Err() == nil })
	send(60, 70)
	awaitThat(t, "the newest messages are stored", func() bool { return len(inLog(t, next.db)) >= 70 })
	wantLog(t, next.db, 70)

	next.stop()
	awaitThat(t, "the first bridge leads again", old.Connected)
	send(70, 80)
	awaitThat(t, "the newest messages are stored", func() bool { return len(inLog(t, old.db)) >= 80 })
	wantLog(t, old.db, 80)
}

// A transaction whose answer was lost, so that nobody knows what became of it, is tried again and stores nothing twice.
func TestACommitWhoseFateIsUnknownIsTriedAgainAndStoredOnce(t *testing.T) {
	var server pgtest.Server
	t.Cleanup(server.Stop)
	for kind, database := range map[string]string{
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "griphub.db"), "postgres": server.Database(t),
	} {
		t.Run(kind, func(t *testing.T) {
			broker := brokertest.Start(t)
			send := deviceOf(t, broker)
			h := startBridge(t, database, broker, nil)
			awaitThat(t, "the bridge is connected", h.Connected)
			var failures atomic.Int32
			h.failBy(func() (stored bool, err error) {
				// Every other one is stored, and each batch fails now and then.
				if n := failures.Add(1); n%3 != 0 {
					return n%2 == 0, errors.New("the answer is lost")
				}
				return false, nil
			})
			for n := range 10 {
				send(10*n, 10*n+10)
			}
			awaitThat(t, "all messages are stored", func() bool { return h.Stats().Stored == 100 })
			wantLog(t, h.db, 100)
		})
	}
}
