package chaos

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A balancer stands before the proxies, as in production: a new connection goes to the next proxy that takes it. It can cut
// all connections, as a network does.
type balancer struct {
	listener net.Listener
	targets  []string

	mu    sync.Mutex
	next  int
	conns map[net.Conn]struct{}
	cuts  int
}

func startBalancer(t *testing.T, targets ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, targets: targets, conns: make(map[net.Conn]struct{})}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(client)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		b.cut()
	})
	return b
}

// url is an address behind the balancer; the path starts with "/".
func (b *balancer) url(path string) string { return "http://" + b.listener.Addr().String() + path }

func (b *balancer) serve(client net.Conn) {
	defer client.Close()
	server := b.dial()
	if server == nil {
		return
	}
	defer server.Close()
	b.keep(client, server)
	defer b.forget(client, server)
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

// dial tries each proxy once, beginning with the one whose turn it is.
func (b *balancer) dial() net.Conn {
	for range b.targets {
		b.mu.Lock()
		target := b.targets[b.next%len(b.targets)]
		b.next++
		b.mu.Unlock()
		if conn, err := net.DialTimeout("tcp", target, 2*time.Second); err == nil {
			return conn
		}
	}
	return nil
}

func (b *balancer) keep(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		b.conns[c] = struct{}{}
	}
}

func (b *balancer) forget(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.conns, c)
	}
}

// cut breaks all connections.
func (b *balancer) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cuts++
	for c := range b.conns {
		c.Close()
	}
}
