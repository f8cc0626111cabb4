package mqttbridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/griphub/griphub/devices"
)

// A Processor stores messages, all of them or none, and what else is committed with them. A *devices.Processor is one.
type Processor interface {
	Process(ctx context.Context, messages []devices.Message, state ...any) error
}

// Bounds of a batch.
const (
	maxBatchMessages = 1000
	maxBatchBytes    = 4 << 20
)

// queueSize bounds the messages that wait, maxLossy the lossy ones among them. A message has as many places in the queue as it
// has blocks of blockBytes, begun ones included, so that what waits is at most 32 MB as well.
const (
	queueSize  = 2000
	maxLossy   = 1000
	blockBytes = 16 << 10
)

// stopWithin bounds how long an intake goes on committing what it has after it was told to stop.
const stopWithin = 10 * time.Second

// A delivery is one message on its way to the log.
type delivery struct {
	message devices.Message
	// matched tells that a rule has placed the message. One that no rule matches is only answered, in its turn.
	matched bool
	// lossy messages are dropped where the queue has no room, instead of holding up what comes behind them.
	lossy bool
	// packet is the packet identifier that an answer names; 0 where nobody waits for one.
	packet uint16
	// from takes the answer.
	from source
	// forward, if any, hands the message on to other subscribers, after it is stored.
	forward func()
	// redelivered is the DUP flag, mark what tells which delivery it repeats.
	redelivered bool
	mark        mark
	// renewed stands for no message: the session is a new one, and the ledger void.
	renewed bool
}

// A source is the connection that messages come by. An answer that it cannot send because it is gone, nobody sends: the
// other side repeats the message. Sources are compared.
type source interface {
	// acknowledge answers messages of QoS 1 or 2, in the order in which they came, and returns the place of the answers in
	// what it sends.
	acknowledge(answered []delivery) (fence uint64)
	// confirmed tells that what was sent before the fence has arrived.
	confirmed(fence uint64) bool
}

// An intake is a bounded queue in front of a Processor, and the one worker that empties it.
type intake struct {
	processor Processor
	log       *slog.Logger
	queue     chan delivery
	stopping  chan struct{}
	ledger    *ledger
	// marks and name say where the ledger is kept, and written what it is there; marks is nil where it is not kept.
	marks   devices.Marks
	name    string
	written []byte
	// lossy has a place for each lossy message in the queue.
	lossy chan struct{}
	// places are those of the messages in the queue. Who takes places has the turn, so that no two have a part each of
	// what both need.
	places, turn chan struct{}
	// holding counts the senders that wait because the queue is full.
	holding  atomic.Int32
	counters *counters
	health   *health
}

func newIntake(processor Processor, marks devices.Marks, name string, ledger *ledger, log *slog.Logger) *intake {
	return &intake{
		processor: processor,
		log:       log,
		queue:     make(chan delivery, queueSize),
		stopping:  make(chan struct{}),
		ledger:    ledger,
		marks:     marks,
		name:      name,
		lossy:     make(chan struct{}, maxLossy),
		places:    make(chan struct{}, queueSize),
		turn:      make(chan struct{}, 1),
		counters:  new(counters),
		health:    new(health),
	}
}

// put queues a delivery. While the queue is full it waits, which holds up the sender, until gone is closed or the
// intake stops: the delivery then comes again.
func (in *intake) put(d delivery, gone <-chan struct{}) {
	select {
	case <-in.stopping:
		return
	default:
	}
	if !d.renewed {
		in.counters.received.Add(1)
	}
	if d.lossy {
		select {
		case in.lossy <- struct{}{}:
		default:
			in.counters.dropped.Add(1)
			return
		}
	}
	if !in.enter(d, gone) && d.lossy {
		<-in.lossy
	}
}

// enter queues the delivery once it has its places; false where gone was closed, or the intake has stopped, before.
func (in *intake) enter(d delivery, gone <-chan struct{}) bool {
	if !in.take(in.turn, gone) {
		return false
	}
	defer func() { <-in.turn }()
	for taken := range d.places() {
		if !in.take(in.places, gone) {
			for range taken {
				<-in.places
			}
			return false
		}
	}
	in.queue <- d // there is room: each has a place
	return true
}

// take takes one of what a channel has room for. While it waits it holds up the sender.
func (in *intake) take(room chan<- struct{}, gone <-chan struct{}) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
	}
	in.holding.Add(1)
	defer in.holding.Add(-1)
	select {
	case room <- struct{}{}:
		return true
	case <-gone:
	case <-in.stopping:
	}
	return false
}

// places counts those that the delivery has in the queue.
func (d *delivery) places() int {
	return min(1+len(d.message.Payload)/blockBytes, queueSize)
}

// report queues messages of the hub's own, behind all that waits.
func (in *intake) report(ctx context.Context, messages []devices.Message) error {
	for _, m := range messages {
		if !in.enter(delivery{message: m, matched: true}, ctx.Done()) {
			return cmp.Or(ctx.Err(), errStopping)
		}
	}
	return nil
}

// errStopping tells that no more messages are taken.
var errStopping = errors.New("mqtt: stopping")

// ErrTakenOver tells that another process has the session now: what is not stored by then is the other's. It is the cause
// (context.WithCancelCause) with which a context tells Run so, and what Run returns where the ledger told it.
var ErrTakenOver = errors.New("another process has taken over")

