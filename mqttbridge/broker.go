package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// brokerLedger is how many deliveries of all devices together a Broker remembers. A device repeats at most what it has not
// seen acknowledged, 20 messages with most client libraries.
const brokerLedger = 1000

// A Broker is an MQTT broker inside the process, for development: it speaks to whoever asks, and therefore listens on the
// loopback interface only. It keeps sessions and retained messages in memory.
//
// Messages of topics that a rule matches go to the Processor without another MQTT connection in between, and the device's
// PUBACK (PUBREC for QoS 2) is sent after the commit; so is the message to other subscribers. What a device sees acknowledged is
// stored, also when the process is killed. A queue that is full holds up the devices' connections.
//
// Subscribers get QoS 0, whatever they ask for. What mochi 2.7.9 does for QoS 1 and 2 cannot be built on: once a subscriber's
// Receive Maximum is used up it sends in no particular order and forgets what it sends, and a lock that it takes twice makes it
// stand still when a publisher comes in between. A Bridge would therefore be a poor client of it.
type Broker struct {
	server   *mqtt.Server
	listener *doorway
	intake   *intake
}

// NewBroker returns a Broker that listens on addr, such as 127.0.0.1:1883, once it runs. marks may be nil; see New.
func NewBroker(addr string, rules Rules, processor Processor, marks devices.Marks, log *slog.Logger) (*Broker, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("mqtt broker: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("mqtt broker: %s is not a loopback address; it asks nobody who they are", addr)
	}
	b := &Broker{
		listener: &doorway{TCP: listeners.NewTCP(listeners.Config{ID: "tcp", Address: addr})},
		intake:   newIntake(processor, marks, "mqtt-broker", newLedger(brokerLedger, 0), log),
	}
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = 1 << 20
	capabilities.MaximumInflight = 65535
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:           capabilities,
		Logger:                 slog.New(quiet{log.Handler()}),
		SysTopicResendInterval: 60,
		InlineClient:           true,
	})
	b.listener.clients = &b.server.Listeners.ClientsWg
	hook := &hook{rules: rules, intake: b.intake, server: b.server}
	if err := b.server.AddHook(hook, nil); err != nil {
		return nil, fmt.Errorf("mqtt broker: %w", err)
	}
	b.intake.health.setBroker(false, errors.New("mqtt broker: not started yet"))
	return b, nil
}

// Connected tells whether devices can connect.
func (b *Broker) Connected() bool { return b.intake.health.isConnected() }

// Err returns why the broker does not listen, or why the newest batch could not be stored yet; nil where all is well.
func (b *Broker) Err() error { return b.intake.health.err() }

// Stats returns the counts so far.
func (b *Broker) Stats() Stats { return b.intake.counters.stats(len(b.intake.queue)) }

// Addr returns the address, with the port that was chosen for port 0 once Connected.
func (b *Broker) Addr() string { return b.listener.Address() }

// Report has the messages processed in their turn, behind all that has come in. It returns when they are queued; a full
// queue holds it up.
func (b *Broker) Report(ctx context.Context, messages []devices.Message) error {
	return b.intake.report(ctx, messages)
}

// Run listens until ctx ends. Then it takes no more messages, stores and acknowledges those it has, closes the connections
// and returns nil. An address that cannot be used is an error at once; and it returns ErrTakenOver where another Broker keeps
// its ledger in the same place. It may be called once.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.AddListener(b.listener); err != nil {
		return fmt.Errorf("mqtt broker: listen on %s: %w", b.listener.Address(), err)
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	b.intake.health.setBroker(true, nil)
	ended := b.intake.run(ctx)
	b.intake.health.setBroker(false, errors.New("mqtt broker: stopped"))
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("mqtt broker: close: %w", err)
	}
	if ended != nil {
		return fmt.Errorf("mqtt broker: %w", ended)
	}
	return nil
}

// A hook sits between mochi and the devices.
type hook struct {
	mqtt.HookBase
	rules  Rules
	intake *intake
	server *mqtt.Server
}

// ID names the hook in mochi's log.
func (h *hook) ID() string { return "griphub" }

// Provides names what mochi calls.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnSessionEstablished,
		mqtt.OnSubscribe, mqtt.OnPacketRead, mqtt.OnPublish, mqtt.OnWillSent:
		return true
	}
	return false
}

