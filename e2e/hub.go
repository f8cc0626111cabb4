package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/pushpin/fastlytest"
	"github.com/griphub/griphub/pushpin/pushpintest"
)

const (
	// startPatience is how long a hub may take to become ready, and stopPatience to stop.
	startPatience = 90 * time.Second
	stopPatience  = 45 * time.Second
)

// A Hub is a griphub that runs, with everything it needs. It is stopped at the end of the test, and its log is shown where the
// test has failed.
type Hub struct {
	// Dir is the data directory, and Config the configuration file, for commands that shall meet this hub.
	Dir, Config string
	// MQTT is the broker's host and port.
	MQTT string
	// Proxy and Broker are those of StartServe; a hub of StartDev runs its own. Second is nil unless it was asked for.
	Proxy, Second *pushpintest.Proxy
	// Fastly is nil unless it was asked for.
	Fastly *fastlytest.Fanout
	Broker *brokertest.Broker

	args, env []string
	dir       string // where the program runs
	process   *process

	public, backend, ops string
	// listens are the addresses at which the hub itself, or a child of it, listens.
	listens []string
}

// DevOptions change how `griphub dev` runs. The zero value is dev without simulated devices.
type DevOptions struct {
	// Fleet is the number of simulated devices.
	Fleet int
	// Config is what dev adds to, as YAML; empty for none.
	Config string
	// Args are further flags.
	Args []string
	// Env are variables, as NAME=value.
	Env []string
}

// StartDev runs `griphub dev` on ports of its own, and returns when it is ready.
func StartDev(t testing.TB, options DevOptions) *Hub {
	t.Helper()
	h := NewDev(t, options)
	h.Start(t)
	h.AwaitReady(t)
	return h
}

// NewDev prepares what StartDev runs, without starting it.
func NewDev(t testing.TB, options DevOptions) *Hub {
	t.Helper()
	dir := t.TempDir()
	control := freeAddr(t)
	h := &Hub{
		Dir: filepath.Join(dir, "data"), dir: dir, env: options.Env,
		public: freeAddr(t), backend: freeAddr(t), ops: freeAddr(t), MQTT: freeAddr(t),
	}
	h.listens = []string{h.public, h.backend, h.ops, control, h.MQTT}
	h.Config = filepath.Join(h.Dir, "griphub.yaml")
	h.args = []string{
		"dev", "--data", h.Dir, "--fleet", strconv.Itoa(options.Fleet),
		"--port", portOf(h.public), "--backend-port", portOf(h.backend), "--control-port", portOf(control),
		"--mqtt-port", portOf(h.MQTT), "--ops-port", portOf(h.ops),
	}
	if options.Config != "" {
		h.args = append(h.args, "--config", writeFile(t, filepath.Join(dir, "given.yaml"), options.Config))
	}
	h.args = append(h.args, options.Args...)
	return h
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Command is what Start starts, for a run that ends by itself.
func (h *Hub) Command() Command { return Command{Args: h.args, Env: h.env, Dir: h.dir} }

// Start starts the program, and returns at once.
func (h *Hub) Start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(binary(t), h.args...)
	cmd.Dir, cmd.Env = h.dir, environment(h.env)
	first := h.process == nil
	h.process = startProcess(t, filepath.Join(h.dir, "hub.log"), cmd)
	if first {
		t.Cleanup(func() { h.cleanup(t) })
	}
}

// cleanup ends what the test has left running, and looks for what only the log tells.
func (h *Hub) cleanup(t testing.TB) {
	if h.process.running() {
		h.stop(t, syscall.SIGTERM, false)
	}
	log := h.process.output()
	if strings.Contains(log, "WARNING: DATA RACE") {
		t.Errorf("griphub has a data race")
	}
	if strings.Contains(log, "handler panicked") || strings.Contains(log, "panic:") {
		t.Errorf("griphub has panicked")
	}
	if t.Failed() {
		const most = 20_000
		t.Logf("the end of griphub's log:\n%s", log[max(0, len(log)-most):])
	}
}

// AwaitReady waits until readyz says that the hub can do its work.
func (h *Hub) AwaitReady(t testing.TB) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(startPatience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !h.process.running() {
			t.Fatalf("griphub has ended: %v\n%s", h.process.cmd.ProcessState, h.process.output())
		}
		if last = h.Ready(); last == nil {
			return
		}
	}
	t.Fatalf("griphub is not ready: %v", last)
}

// Ready tells why readyz does not answer 200; nil where it does.
func (h *Hub) Ready() error {
	answer, err := request(http.MethodGet, h.OpsURL("/readyz"), "", nil)
	if err == nil && answer.Status != http.StatusOK {
		err = &StatusError{answer.Status, answer.Body}
	}
	return err
}

