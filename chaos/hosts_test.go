//go:build long

package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

// A plant is a system of which each part has a host of its own: three Pushpins, two griphubs, a PostgreSQL with a standby,
// and a Mosquitto, as they would be in production.
type plant struct {
	*system
	network                       *network
	hubs, proxies                 []*service
	viewers, broker, first, other *host // the servers of the database are first and other
	primary, standby              *service
	standbySocket                 string
}

const (
	proxyCount, hubCount = 3, 2
	// sigKey is in base64.
	sigKey = "YSBrZXkgdGhhdCBzaWducyB3aGF0IGNvbWVzIHRocm91Z2ggdGhlIHByb3hpZXM="
)

// newPlant makes a plant whose database confirms what its standby has too, or with lags what it has itself.
func newPlant(t *testing.T, lags bool) *plant {
	t.Helper()
	n := newNetwork(t)
	p := &plant{system: &system{}, network: n, viewers: n.hosts[0]}
	database := p.addDatabase(t, lags)
	p.addMosquitto(t)
	var hubs, proxies []*host
	for i := range hubCount {
		hubs = append(hubs, n.host(fmt.Sprintf("griphub%d", i)))
	}
	var urls, publics []string
	for i := range proxyCount {
		h := n.host(fmt.Sprintf("pushpin%d", i))
		proxies = append(proxies, h)
		urls = append(urls, strconv.Quote(fmt.Sprintf("http://%s:5561?iss=pushpin&key=base64:%s", h.address, sigKey)))
		publics = append(publics, h.address+":7999")
	}
	if t.Failed() {
		t.Fatal("there is no network to run in")
	}
	p.balancer = startBalancer(t, publics...)
	for _, h := range hubs {
		p.addGriphub(t, h, fmt.Sprintf("listen: %s:8000\nops_listen: %s:8001\ndatabase: %s\nsecret: %s\ngrip: {urls: [%s]}\nmqtt: {url: mqtt://%s}\nauth: {mode: none}\n%s",
			h.address, h.address, database, secret, strings.Join(urls, ", "), p.mqtt, common))
	}
	for i, h := range proxies {
		// Each asks another griphub first.
		var routes []string
		for k := range hubs {
			routes = append(routes, hubs[(i+k)%len(hubs)].address+":8000,over_http")
		}
		p.addPushpin(t, h, "* "+strings.Join(routes, " ")+"\n")
	}
	p.openLog = func(ctx context.Context) (store.Store, error) {
		return store.OpenPostgres(ctx, database, store.Options{})
	}
	return p
}

// addService starts the program on the host.
func (p *plant) addService(t *testing.T, h *host, command func() *exec.Cmd) *service {
	t.Helper()
	s := prepareService(t, h.name, h.namespace, syscall.SIGTERM, command)
	s.up()
	p.services = append(p.services, s)
	return s
}

func (p *plant) addGriphub(t *testing.T, h *host, config string) {
	t.Helper()
	dir := t.TempDir()
	p.config = filepath.Join(dir, "griphub.yaml")
	file := p.config
	writeFile(t, file, config)
	p.hubs = append(p.hubs, p.addService(t, h, func() *exec.Cmd {
		cmd := griphub("serve", "--config", file)
		cmd.Dir = dir
		return cmd
	}))
	p.backends = append(p.backends, fmt.Sprintf("http://%s:8000", h.address))
	p.ops = append(p.ops, fmt.Sprintf("http://%s:8001", h.address))
}

// addPushpin starts Debian's Pushpin with the settings of deploy/pushpin, and the zurl that it needs.
func (p *plant) addPushpin(t *testing.T, h *host, routes string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "routes"), routes)
	writeFile(t, filepath.Join(dir, "pushpin.conf"), fmt.Sprintf(pushpinConf, sigKey))
	writeFile(t, filepath.Join(dir, "zurl.conf"), zurlConf)
	start := func(name string, args ...string) *service {
		return p.addService(t, h, func() *exec.Cmd {
			cmd := exec.Command(name, args...)
			cmd.Dir = dir
			return cmd
		})
	}
	start("zurl", "--config=zurl.conf")
	p.proxies = append(p.proxies, start("pushpin", "--config=pushpin.conf", "--merge-output"))
}

