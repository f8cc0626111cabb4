package mqttbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/devices"
)

// Whoever takes the session from whom, and when, whatever becomes of transactions and of acknowledgements: each message
// is stored once, and in order, though none has an id of its own.
func TestMessagesAreStoredOnceWhoeverTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // a bubble has no deadline to ask for
			w := &world{t: rt, log: logtest.NewMemory(time.Now, 0, channels.Retention{})}
			defer w.end()
			rt.Repeat(map[string]func(*rapid.T){
				"a device publishes": w.publish,
				"a bridge starts":    w.start,
				"a bridge is killed": w.kill,
				"a bridge connects":  w.connect,
				"the broker sends":   w.send,
				"the broker reads":   w.read,
				"a commit ends":      w.decide,
				"":                   w.check,
			})
			w.finish()
		})
	})
}

// A world is a broker with one session, the bridges that want it, and the log that they write to.
type world struct {
	t       *rapid.T
	log     *logtest.Memory
	bridges []*modelBridge

	published int
	queued    []int        // messages that were never sent
	inFlight  []sentPacket // sent and, for all the broker knows, not acknowledged
	packet    uint16
	line      *modelLine // the connection of the session, nil for none
}

type sentPacket struct {
	id      uint16
	message int
}

// A modelLine is a connection to the broker, which reads what was sent there when the world wants it.
type modelLine struct {
	of       *modelBridge
	unread   []uint16 // acknowledgements
	answers  uint64   // that were sent
	answered uint64   // that were read
}

func (l *modelLine) acknowledge(answered []delivery) uint64 {
	for _, d := range answered {
		l.unread = append(l.unread, d.packet)
	}
	l.answers++
	return l.answers
}

func (l *modelLine) confirmed(fence uint64) bool { return fence <= l.answered }

// A modelBridge is an intake whose every transaction waits for the world to decide about it.
type modelBridge struct {
	*intake
	calls  chan chan verdict
	cancel context.CancelCauseFunc
	ended  chan error
}

// A verdict is what becomes of a transaction.
type verdict struct{ stored, answered bool }

type modelProcessor struct {
	log   *logtest.Memory
	calls chan chan verdict
}