// URL is an address as clients use it, at the proxy. The path starts with "/".
func (h *Hub) URL(path string) string { return "http://" + h.public + path }

// BackendURL is an address as the proxy uses it.
func (h *Hub) BackendURL(path string) string { return "http://" + h.backend + path }

// OpsURL is an address for operators: "/readyz", "/healthz" or "/metrics".
func (h *Hub) OpsURL(path string) string { return "http://" + h.ops + path }

// Log is what the hub has written to standard output and standard error, in all its runs.
func (h *Hub) Log() string { return h.process.output() }

// Run runs another griphub command with this hub's configuration.
func (h *Hub) Run(t testing.TB, args ...string) Result {
	t.Helper()
	return Command{Args: append(args, "--config", h.Config)}.Run(t)
}

// Publish runs `griphub publish` with the arguments, which has to succeed, and returns the id that it prints.
func (h *Hub) Publish(t testing.TB, args ...string) string {
	t.Helper()
	result := h.Run(t, append([]string{"publish"}, args...)...)
	if result.Code != 0 {
		t.Fatalf("griphub publish %q: exit code %d: %s", args, result.Code, result.Stderr)
	}
	return strings.TrimSpace(result.Stdout)
}

// Stop ends the hub as a service manager does, with SIGTERM. It has to exit with 0 and leave no process and no port.
func (h *Hub) Stop(t testing.TB) {
	t.Helper()
	h.stop(t, syscall.SIGTERM, false)
}

// Interrupt ends the hub as Ctrl-C does, with SIGINT to the whole process group. It has to exit with 0 and leave no
// process and no port.
func (h *Hub) Interrupt(t testing.TB) {
	t.Helper()
	h.stop(t, syscall.SIGINT, true)
}

func (h *Hub) stop(t testing.TB, signal syscall.Signal, group bool) {
	t.Helper()
	parts := h.parts(t)
	pid := h.process.pid()
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("signal griphub: %v", err)
	}
	if !h.process.await(stopPatience) {
		_ = h.process.cmd.Process.Kill()
		t.Errorf("griphub has not stopped within %v after %v", stopPatience, signal)
		return
	}
	if code := h.process.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("griphub has exited with %v after %v", h.process.cmd.ProcessState, signal)
	}
	h.assertGone(t, parts)
}

// Kill ends the hub with SIGKILL, as a lack of memory does. Its children have to end too.
func (h *Hub) Kill(t testing.TB) {
	t.Helper()
	parts := h.parts(t)
	if err := h.process.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill griphub: %v", err)
	}
	<-h.process.ended
	h.assertGone(t, parts)
}

// Restart stops the hub if it runs, starts it with the same data on the same ports, and returns when it is ready.
func (h *Hub) Restart(t testing.TB) {
	t.Helper()
	if h.process.running() {
		h.Stop(t)
	}
	h.Start(t)
	h.AwaitReady(t)
}

// assertGone fails the test if a part of the hub or one of its ports is left after a moment's grace: the kernel ends
// the children of a process that was killed, which is not at the same instant.
func (h *Hub) assertGone(t testing.TB, parts []part) {
	t.Helper()
	const grace = 5 * time.Second
	var left []string
	for deadline := time.Now().Add(grace); ; time.Sleep(10 * time.Millisecond) {
		left = left[:0]
		for _, p := range append(h.parts(t), parts...) {
			if p.alive() {
				left = append(left, fmt.Sprintf("process %d (%s)", p.pid, p.name))
			}
		}
		for _, address := range h.listens {
			if !free(address) {
				left = append(left, "port "+portOf(address))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("griphub has ended and left: %s", strings.Join(left, ", "))
		}
	}
}

func (h *Hub) parts(t testing.TB) []part {
	t.Helper()
	return partsOf(t, h.process.pid(), h.Dir)
}

// Children are the process ids of the hub's children, by program.
func (h *Hub) Children(t testing.TB) map[string]int {
	t.Helper()
	children := make(map[string]int)
	for _, p := range h.parts(t) {
		children[p.name] = p.pid
	}
	return children
}

// KillChild ends a child with SIGKILL and waits until another process of that program has taken its place.
func (h *Hub) KillChild(t testing.TB, program string) {
	t.Helper()
	for _, p := range h.parts(t) {
		if p.name != program {
			continue
		}
		p.kill(t)
		Eventually(t, program+" runs again", func() bool {
			again, ok := h.Children(t)[program]
			return ok && again != p.pid
		})
		return
	}
	t.Fatalf("griphub has no child %q, but %v", program, h.Children(t))
}
