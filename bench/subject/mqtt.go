package subject

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// mqttWindow bounds the messages without acknowledgement on one connection.
const mqttWindow = 1000

// An mqttConn is a connection to a broker. It uses the library's packets and not its client, which takes longer to publish a
// message than everything behind it.
type mqttConn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dialMQTT(ctx context.Context, address string) (*mqttConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &mqttConn{Conn: conn, in: bufio.NewReader(conn), out: bufio.NewWriterSize(conn, 64<<10)}
	receive := uint16(mqttWindow)
	connect := &packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, CleanStart: true, Properties: &packets.Properties{ReceiveMaximum: &receive},
	}
	answer, err := c.ask(packets.CONNECT, connect)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if connack, ok := answer.Content.(*packets.Connack); !ok || connack.ReasonCode != 0 {
		return nil, errors.Join(fmt.Errorf("MQTT connection refused: %v", answer), conn.Close())
	}
	return c, nil
}

func (c *mqttConn) write(kind, flags byte, content packets.Packet) error {
	packet := packets.ControlPacket{FixedHeader: packets.FixedHeader{Type: kind, Flags: flags}, Content: content}
	_, err := packet.WriteTo(c.out)
	return err
}

func (c *mqttConn) ask(kind byte, content packets.Packet) (*packets.ControlPacket, error) {
	flags := byte(0)
	if kind == packets.SUBSCRIBE {
		flags = 2 // MQTT 5, section 3.8.1
	}
	if err := c.write(kind, flags, content); err != nil {
		return nil, err
	}
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	return packets.ReadPacket(c.in)
}

// An mqttPublisher sends the events of all channels, a few connections sharing the channels as devices do.
type mqttPublisher struct{ lanes []*mqttLane }

type mqttLane struct {
	mu   sync.Mutex
	conn *mqttConn
}

// mqttLanes are enough to keep a broker busy.
const mqttLanes = 4

func startPublisher(ctx context.Context, address string, parts *stack) (*mqttPublisher, error) {
	p := &mqttPublisher{}
	for range mqttLanes {
		conn, err := dialMQTT(ctx, address)
		if err != nil {
			return nil, err
		}
		parts.push(conn.Close)
		p.lanes = append(p.lanes, &mqttLane{conn: conn})
	}
	return p, nil
}

// dataTopic is where a channel's device sends.
func dataTopic(channel int) string { return fmt.Sprintf("things/bench/%d/data", channel) }

// publish returns when the broker has acknowledged all.
func (p *mqttPublisher) publish(_ context.Context, events []Event) error {
	split := make([][]Event, len(p.lanes))
	for _, e := range events {
		lane := e.Channel % len(p.lanes)
		split[lane] = append(split[lane], e)
	}
	errs := make([]error, len(p.lanes))
	var done sync.WaitGroup
	for i, events := range split {
		if len(events) > 0 {
			done.Go(func() { errs[i] = p.lanes[i].publish(events) })
		}
	}
	done.Wait()
	return errors.Join(errs...)
}

func (l *mqttLane) publish(events []Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(events) > 0 {
		n := min(len(events), mqttWindow)
		for i, e := range events[:n] {
			publish := &packets.Publish{
				Topic: dataTopic(e.Channel), QoS: 1, PacketID: uint16(i + 1), Payload: e.Data, Properties: &packets.Properties{},
			}
			if err := l.conn.write(packets.PUBLISH, 0, publish); err != nil {
				return err
			}
		}
		if err := l.conn.out.Flush(); err != nil {
			return err
		}
		for range n {
			answer, err := packets.ReadPacket(l.conn.in)
			if err != nil {
				return err
			}
			// 16 says that nobody has subscribed, which is a success (MQTT 5, section 3.4.2.1).
			if ack, ok := answer.Content.(*packets.Puback); !ok || ack.ReasonCode >= 0x80 {
				return fmt.Errorf("MQTT message not taken: %v", answer)
			}
		}
		events = events[n:]
	}
	return nil
}

// startBridge has the items made from what a broker brings: the shortest way from MQTT to Pushpin that there is.
func (r *raw) startBridge(ctx context.Context, site Site) error {
	address, err := startMosquitto(ctx, site, &r.stack)
	if err != nil {
		return err
	}
	conn, err := dialMQTT(ctx, address)
	if err != nil {
		return err
	}
	subscribe := &packets.Subscribe{
		PacketID: 1, Properties: &packets.Properties{}, Subscriptions: []packets.SubOptions{{Topic: "things/#", QoS: 1}},
	}
	if _, err := conn.ask(packets.SUBSCRIBE, subscribe); err != nil {
		return errors.Join(err, conn.Close())
	}
	received := make(chan Event, mqttWindow)
	go func() {
		defer close(received)
		conn.receive(received)
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.forward(received, site)
	}()
	r.push(func() error {
		err := conn.Close()
		<-ended
		return err
	})
	r.mqtt, err = startPublisher(ctx, address, &r.stack)
	return err
}

// receive hands on what the broker sends, until the connection ends.
func (c *mqttConn) receive(out chan<- Event) {
	for {
		packet, err := packets.ReadPacket(c.in)
		if err != nil {
			return
		}
		publish, ok := packet.Content.(*packets.Publish)
		if !ok {
			continue
		}
		ack := &packets.Puback{PacketID: publish.PacketID, Properties: &packets.Properties{}}
		if c.write(packets.PUBACK, 0, ack) != nil || c.in.Buffered() == 0 && c.out.Flush() != nil {
			return
		}
		level := strings.Split(publish.Topic, "/")
		if len(level) != 4 || !json.Valid(publish.Payload) {
			continue
		}
		if channel, err := strconv.Atoi(level[2]); err == nil {
			out <- Event{channel, publish.Payload}
		}
	}
}

// rawBatch is how many items go into one request: more gain nothing.
const rawBatch = 100

// forward posts what has been received, one request at a time.
func (r *raw) forward(received <-chan Event, site Site) {
	for e := range received {
		began := time.Now()
		batch := append(make([]Event, 0, rawBatch), e)
		for len(batch) < rawBatch && len(received) > 0 {
			batch = append(batch, <-received)
		}
		if err := r.post(context.Background(), batch); err != nil {
			site.Log.Error("post", "error", err)
			continue
		}
		time.Sleep(time.Until(began.Add(r.options.Every)))
	}
}
