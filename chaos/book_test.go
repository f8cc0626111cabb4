package chaos

import (
	"sync"
	"time"
)

// A message is what somebody has sent, or is sending.
type message struct {
	// key stands in the payload and tells it from all others.
	key string
	// source sends its messages one after the other.
	source string
	number int
	text   string // more payload
	// channels are where it has to appear.
	channels []string
	// named tells that the message has an id by which a repetition is recognised.
	named bool
	// trusting tells that the sender takes the first acknowledgement for the last word, at a broker that forgets what
	// it has acknowledged when it is killed.
	trusting bool
	// attempts counts how often it was sent, to a device's knowledge.
	attempts int
	// first is when it was first sent, and acknowledged when it was, zero for not yet.
	first, acknowledged time.Time
}

// A book is what all senders have sent.
type book struct {
	mu       sync.Mutex
	messages map[string]*message
	problems []string
}

func newBook() *book { return &book{messages: make(map[string]*message)} }

func (b *book) write(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages[m.key] = m
}

func (b *book) attempt(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.attempts++; m.attempts == 1 {
		m.first = time.Now()
	}
}

func (b *book) acknowledge(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.acknowledged = time.Now()
}

func (b *book) problem(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}
