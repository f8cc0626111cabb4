package e2e

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Relay passes TCP connections on to an address, and counts them. It ends with the test.
type Relay struct {
	listener net.Listener
	to       string
	accepted atomic.Int64
	wait     sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]struct{}
	closed   bool
}

// NewRelay starts a Relay on a port of its own.
func NewRelay(t testing.TB, to string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: listener, to: to, open: make(map[net.Conn]struct{})}
	r.wait.Go(r.run)
	t.Cleanup(r.close)
	return r
}

// Addr is the Relay's host and port.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Connections counts those that were accepted.
func (r *Relay) Connections() int { return int(r.accepted.Load()) }

func (r *Relay) run() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.accepted.Add(1)
		to, err := net.Dial("tcp", r.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		if !r.keep(from, to) {
			return
		}
		r.wait.Go(func() { r.pass(from, to) })
		r.wait.Go(func() { r.pass(to, from) })
	}
}

// keep remembers the connections for close; false when that has been called.
func (r *Relay) keep(both ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range both {
		if r.closed {
			_ = c.Close()
		} else {
			r.open[c] = struct{}{}
		}
	}
	return !r.closed
}

// pass copies until one side ends, and then ends both.
func (r *Relay) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from) // either side may end it at any time
	_ = from.Close()
	_ = to.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, from)
	delete(r.open, to)
}

func (r *Relay) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.open {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wait.Wait()
}
