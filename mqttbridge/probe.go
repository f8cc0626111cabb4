package mqttbridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/mochi-mqtt/server/v2"
)

// Why a broker does not let a Probe in. Test with errors.Is; any other error of connecting is the network's or TLS's.
var (
	// ErrCredentials tells that the broker does not accept the user name and password, or the certificate.
	ErrCredentials = errors.New("the broker does not let this user in")
	// ErrNotMQTT5 tells that what answers does not speak MQTT 5.
	ErrNotMQTT5 = errors.New("no MQTT 5 is spoken there")
)

// A Probe asks a broker for what a Bridge needs of it. It does so as a client of its own, with sessions that are gone
// afterwards: the Bridge's session and its messages stay as they are.
type Probe struct {
	dialer             *dialer
	username, password string
	rules              Rules
	// name is the client id, and with it the topic of the messages that the Probe sends itself.
	name string
}

// NewProbe checks the configuration, of which ClientID and ReceiveMaximum do not matter.
func NewProbe(config Config) (*Probe, error) {
	dialer, user, err := newDialer(&config)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	p := &Probe{
		dialer: dialer, username: config.Username, password: config.Password, rules: config.Rules, name: probeName(),
	}
	if p.username == "" && user != nil {
		p.username = user.Username()
		p.password, _ = user.Password()
	}
	return p, nil
}

const probePrefix = "griphub-doctor-"

// probeName is a client id that nobody else has. It has the 23 bytes that every broker takes (MQTT 5, section 3.1.3.1).
func probeName() string { return probePrefix + strings.ToLower(rand.Text()[:8]) }

// Topic is where the Probe sends messages to itself: griphub/doctor/{name}. Other subscribers whose filters match see them.
func (p *Probe) Topic() string { return "griphub/doctor/" + strings.TrimPrefix(p.name, probePrefix) }

// Grants are what a broker allows its clients.
type Grants struct {
	// Version is what the broker calls itself in $SYS/broker/version; empty where it does not say.
	Version string
	// SessionExpiry is how long the broker keeps the session of a Bridge that is away, as far as it says; a Bridge asks for
	// WantedSessionExpiry.
	SessionExpiry time.Duration
	// ReceiveMaximum is how many unacknowledged messages the broker takes from a client.
	ReceiveMaximum uint16
	// MaxPacketBytes is the largest packet that the broker takes; 0 where it sets no limit.
	MaxPacketBytes uint32
	// Retained and Wildcards tell whether there are retained messages, and subscriptions with wildcards.
	Retained, Wildcards bool
	// Filters has an entry for each topic filter of the rules.
	Filters []FilterGrant
}

// Development tells whether this looks like a Broker: it takes messages by itself, and grants subscribers QoS 0 only.
func (g Grants) Development() bool {
	return g.Version == mqtt.Version && !slices.ContainsFunc(g.Filters, func(f FilterGrant) bool { return f.QoS > 0 || f.Err != nil })
}

// FilterGrant is the broker's answer to a subscription.
type FilterGrant struct {
	Filter string
	// QoS is what was granted; a Bridge asks for 1.
	QoS byte
	// Err is why nothing was granted, nil otherwise.
	Err error
}

// WantedSessionExpiry is how long a Bridge wants its session, and what arrives for it, to be kept while it is away.
const WantedSessionExpiry = sessionSeconds * time.Second

// Grants connects, subscribes to the rules' filters for a moment, without retained messages, and disconnects. The error is why
// it could not connect; ErrCredentials and ErrNotMQTT5 are among the reasons.
func (p *Probe) Grants(ctx context.Context) (Grants, error) {
	versions := make(chan string, 1)
	g, err := p.connect(ctx, true, sessionSeconds, func(topic string, payload []byte) {
		if topic == versionTopic {
			select {
			case versions <- string(payload):
			default:
			}
		}
	})
	if err != nil {
		return Grants{}, err
	}
	defer g.leave(true)
	grants := g.grants()
	if grants.Version, err = g.version(ctx, versions); err != nil {
		return Grants{}, err
	}
	for _, filter := range p.rules.Filters() {
		// Retain Handling 2: no retained messages (MQTT 5, section 3.8.3.1).
		qos, err := g.subscribe(ctx, paho.SubscribeOptions{Topic: filter, QoS: 1, RetainHandling: 2})
		grants.Filters = append(grants.Filters, FilterGrant{filter, qos, err})
		if err == nil {
			_, _ = g.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{filter}}) // the session ends soon in any case
		}
	}
	return grants, ctx.Err()
}

