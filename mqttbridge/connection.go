package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"

	"github.com/griphub/griphub/channels"
)

const (
	keepAliveSeconds = 20
	// connectWithin bounds the way to the CONNACK, and the answer to SUBSCRIBE.
	connectWithin = 10 * time.Second
	// settleWithin bounds the wait for the broker to read the last acknowledgements.
	settleWithin = 2 * time.Second
	// writeWithin bounds the write of acknowledgements to a broker that does not read.
	writeWithin = 10 * time.Second
	// sessionSeconds is how long the broker keeps the session, and what arrives for it, while nobody is connected: a week.
	sessionSeconds = 7 * 24 * 3600
	// maxPacketBytes is the largest packet that the broker may send. Payloads that are too long for an event, but not for
	// this, are refused and can be looked at; the broker keeps the longer ones to itself.
	maxPacketBytes = 256 << 10
)

// A connection is one connection to the broker from CONNECT to its end, and so the place where its
// acknowledgements go. After a lost connection a late one finds a closed wire, and the broker sends the message again.
type connection struct {
	wire   *wire
	pinger *pinger
	client *paho.Client
	rules  Rules
	intake *intake
	log    *slog.Logger
	// gone is closed when the connection is lost, before paho waits for its handlers.
	gone chan struct{}
	// ended gets the reason, after paho has stopped.
	ended chan error
}

// connect opens a connection and sends CONNECT. Messages of a session that the broker has kept flow from now on.
func (b *Bridge) connect(ctx context.Context) (*connection, *paho.Connack, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	wire, err := b.dialer.dial(ctx, context.WithoutCancel(ctx))
	if err != nil {
		return nil, nil, err
	}
	c := &connection{
		wire:   wire,
		pinger: newPinger(wire, func() bool { return b.intake.holding.Load() > 0 }),
		rules:  b.rules,
		intake: b.intake,
		log:    b.log,
		gone:   make(chan struct{}),
		ended:  make(chan error, 1),
	}
	c.client = paho.NewClient(paho.ClientConfig{
		Conn:               wire,
		Session:            newSession(c.gone),
		OnPublishReceived:  []func(paho.PublishReceived) (bool, error){c.receive},
		OnClientError:      c.end,
		OnServerDisconnect: func(d *paho.Disconnect) { c.end(disconnectError(d)) },
		PingHandler:        c.pinger,
		PacketTimeout:      connectWithin,
	})
	connack, err := c.client.Connect(ctx, b.packet())
	switch {
	case connack != nil && connack.ReasonCode != 0:
		if err == nil {
			c.disconnect()
		}
		return nil, nil, connackError(connack.ReasonCode, err)
	case errors.Is(err, io.EOF):
		return nil, nil, errors.New("the broker closed the connection without an answer; does it speak MQTT 5?")
	case err != nil:
		return nil, nil, err
	}
	return c, connack, nil
}

// packet makes the CONNECT packet: no clean start, so that a session goes on.
func (b *Bridge) packet() *paho.Connect {
	receiveMaximum, expiry, size := b.receiveMaximum, uint32(sessionSeconds), uint32(maxPacketBytes)
	return &paho.Connect{
		ClientID:     b.clientID,
		KeepAlive:    keepAliveSeconds,
		UsernameFlag: b.username != "",
		Username:     b.username,
		PasswordFlag: b.password != "",
		Password:     []byte(b.password),
		Properties: &paho.ConnectProperties{
			ReceiveMaximum:        &receiveMaximum,
			SessionExpiryInterval: &expiry,
			MaximumPacketSize:     &size,
			RequestProblemInfo:    true,
		},
	}
}

// end notes why the connection ended; the first reason counts.
func (c *connection) end(err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("the broker closed the connection without a reason; Mosquitto does when another client connects with the same client id")
	}
	select {
	case c.ended <- err:
	default:
	}
}

