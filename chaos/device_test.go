package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	// packetPatience is how long a device waits for an answer before it connects anew.
	packetPatience = 4 * time.Second
	// tail is how far back, from the last acknowledgement before a connection was lost, a careful device sends again.
	tail = 3 * time.Second
)

// A device publishes numbered messages with QoS 1, one after the other, each again, over new connections, until the
// broker has acknowledged it.
type device struct {
	broker, kind, id string
	// named gives each message an id, and careful sends the last ones again after a lost connection.
	named, careful bool
	// trusting is noted with each message.
	trusting bool
	pace     time.Duration // between messages, on average
	rng      *rand.Rand
	book     *book

	client *paho.Client
	conn   net.Conn
	recent []answer // the last ones
	again  bool     // the recent ones have to be sent again
}

// An answer is when a message was acknowledged last: that which was sent again may be forgotten again.
type answer struct {
	message *message
	at      time.Time
}

// run publishes until stop is closed and the message at hand is acknowledged, or ctx ends.
func (d *device) run(ctx context.Context, stop <-chan struct{}) {
	defer d.close()
	burst := 0
	for n := 1; ; n++ {
		d.send(ctx, d.message(n))
		switch {
		case burst > 0:
			burst--
		case d.rng.IntN(40) == 0:
			burst = 30
		}
		pause := between(d.rng, d.pace/2, d.pace*3/2)
		if burst > 0 {
			pause = 0
		}
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (d *device) message(n int) *message {
	m := &message{
		key: fmt.Sprintf("%s-%d", d.id, n), source: d.id, number: n, named: d.named, trusting: d.trusting,
		channels: []string{"iot_" + d.kind, "iot_" + d.kind + "_" + d.id}, text: padding(d.rng),
	}
	d.book.write(m)
	return m
}

// send returns when the message is acknowledged, or ctx has ended.
func (d *device) send(ctx context.Context, m *message) {
	for ctx.Err() == nil {
		if d.try(ctx, m) == nil {
			d.book.acknowledge(m)
			return
		}
		d.close()
		d.again = d.careful
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// remember keeps what is sent again if the connection is lost. What has to be sent again stays until it was, and in its place: the
// connection may be lost again before all is sent.
func (d *device) remember(m *message) {
	now := time.Now()
	d.recent = slices.DeleteFunc(d.recent, func(a answer) bool { return a.message != m && !d.again && now.Sub(a.at) > tail })
	if i := slices.IndexFunc(d.recent, func(a answer) bool { return a.message == m }); i >= 0 {
		d.recent[i].at = now
		return
	}
	d.recent = append(d.recent, answer{m, now})
}

func (d *device) try(ctx context.Context, m *message) error {
	if d.client == nil {
		if err := d.connect(ctx); err != nil {
			return err
		}
	}
	if d.again {
		for _, old := range slices.Clone(d.recent) {
			if err := d.publish(ctx, old.message); err != nil {
				return err
			}
		}
		d.again = false
	}
	return d.publish(ctx, m)
}

func (d *device) publish(ctx context.Context, m *message) error {
	ctx, cancel := context.WithTimeout(ctx, packetPatience)
	defer cancel()
	d.book.attempt(m)
	id := ""
	if m.named {
		id = fmt.Sprintf(`"id":%q,`, m.key)
	}
	payload := fmt.Sprintf(`{%s"key":%q,"n":%d,"text":%q}`, id, m.key, m.number, m.text)
	// An answer of 0x80 and above is an error (MQTT 5, section 2.4), which paho tells too.
	_, err := d.client.Publish(ctx, &paho.Publish{
		Topic: "things/" + d.kind + "/" + d.id + "/data", QoS: 1, Payload: []byte(payload),
	})
	if err == nil {
		d.remember(m)
	}
	return err
}

func (d *device) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, packetPatience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.broker)
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: packetPatience})
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: d.id, CleanStart: true, KeepAlive: 30}); err != nil {
		conn.Close()
		return err
	}
	d.client, d.conn = client, conn
	return nil
}

// close leaves the broker without a word, as a device does that is switched off.
func (d *device) close() {
	if d.client != nil {
		d.conn.Close()
		<-d.client.Done()
		d.client = nil
	}
}
