package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
)

// backend answers what the proxy asks, scene by scene, and keeps the requests.
type backend struct {
	addr   string
	server *http.Server

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	requests map[string][]string // dumps by path
}

func startBackend() (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{
		addr:     l.Addr().String(),
		handlers: make(map[string]http.HandlerFunc),
		requests: make(map[string][]string),
	}
	b.server = &http.Server{Handler: b}
	go b.server.Serve(l)
	return b, nil
}

// on sets who answers a path.
func (b *backend) on(path string, h http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlers[path] = h
}

// seen returns the dumps of all requests for a path.
func (b *backend) seen(path string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.requests[path]...)
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dump, err := httputil.DumpRequest(r, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	b.mu.Lock()
	b.requests[r.URL.Path] = append(b.requests[r.URL.Path], string(dump))
	h := b.handlers[r.URL.Path]
	b.mu.Unlock()
	if h != nil {
		h(w, r)
	}
}
