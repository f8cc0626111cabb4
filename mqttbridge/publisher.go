package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// A Publisher sends messages to a broker with QoS 1: each is repeated until the broker has acknowledged it.
type Publisher struct {
	dialer             *dialer
	clientID           string
	username, password string

	// filters are what it follows, none by default.
	filters []string
	renewed func()
	heard   func(topic string, payload []byte, retained bool)

	mu sync.Mutex
	// client is the current connection's, nil while there is none; ready is closed when there is one.
	client *paho.Client
	ready  chan struct{}
}

// NewPublisher checks the configuration, of which Rules and ReceiveMaximum do not matter. An empty ClientID leaves the name to
// the broker.
func NewPublisher(config Config) (*Publisher, error) {
	dialer, user, err := newDialer(&config)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	p := &Publisher{
		dialer: dialer, clientID: config.ClientID, username: config.Username, password: config.Password,
		ready: make(chan struct{}),
	}
	if p.username == "" && user != nil {
		p.username = user.Username()
		p.password, _ = user.Password()
	}
	return p, nil
}

// Follow makes the Publisher hear what others publish to topics of the filters, while it is connected. On each connection
// renewed is called first, and then heard with every message that the broker retains, and with those that come later.
// heard must not block. Follow must be called before Run.
func (p *Publisher) Follow(filters []string, renewed func(), heard func(topic string, payload []byte, retained bool)) {
	p.filters, p.renewed, p.heard = filters, renewed, heard
}

// Run connects, and connects again whenever the connection is lost, until ctx ends; then it returns nil. A broker that
// refuses the first connection by its own word, such as for a wrong password, is an error at once.
func (p *Publisher) Run(ctx context.Context) error {
	pause := newBackoff(200*time.Millisecond, 10*time.Second)
	for accepted := false; ctx.Err() == nil; {
		err := p.serve(ctx)
		var no *refusedError
		switch {
		case err == nil:
			accepted = true
			pause.reset()
		case errors.As(err, &no) && !accepted:
			return fmt.Errorf("mqtt: %w", no)
		}
		if !pause.wait(ctx) {
			break
		}
	}
	return nil
}

// A refusedError is a CONNACK that says no.
type refusedError struct{ reason byte }

func (e *refusedError) Error() string {
	return "the broker refuses the connection: " + reasonText(e.reason)
}

// serve is one connection, from its making to its end. The error is why it could not be made.
func (p *Publisher) serve(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	wire, err := p.dialer.dial(within, context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: wire, PacketTimeout: connectWithin, OnPublishReceived: []func(paho.PublishReceived) (bool, error){p.receive},
	})
	connack, err := client.Connect(within, &paho.Connect{
		ClientID: p.clientID, CleanStart: true, KeepAlive: keepAliveSeconds,
		UsernameFlag: p.username != "", Username: p.username,
		PasswordFlag: p.password != "", Password: []byte(p.password),
	})
	if connack != nil && connack.ReasonCode != 0 {
		err = &refusedError{connack.ReasonCode}
	}
	if err != nil {
		return errors.Join(err, wire.Close())
	}
	if err := p.follow(within, client); err != nil {
		return errors.Join(err, wire.Close())
	}
	p.set(client)
	select {
	case <-client.Done():
		p.set(nil)
	case <-ctx.Done():
		p.set(nil)
		_ = client.Disconnect(&paho.Disconnect{})
	}
	return nil
}

// follow subscribes.
func (p *Publisher) follow(ctx context.Context, client *paho.Client) error {
	if len(p.filters) == 0 {
		return nil
	}
	p.renewed()
	var list []paho.SubscribeOptions
	for _, filter := range p.filters {
		list = append(list, paho.SubscribeOptions{Topic: filter, QoS: 1, NoLocal: true})
	}
	answer, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: list})
	if answer != nil {
		for i, reason := range answer.Reasons {
			if reason >= 0x80 && i < len(p.filters) {
				return fmt.Errorf("subscribe to %s: %s", p.filters[i], reasonText(reason))
			}
		}
	}
	return err
}

func (p *Publisher) receive(r paho.PublishReceived) (bool, error) {
	if p.heard != nil {
		p.heard(r.Packet.Topic, r.Packet.Payload, r.Packet.Retain)
	}
	return true, nil
}

func (p *Publisher) set(client *paho.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client = client; client != nil {
		close(p.ready)
	} else {
		p.ready = make(chan struct{})
	}
}

// Publish sends a message and returns when the broker has acknowledged it. Without a connection it waits for one, and a
// message whose acknowledgement was lost is sent again, until ctx ends. A refusal by the broker is an error at once.
func (p *Publisher) Publish(ctx context.Context, topic string, payload []byte) error {
	return p.send(ctx, &paho.Publish{Topic: topic, Payload: payload, QoS: 1})
}

// Retain is Publish for a message that the broker keeps for those who subscribe later.
func (p *Publisher) Retain(ctx context.Context, topic string, payload []byte) error {
	return p.send(ctx, &paho.Publish{Topic: topic, Payload: payload, QoS: 1, Retain: true})
}

// A Request is a message that asks for an answer (MQTT 5, section 4.10).
type Request struct {
	Topic   string
	Payload []byte
	// ResponseTopic is where the answer is expected, and Correlation what it has to bring along.
	ResponseTopic, Correlation string
	// Expiry is how long the broker keeps it for who is away, in whole seconds, at least one.
	Expiry time.Duration
}

// Request is Publish for a Request.
func (p *Publisher) Request(ctx context.Context, r Request) error {
	seconds := uint32(max(1, (r.Expiry+time.Second-1)/time.Second))
	return p.send(ctx, &paho.Publish{Topic: r.Topic, Payload: r.Payload, QoS: 1, Properties: &paho.PublishProperties{
		MessageExpiry: &seconds, ResponseTopic: r.ResponseTopic, CorrelationData: []byte(r.Correlation),
	}})
}

func (p *Publisher) send(ctx context.Context, message *paho.Publish) error {
	for {
		p.mu.Lock()
		client, ready := p.client, p.ready
		p.mu.Unlock()
		if client == nil {
			select {
			case <-ready:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		copied := *message
		answer, err := client.Publish(ctx, &copied)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case answer != nil && answer.ReasonCode >= 0x80:
			return fmt.Errorf("mqtt: publish to %s: %s", message.Topic, reasonText(answer.ReasonCode))
		}
		// The connection is gone or going; the next one tries again.
		select {
		case <-client.Done():
		case <-time.After(connectWithin):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