// subscribe asks for the rules' topics. It is done on each connection, since a session tells nothing of its
// subscriptions; retained messages come only with the first unless a decoder needs them (Retain Handling 1, MQTT 5 section 3.8.3.1).
func (c *connection) subscribe(ctx context.Context) error {
	filters := c.rules.Filters()
	request := &paho.Subscribe{}
	handling := byte(1)
	if c.rules.remembers {
		handling = 0 // also in a session that goes on, a decoder begins anew
	}
	for _, filter := range filters {
		request.Subscriptions = append(request.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1, RetainHandling: handling})
	}
	suback, err := c.client.Subscribe(ctx, request)
	if suback == nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for i, reason := range suback.Reasons {
		switch {
		case i >= len(filters):
		case reason >= 0x80:
			return fmt.Errorf("subscribe to %s: %s", filters[i], reasonText(reason))
		case reason == 0:
			c.log.Warn("the broker grants only QoS 0: messages may be lost", "topic", filters[i])
		}
	}
	return nil
}

// traceProperty is the user property that names the sender's trace (W3C Trace Context for MQTT, section 3).
const traceProperty = "traceparent"

// receive takes a message from paho. It returns at once unless the queue is full.
func (c *connection) receive(received paho.PublishReceived) (bool, error) {
	p := received.Packet
	m, matched := c.rules.Message(p.Topic)
	m.Payload, m.Retained, m.Received = p.Payload, p.Retain, time.Now()
	if p.Properties != nil {
		m.Correlation = string(p.Properties.CorrelationData)
		m.Trace = channels.ParseTrace(p.Properties.User.Get(traceProperty))
	}
	d := delivery{message: m, matched: matched, from: c, lossy: p.QoS == 0, redelivered: p.Duplicate()}
	if p.QoS > 0 {
		d.packet = p.PacketID
		d.mark = newMark("", p.PacketID, p.Topic, p.Payload)
	}
	c.intake.put(d, c.gone)
	return true, nil
}

// acknowledge sends a PUBACK for each message, and a PINGREQ behind them: the PINGRESP tells that the broker has read all. There
// is no other QoS than 1, since that is what the bridge subscribes with.
func (c *connection) acknowledge(answered []delivery) (fence uint64) {
	fence, err := c.pinger.send(appendAnswers(nil, packets.PUBACK, answered))
	if err != nil {
		// paho reads the end of the connection; the broker repeats what it has no answer for.
		_ = c.wire.Close()
	}
	return fence
}

// confirmed tells that the broker has read the acknowledgements up to the fence.
func (c *connection) confirmed(fence uint64) bool { return c.pinger.answeredTo(fence) }

// appendAnswers appends a packet of the kind, PUBACK or PUBREC, for each message. Without reason code and properties it means
// success, in every version of the protocol (MQTT 5, section 3.4.2.1).
func appendAnswers(b []byte, kind byte, answered []delivery) []byte {
	b = slices.Grow(b, 4*len(answered))
	for i := range answered {
		id := answered[i].packet
		b = append(b, kind<<4, 2, byte(id>>8), byte(id))
	}
	return b
}

// disconnect says goodbye, and waits for paho to end. The session stays at the broker.
func (c *connection) disconnect() {
	_ = c.client.Disconnect(&paho.Disconnect{ReasonCode: 0})
}

// wait waits for the end of the connection and returns the reason; nil where ctx ended before.
func (c *connection) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.ended:
		<-c.client.Done()
		return err
	}
}

// A session is paho's, in which an acknowledgement is no business of paho's: it would come when the handler returns,
// or from a timer that nothing can wait for.
type session struct {
	*state.State
	once sync.Once
	gone chan struct{}
}

func newSession(gone chan struct{}) *session {
	return &session{State: state.NewInMemory(), gone: gone}
}

// Ack does nothing; see connection.acknowledge.
func (s *session) Ack(*packets.Publish) error { return nil }

// ConnectionLost is where paho says so first.
func (s *session) ConnectionLost(d *packets.Disconnect) error {
	s.once.Do(func() { close(s.gone) })
	return s.State.ConnectionLost(d)
}
