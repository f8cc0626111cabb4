package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// maxConnections bounds the connections of a port, so that strangers do not use up the descriptors that database and
// proxies need. Whoever comes beyond them waits until another has gone; a Pushpin has 2,000 requests under way at most.
const maxConnections = 10_000

// httpStage serves handler at the address until told to stop, then lets requests end. The port is taken at once,
// so that one that is in use is known before anything runs.
func httpStage(name, address, key string, handler http.Handler, log *slog.Logger) (stage, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return stage{}, fmt.Errorf("%s: cannot listen on %s: %w; choose another with %s", name, address, errors.Unwrap(err), key)
	}
	listener = netutil.LimitListener(listener, maxConnections)
	server := &http.Server{
		Handler: handler,
		// Proxies and browsers send small headers and no slow ones.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.With("server", name).Handler(), slog.LevelDebug),
	}
	return stage{name: name, run: func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(patience) != nil {
			return server.Close()
		}
		return nil
	}}, nil
}
