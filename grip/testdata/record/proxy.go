package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	sigKey = "a-key-for-recordings"
	sigIss = "pushpin"
)

// proxy is a Pushpin of its own, with its own zurl, on free ports.
type proxy struct {
	public  string // base URL of clients
	control string // base URL of the control port
	dir     string
	procs   []*exec.Cmd
}

// startProxy runs Pushpin in front of the backend and waits until it serves.
func startProxy(ctx context.Context, backend string) (*proxy, error) {
	dir, err := os.MkdirTemp("", "gr") // short, since socket paths are limited to 107 bytes
	if err != nil {
		return nil, err
	}
	httpPort, controlPort := freePort(), freePort()
	p := &proxy{
		dir:     dir,
		public:  fmt.Sprintf("http://127.0.0.1:%d", httpPort),
		control: fmt.Sprintf("http://127.0.0.1:%d", controlPort),
	}
	if err := p.configure(backend, httpPort, controlPort); err != nil {
		p.stop()
		return nil, err
	}
	if err := p.run(ctx, "zurl", "--config="+filepath.Join(dir, "zurl.conf")); err != nil {
		p.stop()
		return nil, err
	}
	if err := p.run(ctx, "pushpin", "--config="+filepath.Join(dir, "pushpin.conf")); err != nil {
		p.stop()
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *proxy) configure(backend string, httpPort, controlPort int) error {
	internal, err := os.ReadFile("/usr/lib/pushpin/internal.conf")
	if err != nil {
		return err
	}
	files := map[string]string{
		"internal.conf": strings.ReplaceAll(string(internal), "/var/run/zurl/zurl-", p.dir+"/z-"),
		"zurl.conf": fmt.Sprintf(`[General]
in_spec=ipc://%[1]s/z-in
in_stream_spec=ipc://%[1]s/z-in-stream
out_spec=ipc://%[1]s/z-out
in_req_spec=ipc://%[1]s/z-req
defpolicy=allow
max_open_requests=200
buffer_size=200000
timeout=600
`, p.dir),
		"routes": "* " + backend + ",over_http\n",
		"pushpin.conf": fmt.Sprintf(`[global]
include=%[1]s/internal.conf
rundir=%[1]s
ipc_prefix=p-
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:%[2]d
logdir=%[1]s
log_level=2
client_buffer_size=65536
client_maxconn=1000
condure_bin=condure
[proxy]
routesfile=%[1]s/routes
debug=true
sig_iss=%[4]s
sig_key=%[5]s
updates_check=off
[handler]
push_in_spec=ipc://%[1]s/push-in
push_in_sub_specs=ipc://%[1]s/push-in-sub
push_in_http_addr=127.0.0.1
push_in_http_port=%[3]d
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=ipc://%[1]s/stats
command_spec=ipc://%[1]s/command
message_rate=0
message_hwm=0
message_wait=500
id_cache_ttl=60
connection_subscription_max=20
stats_subscription_ttl=60
stats_report_interval=10
stats_format=json
`, p.dir, httpPort, controlPort, sigIss, sigKey),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p *proxy) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// The children stop with this program, however it stops.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	p.procs = append(p.procs, cmd)
	return nil
}

// await returns once a request passes through to the backend.
func (p *proxy) await(ctx context.Context) error {
	client := &http.Client{Timeout: 500 * time.Millisecond}
	for range 40 {
		resp, err := client.Get(p.public + "/ready")
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return errors.New("Pushpin did not serve within 10 s; its logs are in " + p.dir)
}

// post sends a body to the control port and returns the answer.
func (p *proxy) post(path string, body []byte) (status int, answer string, err error) {
	resp, err := http.Post(p.control+path, "application/json", strings.NewReader(string(body)))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func (p *proxy) stop() {
	for _, cmd := range p.procs {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	os.RemoveAll(p.dir)
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
