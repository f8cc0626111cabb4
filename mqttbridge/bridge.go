package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/griphub/griphub/devices"
)

// DefaultReceiveMaximum is how many messages a broker may have sent and not seen acknowledged, which bounds what waits in
// memory and what comes again after a crash.
const DefaultReceiveMaximum = 512

// bridgeLedger is the number of packet identifiers; settled is explained in ledger.
const (
	bridgeLedger = 65535
	settled      = 1000
)

// Config says where the broker is and what to read from it.
type Config struct {
	// URL is the broker's: mqtt, mqtts, ws or wss. It may have a user name and a password.
	URL string
	// ClientID names the session at the broker. Messages that arrive while the bridge is away wait under this name, so
	// it stays the same; and one bridge at a time uses it.
	ClientID string
	// Username and Password, if any, go before those of URL.
	Username, Password string
	// CAFile has the certificates, in PEM form, that the broker's is checked against; empty for the system's.
	CAFile string
	// CertFile and KeyFile are the client's certificate and its key, in PEM form; both or neither.
	CertFile, KeyFile string
	// Rules tell what to subscribe to.
	Rules Rules
	// ReceiveMaximum bounds unacknowledged messages; 0 for DefaultReceiveMaximum.
	ReceiveMaximum uint16
}

// A Bridge keeps a session at a broker and hands its messages to a Processor. Each message is stored at least once,
// in the order in which the broker sends those of a topic; and once, as far as the ledger of deliveries tells.
type Bridge struct {
	dialer             *dialer
	clientID           string
	username, password string
	rules              Rules
	receiveMaximum     uint16
	intake             *intake
	log                *slog.Logger
}

// New checks the configuration and reads its files. marks keeps the ledger of deliveries over a crash, and then every
// batch has a devices.Mark; nil does without, so that after a crash as many messages as ReceiveMaximum may be stored
// twice.
func New(config Config, processor Processor, marks devices.Marks, log *slog.Logger) (*Bridge, error) {
	dialer, user, err := newDialer(&config)
	switch {
	case err != nil:
		return nil, fmt.Errorf("mqtt: %w", err)
	case config.ClientID == "":
		return nil, errors.New("mqtt: client_id: empty; the broker could not keep a session")
	case len(config.Rules.filters) == 0:
		return nil, errors.New("mqtt: topics: there is no rule")
	}
	b := &Bridge{
		dialer:         dialer,
		clientID:       config.ClientID,
		username:       config.Username,
		password:       config.Password,
		rules:          config.Rules,
		receiveMaximum: config.ReceiveMaximum,
		log:            log,
	}
	if b.username == "" && user != nil {
		b.username = user.Username()
		b.password, _ = user.Password()
	}
	if b.receiveMaximum == 0 {
		b.receiveMaximum = DefaultReceiveMaximum
	}
	b.intake = newIntake(processor, marks, "mqtt/"+config.ClientID, newLedger(bridgeLedger, settled), log)
	b.intake.health.setBroker(false, errors.New("mqtt: not connected yet"))
	return b, nil
}

// Connected tells whether the subscriptions stand, so that messages flow.
func (b *Bridge) Connected() bool { return b.intake.health.isConnected() }

// Err returns why there is no connection, or why the newest batch could not be stored yet; nil where all is well.
func (b *Bridge) Err() error { return b.intake.health.err() }

// Stats returns the counts so far.
func (b *Bridge) Stats() Stats { return b.intake.counters.stats(len(b.intake.queue)) }

// Report has the messages processed in their turn, behind all that has come in from the broker. It returns when they are
// queued; a full queue holds it up.
func (b *Bridge) Report(ctx context.Context, messages []devices.Message) error {
	return b.intake.report(ctx, messages)
}

// Run connects, and connects again whenever the connection is lost, until ctx ends. Then it takes no more messages,
// stores and acknowledges those it has, says goodbye to the broker and returns nil. Where the cause of ctx's end is
// ErrTakenOver, it stores nothing more. It returns ErrTakenOver as soon as the ledger shows that another bridge of the name
// has stored messages meanwhile. It may be called once.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	drained := make(chan struct{})
	var takenOver error
	go func() {
		defer close(drained)
		takenOver = b.intake.run(ctx)
		end(takenOver)
	}()
	// longEnough is how long a connection has to last before the next one may come at once. Two bridges of one client
	// id would otherwise take the session from each other without a pause.
	const longEnough = 10 * time.Second
	pause := newBackoff(500*time.Millisecond, 30*time.Second)
	for ctx.Err() == nil {
		start := time.Now()
		if err := b.serve(ctx, drained); err != nil {
			err = fmt.Errorf("mqtt: %s: %w", b.dialer.url.Redacted(), err)
			b.intake.health.setBroker(false, err)
			b.log.Warn("no connection to the broker", "error", err)
		}
		if time.Since(start) >= longEnough {
			pause.reset()
		}
		if !pause.wait(ctx) {
			break
		}
	}
	<-drained
	b.intake.health.setBroker(false, errors.New("mqtt: stopped"))
	return takenOver
}

// serve is one connection. It returns the reason of its end, nil where that is the end of ctx.
func (b *Bridge) serve(ctx context.Context, drained <-chan struct{}) error {
	c, connack, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer c.disconnect()
	b.intake.counters.connections.Add(1)
	if !connack.SessionPresent {
		b.intake.put(delivery{renewed: true}, c.gone)
	}
	if err := c.subscribe(ctx); err != nil {
		return err
	}
	b.intake.health.setBroker(true, nil)
	b.log.Info("connected to the broker", "url", b.dialer.url.Redacted(), "session", connack.SessionPresent)
	err = c.wait(ctx)
	b.intake.health.setBroker(false, err)
	if err == nil {
		// Acknowledgements of what is committed last go out before the goodbye. A connection that is closed while
		// something is still to be read takes with it what the broker has not read yet (RFC 1122, section 4.2.2.13).
		<-drained
		c.pinger.settle(c.gone, settleWithin)
	}
	return err
}
