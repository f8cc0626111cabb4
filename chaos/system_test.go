package chaos

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/pushpin/pushpintest"
	"github.com/griphub/griphub/store"
)

// trimmedChannel is the channel of which old events are deleted, all but the newest trimmedTo.
const (
	trimmedChannel = "brief"
	trimmedTo      = 4
)

// secret signs next links, the same at all instances of a hub.
const secret = "0123456789abcdef0123456789abcdef0123456789abcdef"

// A system is everything between devices and viewers, with the ways in which it can fail.
type system struct {
	backends []string // of the hubs, as URLs without a path
	ops      []string
	config   string     // a hub's file, for commands
	services []*service // all of them, hubs and others
	balancer *balancer
	mqtt     string // host:port
	// forgets tells that the broker acknowledges what it will not remember when it is killed.
	forgets bool
	kills   []time.Time // of the broker
	// openLog opens the hubs' log, as another program would.
	openLog func(context.Context) (store.Store, error)

	ways []*way
	// leftOut says what cannot fail here, and why.
	leftOut []string
}

func (s *system) add(ways ...*way) { s.ways = append(s.ways, ways...) }

// ready tells why the system cannot do its work, nil where it can.
func (s *system) ready() error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for i, ops := range s.ops {
		resp, err := client.Get(ops + "/readyz")
		if err != nil {
			return fmt.Errorf("hub %d: %w", i, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("hub %d: readyz answers %d", i, resp.StatusCode)
		}
	}
	return nil
}

// setups make the systems, by name.
var setups = []struct {
	name  string
	setup func(*testing.T) *system
}{
	{"sqlite", newSQLite},
	{"dev", newDev},
	{"postgres", newPostgres},
}

// newSQLite makes one griphub serve on SQLite, one Pushpin and one Mosquitto.
func newSQLite(t *testing.T) *system {
	t.Helper()
	s := &system{}
	dir := s.smallDisk(t)
	broker := s.addBroker(t)
	s.serve(t, 1, "sqlite:"+filepath.Join(dir, "griphub.db"), broker)
	s.openLog = func(ctx context.Context) (store.Store, error) {
		return store.OpenSQLite(ctx, filepath.Join(dir, "griphub.db"), store.Options{})
	}
	s.addCommon()
	return s
}

// newPostgres makes two griphub serve on one PostgreSQL, two Pushpins and one Mosquitto.
func newPostgres(t *testing.T) *system {
	t.Helper()
	s := &system{}
	database := s.addPostgres(t)
	broker := s.addBroker(t)
	s.serve(t, 2, database, broker)
	s.openLog = func(ctx context.Context) (store.Store, error) {
		return store.OpenPostgres(ctx, database, store.Options{})
	}
	s.addCommon()
	return s
}

// newDev makes a griphub dev.
func newDev(t *testing.T) *system {
	t.Helper()
	dir := ""
	s := &system{}
	dir = filepath.Join(s.smallDisk(t), "data")
	public, backend, control, mqtt, ops := freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	given := filepath.Join(t.TempDir(), "given.yaml")
	writeFile(t, given, common)
	clock := filepath.Join(filepath.Dir(given), "clock")
	hub := startService(t, "griphub dev", func() *exec.Cmd {
		cmd := griphub("dev", "--data", dir, "--fleet", "0", "--config", given, "--port", portOf(public),
			"--backend-port", portOf(backend), "--control-port", portOf(control), "--mqtt-port", portOf(mqtt), "--ops-port", portOf(ops))
		cmd.Dir, cmd.Env = filepath.Dir(given), append(cmd.Env, "CLOCK_FILE="+clock)
		return cmd
	})
	s.mqtt, s.config = mqtt, filepath.Join(dir, "griphub.yaml")
	s.backends, s.ops = []string{"http://" + backend}, []string{"http://" + ops}
	s.balancer = startBalancer(t, public)
	s.addHub(hub)
	s.addClock(hub.name, clock)
	s.addProxy("Pushpin", func() map[string]int { return programsIn(filepath.Join(dir, "pushpin")) })
	s.openLog = func(ctx context.Context) (store.Store, error) {
		return store.OpenSQLite(ctx, filepath.Join(dir, "griphub.db"), store.Options{})
	}
	s.addCommon()
	return s
}

// common is configuration that all set-ups share. A short recheck lets runs end sooner; it bounds how long a lost last
// publish goes unnoticed.
const common = `
publish: {keys: [` + publishKey + `]}
stream: {recheck: 10s}
channels:
  - {match: "iot_**", read: authenticated, shared: true}
  - {match: "**", read: public}
`

