package channels

import "sync"

// A Bell wakes subscriptions when the log may have grown. It only hastens them: what is in the log they read there, and they
// look from time to time also where nobody rings. The zero value is ready; it must not be copied.
type Bell struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

type listener struct {
	channels map[Channel]bool
	// wake has a token when there may be something to read.
	wake chan struct{}
}

// Send wakes who follows a channel of the events. It makes a Bell a Sink of the process's own Publisher.
func (b *Bell) Send(events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		if l.follows(events) {
			l.ring()
		}
	}
}

func (l *listener) follows(events []Event) bool {
	for i := range events {
		for _, c := range events[i].Channels {
			if l.channels[c] {
				return true
			}
		}
	}
	return false
}

func (l *listener) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Ring wakes everybody, as when another process may have written.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		l.ring()
	}
}

// listen returns a channel that has a token after each ring, and what ends that.
func (b *Bell) listen(chans []Channel) (wake <-chan struct{}, stop func()) {
	l := &listener{channels: make(map[Channel]bool, len(chans)), wake: make(chan struct{}, 1)}
	for _, c := range chans {
		l.channels[c] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = make(map[*listener]struct{})
	}
	b.listeners[l] = struct{}{}
	return l.wake, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, l)
	}
}

// Sinks hand events to each of them, in order.
type Sinks []Sink

// Send hands the events on.
func (s Sinks) Send(events []Event) {
	for _, sink := range s {
		sink.Send(events)
	}
}
