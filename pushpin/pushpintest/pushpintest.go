// Package pushpintest runs a real Pushpin for tests. It needs the Debian packages
// pushpin and zurl.
package pushpintest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/pushpin"
)

// patience is how long a start, and a stop, may take on a busy machine.
const patience = 20 * time.Second

// settling keeps streams out of the first moments of a Pushpin 1.36, whose front cuts off many of those that it hands over then
// ("received message out of sequence, canceling").
const settling = 2 * time.Second

// Options change what is run. The zero value is what griphub dev runs.
type Options struct {
	// Log takes what the supervisor and Pushpin say; nil sends it to the test's log.
	Log *slog.Logger
	// BodyLimit is the largest body of a publish request, in bytes; 0 means Pushpin's default.
	BodyLimit int
	// SigKey and SigIssuer are as in pushpin.Config; empty for a secret of its own, and Pushpin's name.
	SigKey    []byte
	SigIssuer string
}

// A Proxy is a Pushpin that runs until the test ends. Its methods fail the test where
// they cannot do what they say. They are for the test's own goroutine.
type Proxy struct {
	t      testing.TB
	config pushpin.Config
	log    *slog.Logger
	server *pushpin.Server
	cancel context.CancelFunc
	ended  chan error
}

// Start runs a Pushpin on ports of its own in front of backend, a host and port that must
// be served already, and returns when requests go through. Any number may run at a time.
func Start(t testing.TB, backend string, options Options) *Proxy {
	t.Helper()
	log := options.Log
	if log == nil {
		log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	p := &Proxy{t: t, log: log}
	t.Cleanup(p.Stop)
	dir := t.TempDir()
	key := options.SigKey
	if key == nil {
		key = []byte(rand.Text())
	}
	const attempts = 10
	for range attempts {
		p.config = pushpin.Config{
			Dir:         dir,
			Listen:      "127.0.0.1:" + strconv.Itoa(freePort(t)),
			ControlPort: freePort(t),
			Backend:     backend,
			SigKey:      key,
			SigIssuer:   options.SigIssuer,
			BodyLimit:   options.BodyLimit,
		}
		err := p.start()
		if err == nil {
			return p
		}
		// Another test may have been given the port in between.
		if !errors.Is(err, pushpin.ErrPortTaken) {
			t.Fatal(err)
		}
	}
	t.Fatalf("no free ports in %d attempts", attempts)
	return nil
}

func (p *Proxy) start() error {
	server, err := pushpin.NewServer(p.config, p.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.server, p.cancel, p.ended = server, cancel, make(chan error, 1)
	go func() { p.ended <- server.Run(ctx) }()

	ready, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if err := server.Ready(ready); err != nil {
		cancel()
		return errors.Join(<-p.ended, err)
	}
	time.Sleep(settling)
	return nil
}

// URL is where clients connect, without a trailing slash.
func (p *Proxy) URL() string { return p.server.URL() }

// ControlURL is the base of the control port's addresses.
func (p *Proxy) ControlURL() string { return p.server.ControlURL() }

// StatsURL is the socket that tells who listens.
func (p *Proxy) StatsURL() string {
	p.t.Helper()
	socket, err := pushpin.StatsURL(p.config.Dir)
	if err != nil {
		p.t.Fatal(err)
	}
	return socket
}

// SigKey is the secret that signs Grip-Sig.
func (p *Proxy) SigKey() []byte { return p.config.SigKey }

// SetSigKey changes the secret. It takes effect at the next Restart.
func (p *Proxy) SetSigKey(key []byte) { p.config.SigKey = key }

// GripURL is the GRIP_URL for a backend of this proxy that signs with a secret: the control port and the key.
func (p *Proxy) GripURL() string {
	query := url.Values{
		"iss": {pushpin.SigIssuer},
		"key": {"base64:" + base64.StdEncoding.EncodeToString(p.config.SigKey)},
	}
	return p.ControlURL() + "?" + query.Encode()
}

// Ready waits until requests go through, as after the death of a part.
func (p *Proxy) Ready() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.server.Ready(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// Stop ends it in order, as Ctrl-C does. It may be called at any time.
func (p *Proxy) Stop() {
	p.t.Helper()
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Error(err)
		}
	case <-time.After(patience):
		p.t.Errorf("pushpin has not stopped within %v", patience)
	}
}

// Kill ends it as a power failure does: all processes at once, without a chance to do anything.
func (p *Proxy) Kill() {
	p.t.Helper()
	for _, pid := range p.PIDs() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			p.t.Error(err)
		}
	}
	// The supervisor waits longer than this takes before it starts anything again.
	p.Stop()
}

// Restart runs it again on the same ports, with the same key, after a stop if it still runs.
func (p *Proxy) Restart() {
	p.t.Helper()
	p.Stop()
	if err := p.start(); err != nil {
		p.t.Fatal(err)
	}
}

// PIDs are the processes, by program: condure, pushpin-handler, pushpin-proxy, zurl.
func (p *Proxy) PIDs() map[string]int {
	p.t.Helper()
	dir, err := filepath.EvalSymlinks(filepath.Join(p.config.Dir, "pushpin"))
	if err != nil {
		p.t.Fatal(err)
	}
	found, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		p.t.Fatal(err)
	}
	pids := make(map[string]int)
	for _, link := range found {
		// Processes come and go, and others' may not be looked at.
		if cwd, err := os.Readlink(link); err != nil || cwd != dir {
			continue
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil {
			continue
		}
		program, _, _ := bytes.Cut(args, []byte{0})
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			p.t.Fatal(err)
		}
		if len(program) > 0 {
			pids[filepath.Base(string(program))] = pid
		}
	}
	return pids
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Logf("pushpin: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}
