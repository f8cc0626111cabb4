package mqttbridge

import (
	"net"
	"sync"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// A doorway is mochi's TCP listener with an orderly end: the server waits for its clients when it closes, and must not be handed
// one more at that moment.
type doorway struct {
	*listeners.TCP
	clients *sync.WaitGroup // the server's

	mu     sync.Mutex
	closed bool
}

// Serve hands connections over until Close.
func (d *doorway) Serve(establish listeners.EstablishFn) {
	d.TCP.Serve(func(id string, c net.Conn) error {
		if !d.enter() {
			return c.Close()
		}
		defer d.clients.Done()
		return establish(id, c)
	})
}

func (d *doorway) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.clients.Add(1)
	return true
}

// Close ends the listener and then its clients.
func (d *doorway) Close(closeClients listeners.CloseFn) {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.TCP.Close(closeClients)
}
