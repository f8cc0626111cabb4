package pushpin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/griphub/griphub/grip"
)

// probeTimeout is short because a request that comes too early hangs: zurl has answered it before
// Pushpin has subscribed to zurl's answers. The next one goes through.
const probeTimeout = 500 * time.Millisecond

const probeChannel = "griphub-ready"

// Ready returns nil once a stream can be held and published to, and a request to "/" has gone to the
// backend and back. Any answer of the backend will do, except 502, which is Pushpin's own.
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
	if err := s.probeHold(ctx); err != nil {
		return fmt.Errorf("held stream: %w", err)
	}
	resp, err := s.request(ctx, http.MethodHead, s.URL()+"/", nil)
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusBadGateway {
		return fmt.Errorf("backend: %s does not answer", s.config.Backend)
	}
	return nil
}

// probeHold publishes to a stream that Pushpin's own test backend has held. Two items, because a stream
// that is opened before condure has found the handler looks well until the second write after its
// opening: what condure answers to the first is out of sequence, and the handler hangs up.
func (s *Server) probeHold(ctx context.Context) error {
	resp, err := s.request(ctx, http.MethodGet, s.URL()+"/stream?channel="+probeChannel, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	lines := bufio.NewReader(resp.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		return err
	}
	items, err := grip.AppendItems(nil, []grip.Item{{Channel: probeChannel, HTTPStream: &grip.HTTPStream{Content: []byte("ready\n")}}})
	if err != nil {
		return err
	}
	for range 2 {
		published, err := s.request(ctx, http.MethodPost, s.ControlURL()+"/publish/", items)
		if err != nil {
			return err
		}
		published.Body.Close()
		if _, err := lines.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) request(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodGet {
		req.Host = s.probeHost
	}
	return s.probes.Do(req)
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

// StatsURL is the socket on which the Pushpin of a Server tells who listens, for NewAudience. dir is the Server's Config.Dir.
func StatsURL(dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, dirName, runName, statsName))
	if err != nil {
		return "", fmt.Errorf("pushpin: %w", err)
	}
	return "ipc://" + path, nil
}
