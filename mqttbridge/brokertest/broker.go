// Package brokertest runs Mosquitto for tests: a process of its own on a free port of the loopback interface, with its files in
// the test's directory.
package brokertest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startWithin bounds how long Mosquitto may take to accept connections, and to end.
const startWithin = 20 * time.Second

// A Broker is a running Mosquitto. Its methods fail the test where something goes wrong.
type Broker struct {
	// URL is the address without user name and password: mqtt://127.0.0.1:port, or mqtts with TLS.
	URL string
	// Addr is the URL's host and port.
	Addr string
	// WebSocketURL is the address of the WebSocket listener, with the option WebSockets.
	WebSocketURL string
	// CAFile, CertFile and KeyFile are what a client needs, with the option TLS.
	CAFile, CertFile, KeyFile string

	t       testing.TB
	dir     string
	config  strings.Builder
	secure  bool
	expired bool
	// authority signs certificates.
	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
	ws           bool
	process      *exec.Cmd
	ended        chan struct{}
	log          *os.File
}

// An Option changes how a Broker is configured.
type Option func(*Broker)

// Password lets in only who has this user name and password.
func Password(user, password string) Option {
	return func(b *Broker) {
		file := filepath.Join(b.dir, "passwords")
		b.command("mosquitto_passwd", "-b", "-c", file, user, password)
		b.line("password_file %s", file)
		b.line("allow_anonymous false")
	}
}

// Conf adds lines of mosquitto.conf(5) before the listeners.
func Conf(lines ...string) Option {
	return func(b *Broker) {
		for _, line := range lines {
			b.line("%s", line)
		}
	}
}

// TLS makes the listener speak TLS, and ask clients for a certificate of the same authority.
func TLS() Option { return func(b *Broker) { b.secure = true } }

// Expired makes the broker's own certificate one whose time is over, with the option TLS.
func Expired() Option { return func(b *Broker) { b.expired = true } }

// WebSockets adds a listener for MQTT over WebSockets.
func WebSockets() Option { return func(b *Broker) { b.ws = true } }

// Start starts Mosquitto, and stops it at the end of the test. Sessions and retained messages are saved each second and
// on Stop; the number of messages that wait for a session is not limited.
func Start(t testing.TB, options ...Option) *Broker {
	t.Helper()
	// Mosquitto's default of 1,000 waiting messages would lose some in silence.
	b := &Broker{t: t, dir: t.TempDir()}
	b.line("persistence true")
	b.line("persistence_location %s/", b.dir)
	b.line("autosave_interval 1")
	b.line("max_queued_messages 0")
	if os.Geteuid() == 0 {
		b.line("user root") // else it could not write into the test's directory
	}
	for _, option := range options {
		option(b)
	}
	if !strings.Contains(b.config.String(), "allow_anonymous") {
		b.line("allow_anonymous true")
	}
	b.listeners()
	if err := os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), []byte(b.config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.log, err = os.Create(filepath.Join(b.dir, "mosquitto.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cleanup)
	b.Restart()
	return b
}

func (b *Broker) line(format string, args ...any) { fmt.Fprintf(&b.config, format+"\n", args...) }

func (b *Broker) listeners() {
	b.Addr = freeAddr(b.t)
	b.URL = "mqtt://" + b.Addr
	b.line("listener %s", port(b.Addr))
	if b.secure {
		b.URL = "mqtts://" + b.Addr
		b.certificates()
		b.line("require_certificate true")
	}
	if b.ws {
		addr := freeAddr(b.t)
		b.WebSocketURL = "ws://" + addr
		b.line("listener %s\nprotocol websockets", port(addr))
	}
}

// port names a listener's port and address as the configuration has it.
func port(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return port + " " + host
}

// freeAddr returns an address that was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Restart starts a broker that was stopped or killed, on the same port and with what it had saved.
func (b *Broker) Restart() {
	b.t.Helper()
	if b.ended != nil {
		<-b.ended
	}
	b.process = exec.Command(path("mosquitto"), "-c", filepath.Join(b.dir, "mosquitto.conf"))
	b.process.Stdout, b.process.Stderr = b.log, b.log
	if err := b.process.Start(); err != nil {
		b.t.Fatalf("start mosquitto (apt install mosquitto): %v", err)
	}
	ended := make(chan struct{})
	b.ended = ended
	go func(process *exec.Cmd) {
		defer close(ended)
		_ = process.Wait()
	}(b.process)
	b.awaitListener()
}

func (b *Broker) awaitListener() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.Addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-b.ended:
			b.t.Fatalf("mosquitto has ended:\n%s", b.Log())
		case <-ctx.Done():
			b.t.Fatalf("mosquitto does not listen on %s:\n%s", b.Addr, b.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the broker and lets it save what it has.
func (b *Broker) Stop() {
	b.t.Helper()
	b.signal(syscall.SIGTERM)
}

// Kill ends the broker like a power failure.
func (b *Broker) Kill() {
	b.t.Helper()
	b.signal(syscall.SIGKILL)
}

// Pause stops the broker in its tracks, until Resume: connections stay open and nothing is answered.
func (b *Broker) Pause() { _ = b.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused broker go on.
func (b *Broker) Resume() { _ = b.process.Process.Signal(syscall.SIGCONT) }

func (b *Broker) signal(signal os.Signal) {
	b.t.Helper()
	_ = b.process.Process.Signal(signal)
	select {
	case <-b.ended:
	case <-time.After(startWithin):
		_ = b.process.Process.Kill()
		b.t.Errorf("mosquitto did not end within %v after %v", startWithin, signal)
	}
}

func (b *Broker) cleanup() {
	if b.process != nil && b.process.Process != nil {
		_ = b.process.Process.Kill()
		<-b.ended
	}
	if b.t.Failed() {
		b.t.Logf("the end of mosquitto's log:\n%s", b.Log())
	}
	b.log.Close()
}

// Log returns the end of what the broker has logged.
func (b *Broker) Log() string {
	const most = 4 << 10
	text, _ := os.ReadFile(b.log.Name())
	if len(text) > most {
		text = text[len(text)-most:]
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return string(text)
}

func (b *Broker) command(name string, args ...string) {
	b.t.Helper()
	if out, err := exec.Command(path(name), args...).CombinedOutput(); err != nil {
		b.t.Fatalf("%s (apt install mosquitto): %v\n%s", name, err, out)
	}
}

// path finds a program also where Debian puts servers.
func path(name string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	return "/usr/sbin/" + name
}