// A guest is one connection of a Probe.
type guest struct {
	client  *paho.Client
	connack *paho.Connack
}

// connect opens a connection with the session of the Probe's name, which the broker keeps for the seconds of expiry when
// the connection is gone. take gets every message.
func (p *Probe) connect(ctx context.Context, clean bool, expiry uint32, take func(topic string, payload []byte)) (*guest, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	wire, err := p.dialer.dial(ctx, context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	g := &guest{client: paho.NewClient(paho.ClientConfig{
		Conn: wire,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(received paho.PublishReceived) (bool, error) {
			take(received.Packet.Topic, received.Packet.Payload)
			return true, nil
		}},
		PacketTimeout: connectWithin,
	})}
	size := uint32(maxPacketBytes)
	g.connack, err = g.client.Connect(ctx, &paho.Connect{
		ClientID: p.name, CleanStart: clean, KeepAlive: keepAliveSeconds,
		UsernameFlag: p.username != "", Username: p.username,
		PasswordFlag: p.password != "", Password: []byte(p.password),
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry, MaximumPacketSize: &size, RequestProblemInfo: true},
	})
	switch {
	case g.connack != nil && g.connack.ReasonCode != 0:
		if err == nil {
			_ = g.client.Disconnect(&paho.Disconnect{})
		}
		return nil, refusal(g.connack.ReasonCode, connackError(g.connack.ReasonCode, err))
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: the connection was closed without an answer", ErrNotMQTT5)
	case err != nil:
		return nil, err
	}
	return g, nil
}

// refusal says what kind of error the CONNACK is; the codes below 0x80 are those of MQTT 3.1.1, section 3.2.2.3.
func refusal(code byte, err error) error {
	switch code {
	case 0x86, 0x87, 0x8a, 0x8c, 0x04, 0x05:
		return fmt.Errorf("%w: %w", ErrCredentials, err)
	case 0x84, 0x01:
		return fmt.Errorf("%w: %w", ErrNotMQTT5, err)
	}
	return err
}

// leave disconnects; with forget, the session ends at once.
func (g *guest) leave(forget bool) {
	goodbye := &paho.Disconnect{}
	if forget {
		none := uint32(0)
		goodbye.Properties = &paho.DisconnectProperties{SessionExpiryInterval: &none}
	}
	_ = g.client.Disconnect(goodbye)
}

func (g *guest) grants() Grants {
	properties := g.connack.Properties
	grants := Grants{
		// What is absent is granted as asked for (MQTT 5, sections 3.2.2.3.2 to 3.2.2.3.11).
		SessionExpiry: WantedSessionExpiry, ReceiveMaximum: 65535, Retained: true, Wildcards: true,
	}
	if properties == nil {
		return grants
	}
	if properties.SessionExpiryInterval != nil {
		grants.SessionExpiry = time.Duration(*properties.SessionExpiryInterval) * time.Second
	}
	if properties.ReceiveMaximum != nil {
		grants.ReceiveMaximum = *properties.ReceiveMaximum
	}
	if properties.MaximumPacketSize != nil {
		grants.MaxPacketBytes = *properties.MaximumPacketSize
	}
	grants.Retained, grants.Wildcards = properties.RetainAvailable, properties.WildcardSubAvailable
	return grants
}

const (
	versionTopic = "$SYS/broker/version"
	// versionWithin bounds the wait for the retained message with the version, which many brokers do not have.
	versionWithin = 500 * time.Millisecond
)

// version waits for what the broker calls itself.
func (g *guest) version(ctx context.Context, versions <-chan string) (string, error) {
	if _, err := g.subscribe(ctx, paho.SubscribeOptions{Topic: versionTopic}); err != nil {
		return "", ctx.Err() // not for this user to know
	}
	select {
	case version := <-versions:
		return version, nil
	case <-time.After(versionWithin):
		return "", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// subscribe returns the QoS that was granted.
func (g *guest) subscribe(ctx context.Context, options paho.SubscribeOptions) (qos byte, err error) {
	suback, err := g.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{options}})
	switch {
	case suback == nil || len(suback.Reasons) == 0:
		return 0, fmt.Errorf("subscribe to %s: %w", options.Topic, err)
	case suback.Reasons[0] >= 0x80:
		return 0, fmt.Errorf("subscribe to %s: %s", options.Topic, reasonText(suback.Reasons[0]))
	}
	return suback.Reasons[0], nil
}
