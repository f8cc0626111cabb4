package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// debianConf is what the Debian package of Pushpin 1.36 installs as far as it matters, but for the places of files and
// sockets and the ports.
const debianConf = `[global]
include={libdir}/internal.conf
rundir=run
ipc_prefix=pushpin-
port_offset=0

[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=%[1]s
client_buffer_size=8192
client_maxconn=50000

[proxy]
routesfile=routes
debug=false
sig_iss=pushpin
# for signing proxied requests. use "base64:" prefix for binary key
sig_key=changeme
updates_check=off
zurl_out_specs=ipc://run/zurl-in
zurl_out_stream_specs=ipc://run/zurl-in-stream
zurl_in_specs=ipc://run/zurl-out

[handler]
push_in_spec=ipc://run/push-in
push_in_sub_specs=ipc://run/push-in-sub
push_in_http_addr=127.0.0.1
push_in_http_port=%[2]s
stats_spec=ipc://run/stats
command_spec=ipc://run/command
message_rate=2500
message_hwm=25000
message_wait=5000
id_cache_ttl=60
connection_subscription_max=20
subscription_linger=60
stats_connection_ttl=120
stats_subscription_ttl=60
`

const debianZurlConf = `[General]
instance_id=
in_spec=ipc://run/zurl-in
in_stream_spec=ipc://run/zurl-in-stream
out_spec=ipc://run/zurl-out
in_req_spec=
defpolicy=allow
allow=
deny=
max_open_requests=2000
buffer_size=200000
timeout=600
in_hwm=1000
out_hwm=1000
`

// A debianPushpin is a Pushpin as the package leaves it, with a route to one backend.
type debianPushpin struct {
	// viewers and control are addresses: host and port.
	viewers, control string
	dir              string
}

// startDebianPushpin runs it until the end of the test. Requests go to the backend, where nobody needs to be.
func startDebianPushpin(t *testing.T, backend string) *debianPushpin {
	t.Helper()
	p := &debianPushpin{viewers: freeAddress(t), control: freeAddress(t), dir: t.TempDir()}
	port := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
	if err := os.Mkdir(filepath.Join(p.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"pushpin.conf": fmt.Sprintf(debianConf, p.viewers, port(p.control)),
		"routes":       "* " + backend + ",over_http\n" + readyHost + " test\n",
		"zurl.conf":    debianZurlConf,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// As the package's runner starts them.
	conf := "--config=" + filepath.Join(p.dir, "pushpin.conf")
	p.run(t, "zurl", "--config=zurl.conf", "--loglevel=1")
	p.run(t, "condure", "--log-level=1", "--listen="+p.viewers+",stream", "--zclient-stream=ipc://run/pushpin-condure",
		"--buffer-size=8192", "--stream-maxconn=50000")
	p.run(t, "pushpin-proxy", conf, "--ipc-prefix=pushpin-", "--loglevel=1")
	p.run(t, "pushpin-handler", conf, "--ipc-prefix=pushpin-", "--loglevel=1")
	p.await(t)
	return p
}

func (p *debianPushpin) run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	// A test binary that is killed takes it along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (apt-get install pushpin zurl)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
	})
}

// readyHost is a host that Pushpin's own test backend answers for.
const readyHost = "ready.invalid"

// await waits until streams are held, and requests go out, be it to nobody.
func (p *debianPushpin) await(t *testing.T) {
	t.Helper()
	client := http.Client{Timeout: time.Second}
	for _, ask := range []struct {
		host, address string
		status        int
	}{
		{"", "http://" + p.control + "/", http.StatusOK},
		{readyHost, "http://" + p.viewers + "/stream?channel=ready", http.StatusOK},
		{"", "http://" + p.viewers + "/", http.StatusBadGateway},
	} {
		for deadline := time.Now().Add(scenePatience); ; time.Sleep(20 * time.Millisecond) {
			req, err := http.NewRequest(http.MethodGet, ask.address, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = ask.host
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == ask.status {
					break
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("Pushpin does not answer at %s: %v", ask.address, err)
			}
		}
	}
}

// grip is the value of grip in a configuration.
func (p *debianPushpin) grip(key string) string {
	return fmt.Sprintf(`{urls: ["http://%s?iss=pushpin&key=%s"]}`, p.control, key)
}

// change replaces text in pushpin.conf, which the processes have read.
func (p *debianPushpin) change(t *testing.T, old, new string) {
	t.Helper()
	file := filepath.Join(p.dir, "pushpin.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("pushpin.conf has no %q", old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
