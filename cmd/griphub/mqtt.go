package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/store"
)

// A deviceSource is where the messages of devices come from: a session at a broker, or dev's own broker.
type deviceSource interface {
	// Run takes messages until ctx ends.
	Run(ctx context.Context) error
	// Connected tells whether messages flow.
	Connected() bool
	// Err is why they do not, nil where all is well.
	Err() error
	Stats() mqttbridge.Stats
}

// newMonitor makes the monitor of the devices that a source brings messages of.
type newMonitor func(devices.Source) *devices.Monitor

func bridgeConfig(cfg config.Config) (mqttbridge.Config, error) {
	topics, err := topicRules(cfg)
	if err != nil {
		return mqttbridge.Config{}, err
	}
	m := cfg.MQTT
	return mqttbridge.Config{
		URL: string(m.URL), ClientID: m.ClientID, Username: m.Username, Password: string(m.Password),
		CAFile: m.CAFile, CertFile: m.CertFile, KeyFile: m.KeyFile, Rules: topics,
	}, nil
}

// An electedBridge keeps a session at the broker while this process is the leader among all that share the
// database: two readers of one session would throw each other out.
type electedBridge struct {
	config    mqttbridge.Config
	processor *devices.Processor
	db        store.Store
	watchman  *watchman // nil for none
	monitor   newMonitor
	log       *slog.Logger

	mu      sync.Mutex
	made    time.Time
	current *mqttbridge.Bridge // nil while another process leads
	past    mqttbridge.Stats   // of bridges that have ended
}

// newElectedBridge checks the configuration.
func newElectedBridge(cfg mqttbridge.Config, p *devices.Processor, db store.Store, w *watchman, m newMonitor, log *slog.Logger) (*electedBridge, error) {
	e := &electedBridge{config: cfg, processor: p, db: db, watchman: w, monitor: m, log: log, made: time.Now()}
	_, err := e.bridge()
	return e, err
}

func (e *electedBridge) bridge() (*mqttbridge.Bridge, error) {
	return mqttbridge.New(e.config, e.processor, e.db, e.log)
}

// leadAgain is the pause before the next try to lead, after one has failed.
const leadAgain = time.Second

// Run leads and bridges, again and again, until ctx ends.
func (e *electedBridge) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := e.term(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("MQTT bridge", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(leadAgain):
			}
		}
	}
	return nil
}

// term is one leadership.
func (e *electedBridge) term(ctx context.Context) error {
	leading, release, err := e.db.Lead(ctx, "mqtt/"+e.config.ClientID)
	if err != nil {
		return err
	}
	defer release()
	// Another process may have led before, and written.
	e.processor.Forget()
	bridge, err := e.bridge()
	if err != nil {
		return err
	}
	e.set(bridge)
	defer e.set(nil)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A bridge whose leadership is lost must not store what it has: another may have it too.
	defer context.AfterFunc(leading, func() { cancel(mqttbridge.ErrTakenOver) })()
	if err := attended(ctx, e.watchman, e.monitor(bridge), bridge.Run); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// attended runs the source of devices' messages, its monitor and, unless it is nil, the watchman until ctx ends or one of
// them does.
func attended(ctx context.Context, w *watchman, m *devices.Monitor, source func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source(ctx) })
	g.Go(func() error { return m.Run(ctx) })
	if w != nil {
		g.Go(func() error { return w.run(ctx) })
	}
	return g.Wait()
}

func (e *electedBridge) set(b *mqttbridge.Bridge) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != nil {
		e.past = addStats(e.past, e.current.Stats())
	}
	e.current = b
}

func (e *electedBridge) get() *mqttbridge.Bridge {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

func (e *electedBridge) Connected() bool {
	b := e.get()
	return b != nil && b.Connected()
}

// leadSoon is how long a process may take to find that nobody else leads. Whoever publishes because this one is ready must
// not be ahead of its session at the broker.
const leadSoon = 5 * time.Second

// Err is nil also while another process leads: this one serves viewers all the same.
func (e *electedBridge) Err() error {
	switch b := e.get(); {
	case b != nil:
		return b.Err()
	case time.Since(e.made) < leadSoon:
		return errors.New("mqtt: finding out whether another process leads")
	}
	return nil
}

func (e *electedBridge) Stats() mqttbridge.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil {
		return e.past
	}
	return addStats(e.past, e.current.Stats())
}

func addStats(a, b mqttbridge.Stats) mqttbridge.Stats {
	return mqttbridge.Stats{
		Received: a.Received + b.Received, Stored: a.Stored + b.Stored, Duplicates: a.Duplicates + b.Duplicates,
		Unmatched: a.Unmatched + b.Unmatched, Dropped: a.Dropped + b.Dropped, Batches: a.Batches + b.Batches,
		Failures: a.Failures + b.Failures, Connections: a.Connections + b.Connections, Waiting: b.Waiting,
	}
}

// A devBroker is the broker of `griphub dev`.
type devBroker struct {
	*mqttbridge.Broker
	watchman *watchman // nil for none
	monitor  newMonitor
}

func newDevBroker(address string, rules mqttbridge.Rules, p *devices.Processor, db store.Store, w *watchman, m newMonitor, log *slog.Logger) (devBroker, error) {
	broker, err := mqttbridge.NewBroker(address, rules, p, db, log)
	return devBroker{broker, w, m}, err
}

// Run names the flag that helps where the port is taken.
func (b devBroker) Run(ctx context.Context) error {
	err := attended(ctx, b.watchman, b.monitor(b.Broker), b.Broker.Run)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("cannot listen on %s: address already in use; choose another with --mqtt-port", b.Addr())
	}
	return err
}