func (p *modelProcessor) Process(ctx context.Context, messages []devices.Message, state ...any) error {
	call := make(chan verdict)
	var v verdict
	select {
	case p.calls <- call:
		v = <-call
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	if v.stored {
		batch := channels.Batch{State: state}
		for _, m := range messages {
			batch.Drafts = append(batch.Drafts, channels.Draft{Channels: []channels.Channel{"c"}, Data: m.Payload})
		}
		if _, err = p.log.Append(context.Background(), batch); errors.Is(err, devices.ErrMarkWritten) {
			err = nil
		}
	}
	if !v.stored || !v.answered && err == nil {
		return errors.New("no answer")
	}
	return err
}

func (w *world) publish(*rapid.T) {
	w.queued = append(w.queued, w.published)
	w.published++
}

func (w *world) start(*rapid.T) {
	const enough = 3
	if len(w.bridges) < enough {
		w.add()
	}
}

func (w *world) add() *modelBridge {
	calls := make(chan chan verdict)
	b := &modelBridge{
		intake: newIntake(&modelProcessor{w.log, calls}, w.log, "mark", newLedger(bridgeLedger, settled), slog.New(slog.DiscardHandler)),
		calls:  calls, ended: make(chan error, 1),
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	b.cancel = cancel
	go func() { b.ended <- b.run(ctx) }()
	w.bridges = append(w.bridges, b)
	synctest.Wait()
	return b
}

// any returns one of the bridges, a new one where there is none.
func (w *world) any(rt *rapid.T) *modelBridge {
	if len(w.bridges) == 0 {
		return w.add()
	}
	return rapid.SampledFrom(w.bridges).Draw(rt, "bridge")
}

func (w *world) kill(rt *rapid.T) { w.stop(w.any(rt)) }

// stop ends a bridge in the middle of whatever it does.
func (w *world) stop(b *modelBridge) {
	b.cancel(ErrTakenOver)
	select {
	case call := <-b.calls:
		call <- verdict{}
	default:
	}
	<-b.ended
	w.remove(b)
}

func (w *world) remove(b *modelBridge) {
	w.bridges = slices.DeleteFunc(w.bridges, func(other *modelBridge) bool { return other == b })
	if w.line != nil && w.line.of == b {
		w.line = nil
	}
}

// connect gives the session to a bridge. What it had not read of the connection before, the broker never reads; and it
// repeats what it knows no acknowledgement of.
func (w *world) connect(rt *rapid.T) { w.connectTo(w.any(rt)) }

func (w *world) connectTo(b *modelBridge) {
	w.line = &modelLine{of: b}
	for _, p := range w.inFlight {
		w.deliver(p, true)
	}
	synctest.Wait()
}

func (w *world) deliver(p sentPacket, again bool) {
	payload := fmt.Appendf(nil, "%d", p.message/2) // every other message is like the one before
	w.line.of.put(delivery{
		message: devices.Message{Topic: "t", Payload: fmt.Appendf(nil, "%d", p.message)}, matched: true, packet: p.id, from: w.line,
		redelivered: again, mark: newMark("", p.id, "t", payload),
	}, nil)
}

func (w *world) send(rt *rapid.T) {
	if w.line == nil || len(w.queued) == 0 {
		return
	}
	for range rapid.IntRange(1, len(w.queued)).Draw(rt, "messages") {
		w.packet++
		p := sentPacket{w.packet, w.queued[0]}
		w.queued, w.inFlight = w.queued[1:], append(w.inFlight, p)
		w.deliver(p, false)
	}
	synctest.Wait()
}

// read lets the broker read acknowledgements of the connection that it has.
func (w *world) read(*rapid.T) {
	if w.line != nil {
		w.readAll()
	}
}

func (w *world) readAll() {
	for _, id := range w.line.unread {
		w.inFlight = slices.DeleteFunc(w.inFlight, func(p sentPacket) bool { return p.id == id })
	}
	w.line.unread, w.line.answered = nil, w.line.answers
}

func (w *world) decide(rt *rapid.T) {
	b := w.any(rt)
	w.rule(b, rapid.SampledFrom([]verdict{{true, true}, {true, true}, {true, false}, {false, false}}).Draw(rt, "verdict"))
}

// rule ends the bridge's transaction, if it has one.
func (w *world) rule(b *modelBridge, v verdict) {
	select {
	case call := <-b.calls:
		call <- v
	default:
		return
	}
	// What failed is tried again after a pause.
	time.Sleep(10 * time.Second)
	synctest.Wait()
	select {
	case err := <-b.ended:
		if !errors.Is(err, ErrTakenOver) {
			w.t.Fatalf("a bridge has ended: %v", err)
		}
		b.cancel(nil)
		w.remove(b)
	default:
	}
}

// check demands that the log has the first messages, each once and in order, and none is acknowledged that it does not have.
func (w *world) check(rt *rapid.T) {
	w.t = rt
	pages, err := w.log.Read(context.Background(), channels.Cursor{{Channel: "c"}}, 1<<20)
	if err != nil {
		rt.Fatal(err)
	}
	stored := pages[0].Events
	for i := range stored {
		if string(stored[i].Data) != fmt.Sprint(i) {
			rt.Fatalf("message %s is stored at %d", stored[i].Data, i)
		}
	}
	waiting := len(w.queued) + len(w.inFlight)
	if len(stored)+waiting < w.published {
		rt.Fatalf("of %d messages %d are stored, and %d wait at the broker", w.published, len(stored), waiting)
	}
}

// finish lets the last bridge store all that is left.
func (w *world) finish() {
	for len(w.queued)+len(w.inFlight) > 0 {
		b := w.add()
		w.connectTo(b)
		for slices.Contains(w.bridges, b) && len(w.queued)+len(w.inFlight) > 0 {
			for len(w.queued) > 0 {
				w.send(w.t)
			}
			w.rule(b, verdict{true, true})
			if w.line != nil {
				w.readAll()
			}
		}
	}
	w.check(w.t)
	pages, _ := w.log.Read(context.Background(), channels.Cursor{{Channel: "c"}}, 1<<20)
	if len(pages[0].Events) != w.published {
		w.t.Fatalf("of %d messages %d are stored in the end", w.published, len(pages[0].Events))
	}
}

func (w *world) end() {
	for len(w.bridges) > 0 {
		w.stop(w.bridges[0])
	}
}
