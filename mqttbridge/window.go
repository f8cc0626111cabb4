package mqttbridge

import (
	"crypto/sha256"
	"encoding/binary"
)

// A window remembers the newest deliveries, so that those which a broker repeats are recognised.
//
// What a session redelivers after a lost connection has the DUP flag and its old packet identifier (MQTT 5, sections
// 3.3.1.1 and 4.4), whether or not the message had been stored before the acknowledgement was lost. The broker never
// has more unacknowledged messages than the Receive Maximum, and acknowledgements are sent in order: so what it may
// repeat is among that many newest deliveries, and a window of that size misses none. The window's bytes are committed with
// each batch, eight per delivery, so that it holds after a crash as well.
//
// It takes a message for a repetition where packet identifier, topic and payload are those of a delivery in the window and DUP
// is set. A broker that gives an identifier again within one window could, in the moment of a crash, make it take a new
// message for an equal older one; those in use count through all 65,535 first.
//
// Copies that a device itself makes of a message look to the broker like two messages. Only the message's own id tells
// (Rule.ID).
type window struct {
	size  int
	marks []mark
	next  int // where the oldest is overwritten, once the window is full
	count map[mark]int
}

// A mark identifies a delivery: the first eight bytes of a hash.
type mark uint64

// newMark hashes the delivery's source (a client's id; empty for a session that has but one), its packet identifier,
// topic and payload.
func newMark(source string, packet uint16, topic string, payload []byte) mark {
	h := sha256.New()
	var lengths [10]byte
	binary.BigEndian.PutUint16(lengths[:], packet)
	binary.BigEndian.PutUint32(lengths[2:], uint32(len(source)))
	binary.BigEndian.PutUint32(lengths[6:], uint32(len(topic)))
	h.Write(lengths[:])
	h.Write([]byte(source))
	h.Write([]byte(topic))
	h.Write(payload)
	return mark(binary.BigEndian.Uint64(h.Sum(nil)))
}

func newWindow(size int) *window {
	return &window{size: size, count: make(map[mark]int)}
}

func (w *window) has(m mark) bool { return w.count[m] > 0 }

func (w *window) add(m mark) {
	w.count[m]++
	if len(w.marks) < w.size {
		w.marks = append(w.marks, m)
		return
	}
	old := w.marks[w.next]
	if w.count[old]--; w.count[old] == 0 {
		delete(w.count, old)
	}
	w.marks[w.next] = m
	w.next = (w.next + 1) % w.size
}

// clear forgets everything: the session is a new one, which repeats nothing.
func (w *window) clear() { *w = *newWindow(w.size) }

// bytes returns the window's content, oldest first.
func (w *window) bytes() []byte {
	b := make([]byte, 0, 8*len(w.marks))
	for i := range w.marks {
		b = binary.BigEndian.AppendUint64(b, uint64(w.marks[(w.next+i)%len(w.marks)]))
	}
	return b
}

// load adds what bytes returned; a window of another size keeps the newest.
func (w *window) load(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.add(mark(binary.BigEndian.Uint64(b)))
	}
}
