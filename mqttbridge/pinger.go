package mqttbridge

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho/log"
)

// A pinger keeps a connection alive, and tells how far the broker has read: it answers one PINGREQ after the other with a
// PINGRESP (MQTT 5, section 3.12), and what was sent before the PINGREQ has been read by then. It is paho's Pinger.
type pinger struct {
	wire *wire
	// held tells that it is this side that does not read.
	held func() bool

	mu             sync.Mutex
	sent, answered uint64
	// since is when the broker last answered, or began to owe an answer.
	since time.Time
	// answer has a value after an answer that nobody has waited for.
	answer chan struct{}
}

func newPinger(wire *wire, held func() bool) *pinger {
	return &pinger{wire: wire, held: held, answer: make(chan struct{}, 1)}
}

// send writes b and a PINGREQ in one piece, and returns the number of the PINGREQ.
func (p *pinger) send(b []byte) (fence uint64, err error) {
	b = append(b, packets.PINGREQ<<4, 0)
	p.wire.Lock()
	defer p.wire.Unlock()
	p.mu.Lock()
	if p.sent == p.answered {
		p.since = time.Now()
	}
	p.sent++
	fence = p.sent
	p.mu.Unlock()
	_ = p.wire.SetWriteDeadline(time.Now().Add(writeWithin))
	_, err = p.wire.Write(b)
	_ = p.wire.SetWriteDeadline(time.Time{})
	return fence, err
}

// answeredTo tells that the PINGREQ of that number was answered.
func (p *pinger) answeredTo(fence uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered >= fence
}

// settle waits until all is answered, or gone is closed, or the time is over.
func (p *pinger) settle(gone <-chan struct{}, within time.Duration) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		p.mu.Lock()
		sent := p.sent
		p.mu.Unlock()
		if p.answeredTo(sent) {
			return
		}
		select {
		case <-p.answer:
		case <-gone:
			return
		case <-timer.C:
			return
		}
	}
}

// Run pings twice in each keep-alive time, and gives up on a broker that owes an answer for longer than one.
func (p *pinger) Run(ctx context.Context, _ net.Conn, seconds uint16) error {
	keepAlive := time.Duration(seconds) * time.Second
	if keepAlive == 0 {
		return nil // the broker asks for none (MQTT 5, section 3.2.2.3.14)
	}
	ticker := time.NewTicker(keepAlive / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if p.silent(keepAlive) {
			return errors.New("the broker does not answer")
		}
		if _, err := p.send(nil); err != nil {
			return err
		}
	}
}

// silent tells that the broker owes an answer for so long. While nothing is read here, it owes none.
func (p *pinger) silent(long time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held() {
		p.since = time.Now()
	}
	return p.sent > p.answered && time.Since(p.since) > long
}

// PingResp notes an answer.
func (p *pinger) PingResp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered++
	p.since = time.Now()
	select {
	case p.answer <- struct{}{}:
	default:
	}
}

// PacketSent is of no interest: pings are sent either way.
func (p *pinger) PacketSent() {}

// PacketReceived is of no interest.
func (p *pinger) PacketReceived() {}

// SetDebug takes no logger.
func (p *pinger) SetDebug(log.Logger) {}
