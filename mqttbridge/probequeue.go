package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"golang.org/x/sync/errgroup"
)

// ErrNoOwnTopic tells that the broker does not let a Probe publish to its own topic and read from it.
var ErrNoOwnTopic = errors.New("the broker does not let this user send messages to itself")

// Kept is what a broker kept for a session that was away.
type Kept struct {
	// Sent is how many messages the broker acknowledged, Received how many of them came when the session was back.
	Sent, Received int
	// Session tells whether the session was still there at all.
	Session bool
}

const (
	// probeExpiry is how long a Probe's session stays if the Probe is killed, in seconds.
	probeExpiry = 120
	// probeWindow bounds the messages that a Probe has sent and not seen acknowledged.
	probeWindow = 32
	// probeSilence is the silence after which no more messages are expected.
	probeSilence = time.Second
)

// Keeps finds out how much the broker keeps for a session that is away, as a Bridge's is during a restart: brokers drop in
// silence what is above their limit (Mosquitto: max_queued_messages), while the publisher is told that all is well. It sends
// count messages of a few bytes to the Probe's own topic, and the session and whatever waits in it are gone afterwards.
// ErrNoOwnTopic is returned where the broker's access rules do not allow that.
func (p *Probe) Keeps(ctx context.Context, count int) (kept Kept, err error) {
	if err := p.leaveSession(ctx); err != nil {
		return Kept{}, err
	}
	defer func() { err = errors.Join(err, p.forget(ctx)) }()
	if kept.Sent, err = p.fill(ctx, count); err != nil {
		return kept, err
	}
	kept.Received, kept.Session, err = p.collect(ctx, kept.Sent)
	return kept, err
}

// leaveSession makes a session that is subscribed to the Probe's topic, checks that a message gets through, and leaves it.
func (p *Probe) leaveSession(ctx context.Context) error {
	arrived := make(chan struct{}, 1)
	g, err := p.connect(ctx, true, probeExpiry, func(string, []byte) {
		select {
		case arrived <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	if _, err = g.subscribe(ctx, paho.SubscribeOptions{Topic: p.Topic(), QoS: 1}); err == nil {
		err = g.publish(ctx, p.Topic(), "hello")
	}
	if err != nil {
		g.leave(true)
		return fmt.Errorf("%w: %w", ErrNoOwnTopic, err)
	}
	// A broker may acknowledge what it then gives to nobody (MQTT 5, section 4.7.3, on access rules).
	select {
	case <-arrived:
		g.leave(false)
		return nil
	case <-time.After(2 * probeSilence):
		err = ErrNoOwnTopic
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.leave(true)
	return err
}

// fill sends count messages as another client, and returns how many were acknowledged.
func (p *Probe) fill(ctx context.Context, count int) (sent int, err error) {
	other := *p
	other.name = probeName()
	g, err := other.connect(ctx, true, 0, func(string, []byte) {})
	if err != nil {
		return 0, err
	}
	defer g.leave(true)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(probeWindow)
	for i := range count {
		group.Go(func() error {
			if err := g.publish(ctx, p.Topic(), strconv.Itoa(i)); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			sent++
			return nil
		})
	}
	err = group.Wait()
	return sent, err
}

// collect comes back to the session and counts what was kept for it, each message once.
func (p *Probe) collect(ctx context.Context, want int) (received int, session bool, err error) {
	messages := make(chan string, want)
	g, err := p.connect(ctx, false, probeExpiry, func(_ string, payload []byte) {
		select {
		case messages <- string(payload):
		case <-ctx.Done():
		}
	})
	if err != nil {
		return 0, false, err
	}
	defer g.leave(true)
	seen := make(map[string]bool)
	for len(seen) < want && g.connack.SessionPresent {
		select {
		case message := <-messages:
			seen[message] = true
		case <-time.After(probeSilence):
			return len(seen), true, nil
		case <-ctx.Done():
			return len(seen), true, ctx.Err()
		}
	}
	return len(seen), g.connack.SessionPresent, nil
}

// forget ends the session, also where an error or the end of ctx left it behind.
func (p *Probe) forget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectWithin)
	defer cancel()
	g, err := p.connect(ctx, true, 0, func(string, []byte) {})
	if err != nil {
		return fmt.Errorf("remove the session %s: %w", p.name, err)
	}
	g.leave(true)
	return nil
}

func (g *guest) publish(ctx context.Context, topic, text string) error {
	answer, err := g.client.Publish(ctx, &paho.Publish{Topic: topic, Payload: []byte(text), QoS: 1})
	if answer != nil && answer.ReasonCode >= 0x80 {
		return fmt.Errorf("publish to %s: %s", topic, reasonText(answer.ReasonCode))
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}
