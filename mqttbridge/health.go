package mqttbridge

import "sync"

// health is what a readiness check asks for.
type health struct {
	mu        sync.Mutex
	connected bool
	broker    error // why there is no connection
	store     error // why the last batch could not be stored
}

func (h *health) setBroker(connected bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected, h.broker = connected, err
}

func (h *health) setStore(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = err
}

func (h *health) isConnected() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connected
}

func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broker != nil {
		return h.broker
	}
	return h.store
}