// OnConnectAuthenticate lets everybody in.
func (h *hook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck lets everybody publish and subscribe to everything.
func (h *hook) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

// OnSessionEstablished counts connections.
func (h *hook) OnSessionEstablished(*mqtt.Client, packets.Packet) {
	h.intake.counters.connections.Add(1)
}

// OnSubscribe grants QoS 0; see Broker.
func (h *hook) OnSubscribe(_ *mqtt.Client, packet packets.Packet) packets.Packet {
	for i := range packet.Filters {
		packet.Filters[i].Qos = 0
	}
	return packet
}

// OnPacketRead prepares for a PUBREL: mochi looks for the PUBREC that was sent in its place.
func (h *hook) OnPacketRead(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if packet.FixedHeader.Type == packets.Pubrel {
		client.State.Inflight.Set(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Pubrec},
			PacketID:    packet.PacketID,
			Created:     time.Now().Unix(),
		})
	}
	return packet, nil
}

// OnPublish takes the messages that a rule matches away from mochi, which would acknowledge them at once. ErrRejectPacket means
// that mochi does nothing more with the packet.
func (h *hook) OnPublish(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if client.Net.Inline {
		return packet, nil
	}
	message, ok := h.rules.Message(packet.TopicName)
	if !ok {
		return packet, nil
	}
	message.Payload, message.Received = packet.Payload, time.Now()
	message.Correlation = string(packet.Properties.CorrelationData)
	for _, property := range packet.Properties.User {
		if property.Key == traceProperty {
			message.Trace = channels.ParseTrace(property.Val)
		}
	}
	d := delivery{
		message:     message,
		matched:     true,
		from:        deviceConnection{client, packet.FixedHeader.Qos},
		forward:     func() { h.forward(packet) },
		redelivered: packet.FixedHeader.Dup,
	}
	if packet.FixedHeader.Qos > 0 {
		d.packet = packet.PacketID
		d.mark = newMark(client.ID, packet.PacketID, packet.TopicName, packet.Payload)
	}
	h.intake.put(d, nil)
	return packet, packets.ErrRejectPacket
}

// forward hands a stored message to mochi, for its subscribers and to be retained, as if the process itself had sent it.
func (h *hook) forward(packet packets.Packet) {
	packet.Properties.TopicAlias, packet.Properties.TopicAliasFlag = 0, false
	inline, ok := h.server.Clients.Get(mqtt.InlineClientId)
	if !ok {
		return
	}
	if err := h.server.InjectPacket(inline, packet); err != nil {
		h.intake.log.Warn("mqtt broker: a stored message is not forwarded", "topic", packet.TopicName, "error", err)
	}
}

// OnWillSent takes a device's will, which mochi has given to other subscribers before.
func (h *hook) OnWillSent(_ *mqtt.Client, packet packets.Packet) {
	message, ok := h.rules.Message(packet.TopicName)
	if !ok {
		return
	}
	message.Payload, message.Received = packet.Payload, time.Now()
	h.intake.put(delivery{message: message, matched: true}, nil)
}

// A deviceConnection is a device's connection to the Broker, for the answers of one QoS.
type deviceConnection struct {
	client *mqtt.Client
	qos    byte
}

// acknowledge sends PUBACK, or PUBREC for QoS 2.
func (c deviceConnection) acknowledge(answered []delivery) uint64 {
	kind := packets.Puback
	if c.qos == 2 {
		kind = packets.Pubrec
	}
	c.client.Lock()
	defer c.client.Unlock()
	// A device that does not read must not hold up the others for long. mochi sets the deadline anew when it reads the next
	// packet.
	_ = c.client.Net.Conn.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := c.client.Net.Conn.Write(appendAnswers(nil, kind, answered)); err != nil {
		c.client.Stop(err)
	}
	return 0
}

// confirmed: a server has no way to ask what a client has read.
func (c deviceConnection) confirmed(uint64) bool { return false }

// quiet passes on errors only: mochi warns of each connection that a device just closes.
type quiet struct{ slog.Handler }

// Enabled tells whether a level is passed on.
func (q quiet) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// WithAttrs stays quiet.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup stays quiet.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