// run commits what is put until ctx ends, and then what the queue still has, unless the cause is ErrTakenOver. It returns
// ErrTakenOver where it finds that another process has written the ledger. It may run once.
func (in *intake) run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() {
		close(in.stopping)
		if errors.Is(context.Cause(ctx), ErrTakenOver) {
			cancel()
			return
		}
		time.AfterFunc(stopWithin, cancel)
	})
	if err := in.load(drain); err != nil {
		return nil // it is drain's end
	}
	for drain.Err() == nil {
		var d delivery
		select {
		case d = <-in.queue:
		case <-ctx.Done():
			select {
			case d = <-in.queue:
			default:
				return nil
			}
		}
		if err := in.commit(drain, in.collect(d)); errors.Is(err, devices.ErrMarkMoved) {
			return ErrTakenOver
		}
	}
	return nil
}

// load reads the ledger of an earlier run. Nothing is read from the queue before.
func (in *intake) load(ctx context.Context) error {
	if in.marks == nil {
		return nil
	}
	err := in.retry(ctx, "read the ledger of deliveries", func() (err error) {
		in.written, err = in.marks.Mark(ctx, in.name)
		return err
	})
	in.ledger.load(in.written)
	return err
}

// collect takes what else waits, within the bounds of a batch.
func (in *intake) collect(first delivery) []delivery {
	batch := append(make([]delivery, 0, 64), first)
	in.took(&first)
	size := len(first.message.Payload)
	for len(batch) < maxBatchMessages && size < maxBatchBytes {
		select {
		case d := <-in.queue:
			in.took(&d)
			batch = append(batch, d)
			size += len(d.message.Payload)
		default:
			return batch
		}
	}
	return batch
}

// took frees the places of a delivery that has left the queue.
func (in *intake) took(d *delivery) {
	for range d.places() {
		<-in.places
	}
	if d.lossy {
		<-in.lossy
	}
}

// commit stores the batch, however often it takes, and acknowledges it. Only the end of ctx prevents it, and that another
// process has written the ledger (devices.ErrMarkMoved).
func (in *intake) commit(ctx context.Context, batch []delivery) error {
	if messages := in.sift(batch); len(messages) > 0 {
		if err := in.store(ctx, messages); err != nil {
			in.log.Warn("stopping: messages stay at the broker", "messages", len(messages), "error", err)
			return err
		}
	}
	for i := range batch {
		if batch[i].forward != nil {
			batch[i].forward()
		}
	}
	in.acknowledge(batch)
	return nil
}

// store stores the messages together with the ledger.
func (in *intake) store(ctx context.Context, messages []devices.Message) error {
	var state []any
	ledger := in.ledger.bytes()
	if in.marks != nil {
		state = append(state, devices.Mark{Name: in.name, Value: ledger, Before: in.written})
	}
	if err := in.retry(ctx, "store", func() error { return in.processor.Process(ctx, messages, state...) }); err != nil {
		return err
	}
	in.written = ledger
	in.counters.batches.Add(1)
	in.counters.stored.Add(uint64(len(messages)))
	return nil
}

// sift returns the messages of the batch that are to be stored, and enters their deliveries in the ledger.
func (in *intake) sift(batch []delivery) []devices.Message {
	in.ledger.prune()
	messages := make([]devices.Message, 0, len(batch))
	for i := range batch {
		d := &batch[i]
		switch {
		case d.renewed:
			in.ledger.clear()
			continue
		case d.redelivered && in.ledger.has(d.mark):
			in.counters.duplicates.Add(1)
			d.forward = nil
			continue
		case !d.redelivered && d.packet != 0:
			in.ledger.fresh(d.from)
		}
		if !d.matched {
			in.counters.unmatched.Add(1)
			continue
		}
		messages = append(messages, d.message)
		if d.packet != 0 {
			in.ledger.add(d.mark)
		}
	}
	return messages
}

// acknowledge answers in the order of arrival, each run of messages of one connection at once.
func (in *intake) acknowledge(batch []delivery) {
	batch = slices.DeleteFunc(batch, func(d delivery) bool { return d.packet == 0 })
	for len(batch) > 0 {
		n := 1
		for n < len(batch) && batch[n].from == batch[0].from {
			n++
		}
		from := batch[0].from
		fence := from.acknowledge(batch[:n])
		for i := range batch[:n] {
			in.ledger.answered(batch[i].mark, from, fence)
		}
		batch = batch[n:]
	}
}

// retry does what may fail for a while until it succeeds. It returns the last error where ctx ends before, and
// devices.ErrMarkMoved, which stays.
func (in *intake) retry(ctx context.Context, what string, do func() error) error {
	pause := newBackoff(50*time.Millisecond, 5*time.Second)
	for {
		err := do()
		if err == nil {
			in.health.setStore(nil)
			return nil
		}
		err = fmt.Errorf("%s: %w", what, err)
		if ctx.Err() != nil || errors.Is(err, devices.ErrMarkMoved) {
			return err
		}
		in.counters.failures.Add(1)
		in.health.setStore(err)
		in.log.Error("will try again", "error", err)
		if !pause.wait(ctx) {
			return err
		}
	}
}