const pushpinConf = `[global]
include={libdir}/internal.conf
rundir=run
ipc_prefix=
stats_connection_ttl=120
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=7999
log_level=1
client_buffer_size=65536
client_maxconn=4096
[proxy]
routesfile=routes
sig_iss=pushpin
sig_key=base64:%s
set_x_forwarded_protocol=proto-only
x_forwarded_for=truncate:0,append
updates_check=off
zurl_out_specs=ipc://{rundir}/zurl-in
zurl_out_stream_specs=ipc://{rundir}/zurl-in-stream
zurl_in_specs=ipc://{rundir}/zurl-out
[handler]
push_in_spec=ipc://{rundir}/push-in
push_in_sub_specs=ipc://{rundir}/push-in-sub
push_in_http_addr=0.0.0.0
push_in_http_port=5561
push_in_max_body_size=1000000
command_spec=ipc://{rundir}/command
message_rate=0
message_hwm=0
message_wait=1000
id_cache_ttl=60
connection_subscription_max=200
subscription_linger=60
`

const zurlConf = `[General]
in_spec=ipc://run/zurl-in
in_stream_spec=ipc://run/zurl-in-stream
out_spec=ipc://run/zurl-out
in_req_spec=
defpolicy=allow
max_open_requests=2000
buffer_size=200000
timeout=600
in_hwm=1000
out_hwm=1000
`

// addMosquitto starts the broker on a host of its own.
func (p *plant) addMosquitto(t *testing.T) {
	t.Helper()
	p.broker = p.network.host("mosquitto")
	p.mqtt = p.broker.address + ":1883"
	dir := t.TempDir()
	config := filepath.Join(dir, "mosquitto.conf")
	writeFile(t, config, fmt.Sprintf("listener 1883 %s\nallow_anonymous true\nuser root\nmax_queued_messages 0\n", p.broker.address))
	p.addService(t, p.broker, func() *exec.Cmd { return exec.Command("mosquitto", "-c", config) })
}

// addDatabase makes a PostgreSQL with a standby, and returns the database's URL, which names both servers.
func (p *plant) addDatabase(t *testing.T, lags bool) string {
	t.Helper()
	p.first, p.other = p.network.host("postgres0"), p.network.host("postgres1")
	var primary pgtest.Server
	t.Cleanup(primary.Stop)
	if err := primary.Start(); err != nil {
		t.Fatal(err)
	}
	standby := primary.Standby(t)
	p.standbySocket = hostOf(t, standby.URL("postgres"))
	serve := func(h *host, dir string, settings ...string) *service {
		args, attributes := adopt(t, dir)
		access := filepath.Join(dir, "data", "pg_hba.conf")
		writeFile(t, access, "local all,replication all trust\nhost all,replication all "+p.network.prefix+"0/24 trust\n")
		args = append(args, "-D", filepath.Join(dir, "data"), "-c", "listen_addresses="+h.address, "-c", "port=5432")
		for _, setting := range settings {
			args = append(args, "-c", setting)
		}
		s := prepareService(t, h.name, h.namespace, syscall.SIGINT, func() *exec.Cmd {
			cmd := exec.Command(args[0], args[1:]...)
			own := attributes
			cmd.Dir, cmd.SysProcAttr = dir, &own
			return cmd
		})
		s.up()
		p.services = append(p.services, s)
		return s
	}
	p.standby = serve(p.other, p.standbySocket, fmt.Sprintf("primary_conninfo=host=%s port=5432 user=postgres", p.first.address),
		"wal_receiver_timeout=2s")
	var settings []string
	if !lags {
		settings = []string{"synchronous_standby_names=*"}
	}
	p.primary = serve(p.first, hostOf(t, primary.URL("postgres")), settings...)
	return fmt.Sprintf("postgres://postgres@%s,%s/postgres?target_session_attrs=read-write&connect_timeout=2", p.first.address, p.other.address)
}

// promote lets the standby take over.
func (p *plant) promote(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), "postgres:///postgres?user=postgres&host="+p.standbySocket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
}

// pairs are all pairs of hosts.
func (n *network) pairs() (list [][2]*host) {
	for i, a := range n.hosts {
		for _, b := range n.hosts[:i] {
			list = append(list, [2]*host{b, a})
		}
	}
	return list
}

// talk tells whether the hosts have anything to say to each other.
func (p *plant) talk(a, b *host) bool {
	kinds := strings.TrimRight(a.name, "0123456789") + " " + strings.TrimRight(b.name, "0123456789")
	switch kinds {
	case "postgres postgres", "postgres griphub", "mosquitto griphub", "griphub pushpin", "viewers mosquitto", "viewers postgres",
		"viewers griphub", "viewers pushpin":
		return true
	}
	return false
}

// restart ends the service as an upgrade does, and returns when its next run is ready.
func (r *run) restart(s *service) {
	r.t.Helper()
	s.down(syscall.SIGTERM)
	r.await(s.name+" has ended", stopPatience, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.process != nil {
			return "it still runs"
		}
		return ""
	})
	s.up()
	time.Sleep(restartPause) // it is not ready because the one before was
	r.awaitReady("after " + s.name + " was started again")
}
