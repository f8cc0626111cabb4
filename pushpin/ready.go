package pushpin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// probeTimeout is short because a request that comes too early hangs: zurl has answered it before
// Pushpin has subscribed to zurl's answers. The next one goes through.
const probeTimeout = 500 * time.Millisecond

// Ready returns nil once a stream can be held, a request to "/" has gone to the backend and back, and
// the control port answers. Any answer of the backend will do, except 502, which is Pushpin's own.
// It fails when ctx ends, telling what was missing, or when Run has returned.
func (s *Server) Ready(ctx context.Context) error {
	select {
	case <-s.up:
	case <-s.done:
		return errors.New("pushpin is not ready: it does not run")
	case <-ctx.Done():
		return fmt.Errorf("pushpin is not ready: it was not started: %w", ctx.Err())
	}
	for {
		err := s.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return errors.New("pushpin is not ready: it does not run")
		case <-ctx.Done():
			return fmt.Errorf("pushpin is not ready: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if _, err := s.ask(ctx, http.MethodHead, s.ControlURL()+"/", ""); err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	status, err := s.ask(ctx, http.MethodGet, s.URL()+"/stream?channel=griphub-ready", s.probeHost)
	switch {
	case err != nil:
		return fmt.Errorf("held stream: %w", err)
	case status != http.StatusOK:
		// 500 where handler and condure have not met yet.
		return fmt.Errorf("held stream: status %d", status)
	}
	status, err = s.ask(ctx, http.MethodHead, s.URL()+"/", "")
	switch {
	case err != nil:
		return fmt.Errorf("backend: %w", err)
	case status == http.StatusBadGateway:
		return fmt.Errorf("backend: %s does not answer", s.config.Backend)
	}
	return nil
}

// ask returns the status of an answer, and hangs up.
func (s *Server) ask(ctx context.Context, method, url, host string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	resp, err := s.probes.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// URL is where clients connect, without a trailing slash. Where Pushpin listens on all
// addresses, it is the one of this machine.
func (s *Server) URL() string {
	host, port, _ := net.SplitHostPort(s.config.Listen)
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// ControlURL is the base of the control port's addresses, without a trailing slash and a key.
func (s *Server) ControlURL() string {
	return "http://127.0.0.1:" + strconv.Itoa(s.config.ControlPort)
}
