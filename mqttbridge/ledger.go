package mqttbridge

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// A ledger has the deliveries that were stored and may come again, so that they are recognised.
//
// After a lost connection a session brings again what it has seen no acknowledgement of, with the DUP flag and the old packet
// identifier (MQTT 5, sections 3.3.1.1 and 4.4): also what was stored, if only the acknowledgement was lost. A delivery stays in
// the ledger until its acknowledgement is known to have arrived (connection.confirmed). The ledger is committed with each
// batch, eight bytes per delivery, so that it holds after a crash as well. Mostly it has no more than a batch. The Receive
// Maximum is no bound: Mosquitto 2.0.11 sends a whole backlog at once and reads acknowledgements later. Nor can a broker have
// more to repeat than there are packet identifiers.
//
// Its limits:
//   - It takes a message for a repetition where packet identifier, topic and payload are those of a delivery in the ledger and
//     DUP is set. A broker that gives an identifier again at once could, in the moment of a crash, make it take a new message
//     for an equal older one; those in use count through all 65,535 first.
//   - Copies that a device itself makes of a message look to the broker like two messages. Only the message's own id tells
//     (Rule.ID).
type ledger struct {
	// entries are in the order in which they were stored.
	entries []*entry
	byMark  map[mark]*entry
	// most bounds the entries; the oldest go first.
	most int
	// settled is the number of new messages by one connection after which those of older connections come no more; 0 for
	// never. A session repeats first what it has to repeat; the number leaves room for brokers that mix.
	settled int
	news    int
	newest  source
}

// An entry is a delivery that may come again.
type entry struct {
	mark mark
	// from is the connection that got the answer, fence the place of the answer in what was sent there. nil stands for
	// an answer that is not given yet.
	from  source
	fence uint64
}

// A mark identifies a delivery: the first eight bytes of a hash.
type mark uint64

// newMark hashes the delivery's sender (a client's id; empty for a session that has but one), its packet identifier, topic and
// payload.
func newMark(sender string, packet uint16, topic string, payload []byte) mark {
	b := make([]byte, 0, 256)
	b = binary.BigEndian.AppendUint16(b, packet)
	b = binary.BigEndian.AppendUint32(b, uint32(len(sender)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(topic)))
	b = append(b, sender...)
	b = append(b, topic...)
	b = append(b, payload...)
	sum := sha256.Sum256(b)
	return mark(binary.BigEndian.Uint64(sum[:]))
}

func newLedger(most, settled int) *ledger {
	return &ledger{byMark: make(map[mark]*entry), most: most, settled: settled}
}

func (l *ledger) has(m mark) bool { return l.byMark[m] != nil }

// add enters a delivery that is about to be stored.
func (l *ledger) add(m mark) {
	if e := l.byMark[m]; e != nil {
		// The identifier is in use again, so the older one was answered.
		e.from = nil
		return
	}
	e := &entry{mark: m}
	l.entries = append(l.entries, e)
	l.byMark[m] = e
}

// answered notes that a delivery got its answer.
func (l *ledger) answered(m mark, from source, fence uint64) {
	if e := l.byMark[m]; e != nil {
		e.from, e.fence = from, fence
	}
}

// fresh notes a message that is no repetition.
func (l *ledger) fresh(from source) {
	if from != l.newest {
		l.newest, l.news = from, 0
	}
	if l.news++; l.news == l.settled {
		l.drop(func(e *entry) bool { return e.from != nil && e.from != from })
	}
}

// prune lets go what is known to come no more, and the oldest of what is beyond the bound.
func (l *ledger) prune() {
	l.drop(func(e *entry) bool { return e.from != nil && e.from.confirmed(e.fence) })
	if beyond := len(l.entries) - l.most; beyond > 0 {
		l.drop(func(*entry) bool { beyond--; return beyond >= 0 })
	}
}

func (l *ledger) drop(gone func(*entry) bool) {
	l.entries = slices.DeleteFunc(l.entries, func(e *entry) bool {
		if !gone(e) {
			return false
		}
		delete(l.byMark, e.mark)
		return true
	})
}

// clear forgets everything: the session is a new one, which repeats nothing.
func (l *ledger) clear() { *l = *newLedger(l.most, l.settled) }

// bytes returns the ledger's content, oldest first, behind eight random bytes: no two writers write the same, and none the
// same twice, so that a devices.Mark tells whose content it is.
func (l *ledger) bytes() []byte {
	b := make([]byte, 0, 8+8*len(l.entries))
	b = binary.BigEndian.AppendUint64(b, rand.Uint64())
	for _, e := range l.entries {
		b = binary.BigEndian.AppendUint64(b, uint64(e.mark))
	}
	return b
}

// load adds what bytes returned in an earlier run.
func (l *ledger) load(b []byte) {
	for b = b[min(len(b), 8):]; len(b) >= 8; b = b[8:] {
		m := mark(binary.BigEndian.Uint64(b))
		l.add(m)
		l.answered(m, earlier{}, 0)
	}
	l.prune()
}

// earlier is the connection of an earlier run. Which of its answers arrived is not known.
type earlier struct{}

func (earlier) acknowledge([]delivery) uint64 { return 0 }
func (earlier) confirmed(uint64) bool         { return false }