// serve starts hubs on the database, a Pushpin before each, all of which get everything that is published.
func (s *system) serve(t *testing.T, count int, database string, broker *brokertest.Broker) {
	t.Helper()
	var publics, urls, listens []string
	proxies := make([]*pushpintest.Proxy, count)
	for i := range count {
		listens = append(listens, freeAddr(t))
		proxies[i] = startProxy(t, listens[i])
		publics = append(publics, strings.TrimPrefix(proxies[i].URL(), "http://"))
		urls = append(urls, strconv.Quote(proxies[i].GripURL()))
	}
	s.balancer = startBalancer(t, publics...)
	for i := range count {
		ops := freeAddr(t)
		dir := t.TempDir()
		config := filepath.Join(dir, "griphub.yaml")
		writeFile(t, config, fmt.Sprintf("listen: %s\nops_listen: %s\ndatabase: %s\nsecret: %s\ngrip: {urls: [%s]}\nmqtt: {url: %s}\nauth: {mode: none}\n%s",
			listens[i], ops, database, secret, strings.Join(urls, ", "), broker.URL, common))
		s.config = config
		name := "griphub"
		proxy := "Pushpin"
		if count > 1 {
			name, proxy = fmt.Sprintf("griphub %d", i), fmt.Sprintf("Pushpin %d", i)
		}
		hub := startService(t, name, func() *exec.Cmd {
			cmd := griphub("serve", "--config", config)
			cmd.Dir, cmd.Env = dir, append(cmd.Env, "CLOCK_FILE="+filepath.Join(dir, "clock"))
			return cmd
		})
		s.backends, s.ops = append(s.backends, "http://"+listens[i]), append(s.ops, "http://"+ops)
		s.addHub(hub)
		s.addClock(name, filepath.Join(dir, "clock"))
		s.addProxy(proxy, proxies[i].PIDs)
	}
}

// startProxy runs a Pushpin in front of the backend's address. It becomes ready when something answers there.
func startProxy(t *testing.T, backend string) *pushpintest.Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", backend)
	if err != nil {
		t.Fatal(err)
	}
	placeholder := httptest.NewUnstartedServer(http.NotFoundHandler())
	placeholder.Listener.Close()
	placeholder.Listener = listener
	placeholder.Start()
	defer placeholder.Close()
	log, err := os.Create(filepath.Join(t.TempDir(), "pushpin.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return pushpintest.Start(t, backend, pushpintest.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
}

// griphub is the program under test, without what would configure it.
func griphub(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Getenv("GRIPHUB_E2E_BINARY"), args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GRIPHUB_") && !strings.HasPrefix(pair, "GRIP_URL=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	return cmd
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddr returns an address on which nobody listened a moment ago, from below the ports that the kernel gives to
// clients, so that a server which starts again finds its own free.
func freeAddr(t *testing.T) string {
	t.Helper()
	const first, last, attempts = 12_000, 32_000, 200
	for range attempts {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first)))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatalf("no free port in %d attempts", attempts)
	return ""
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// pidsIn finds the processes whose working directory is dir, oldest first.
func pidsIn(dir string) []int {
	dir, _ = filepath.EvalSymlinks(dir)
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	var pids []int
	for _, link := range links {
		// Processes come and go, and others' may not be looked at.
		if cwd, err := os.Readlink(link); err != nil || cwd != dir {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// programsIn finds the same, by program.
func programsIn(dir string) map[string]int {
	programs := make(map[string]int)
	for _, pid := range pidsIn(dir) {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		program, _, _ := bytes.Cut(args, []byte{0})
		if err == nil && len(program) > 0 {
			programs[filepath.Base(string(program))] = pid
		}
	}
	return programs
}

// signalAll signals processes; those that have ended are left out.
func signalAll(programs map[string]int, signal syscall.Signal) {
	signalEach(slices.Collect(maps.Values(programs)), signal)
}

func signalEach(pids []int, signal syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal)
	}
}

// trim deletes old events of the trimmed channel, as a hub's retention does.
func (s *system) trim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	db, err := s.openLog(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Trim(ctx, func(c channels.Channel) channels.Retention {
		if c == trimmedChannel {
			return channels.Retention{Count: trimmedTo}
		}
		return channels.Retention{}
	}, time.Now())
	return err
}
