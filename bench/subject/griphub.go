package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Griphub is `griphub serve` behind a Pushpin, with a log that is forced to the disk.
type Griphub struct {
	// Postgres keeps the log in PostgreSQL instead of SQLite.
	Postgres bool
	// MQTT publishes as devices do, over Mosquitto. Otherwise events go to POST /api/publish.
	MQTT bool
	// Batches is what a WebSocket asks for that takes several events in one message.
	Batches bool
	// NoStats keeps from griphub how many viewers there are.
	NoStats bool
	// State shows viewers the newest of the one device whose events are published, ten times a second (class: state).
	State bool
	// Procs is how many cores the process may use; 0 for all.
	Procs int
}

// A Hub is a griphub that runs.
type Hub struct {
	stack
	options      Griphub
	proxy        *proxy
	backend, ops string
	client       *http.Client
	mqtt         *mqttPublisher
	dir, program string
	// Config is the configuration file.
	Config string
}

const publishKey = "bench-publish-key-bench-publish-key"

// Start starts everything.
func (g Griphub) Start(ctx context.Context, site Site) (s Subject, err error) {
	h := &Hub{options: g, dir: site.Dir, program: site.Griphub, Config: filepath.Join(site.Dir, "griphub.yaml")}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100
	h.client = &http.Client{Transport: transport, Timeout: startPatience}
	h.push(func() error { transport.CloseIdleConnections(); return nil })
	defer func() {
		if err != nil {
			_ = h.Stop()
		}
	}()
	addresses, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	h.backend, h.ops = addresses[0], addresses[1]
	if h.proxy, err = startProxy(ctx, site, h.backend, &h.stack); err != nil {
		return nil, err
	}
	broker := ""
	if g.MQTT {
		if broker, err = startMosquitto(ctx, site, &h.stack); err != nil {
			return nil, err
		}
	}
	database := "sqlite:" + filepath.Join(site.Dir, "griphub.db")
	if g.Postgres {
		if database, err = startPostgres(&h.stack); err != nil {
			return nil, err
		}
	}
	stats := "[]"
	if !g.NoStats {
		socket, err := h.proxy.statsURL(site)
		if err != nil {
			return nil, err
		}
		stats = fmt.Sprintf("[%q]", socket)
	}
	if err := os.WriteFile(h.Config, []byte(h.config(database, broker, stats)), 0o600); err != nil {
		return nil, err
	}
	if err := h.run(ctx, site); err != nil {
		return nil, err
	}
	if g.MQTT {
		h.mqtt, err = startPublisher(ctx, broker, &h.stack)
	}
	return h, err
}

func (h *Hub) config(database, broker, stats string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "listen: %s\nops_listen: %s\ndatabase: %q\n", h.backend, h.ops, database)
	fmt.Fprintf(&text, "secret: %s\n", strings.Repeat("0123456789abcdef", 4))
	fmt.Fprintf(&text, "grip: {urls: [%q], stats: %s, require_proxy: false}\n", h.proxy.gripURL(), stats)
	if broker != "" {
		broker = "mqtt://" + broker
	}
	fmt.Fprintf(&text, "mqtt: {url: %q}\nauth: {mode: none}\npublish: {keys: [%s]}\n", broker, publishKey)
	rule := `match: "**", read: public, shared: true`
	if h.options.State {
		rule += ", class: state, max_rate: 10"
	}
	fmt.Fprintf(&text, "channels: [{%s}]\n", rule)
	return text.String()
}

func (h *Hub) run(ctx context.Context, site Site) error {
	p, err := startProcess(h.command(context.WithoutCancel(ctx), "serve"), site.Log)
	if err != nil {
		return err
	}
	h.push(p.stop)
	if err := h.proxy.ready(ctx); err != nil {
		return err
	}
	return p.await(ctx, answers(h.client, "http://"+h.ops+"/readyz"))
}

// command is a griphub command that meets this hub.
func (h *Hub) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.program, append(args, "--config", h.Config)...)
	cmd.Dir = h.dir
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GRIPHUB_") && !strings.HasPrefix(pair, "GRIP_URL=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	if h.options.Procs > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(h.options.Procs))
	}
	return cmd
}

// Stream is the stream of a device or of a channel.
func (h *Hub) Stream(channel int) string { return h.proxy.URL() + h.StreamPath(channel) }

// StreamPath is the path of Stream, for requests straight to Backend.
func (h *Hub) StreamPath(channel int) string {
	if h.options.MQTT || h.options.State {
		return fmt.Sprintf("/iot/stream/bench/%d/", channel)
	}
	return fmt.Sprintf("/events/c%d/", channel)
}

// Settle waits until it is known of every channel whether somebody watches it. A griphub that has just started takes some time for that.
func (h *Hub) Settle(ctx context.Context) error {
	for {
		var presence struct{ Complete bool }
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Backend()+"/api/presence/c0", nil)
		if err != nil {
			return err
		}
		resp, err := h.client.Do(req)
		if err != nil {
			return err
		}
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&presence), resp.Body.Close())
		if err != nil || presence.Complete {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("not all viewers are known: %w", ctx.Err())
		}
	}
}

// Backend is the base URL of griphub without the proxy.
func (h *Hub) Backend() string { return "http://" + h.backend }

// Cursor is the place after so many events of a channel that had none before.
func (h *Hub) Cursor(channel, events int) string { return fmt.Sprintf("c%d:%d", channel, events) }

// Socket is the WebSocket of a device or of a channel.
func (h *Hub) Socket(channel int) string {
	path := fmt.Sprintf("/ws/events/?channel=c%d", channel)
	if h.options.MQTT {
		path = fmt.Sprintf("/ws/iot/bench/%d/?", channel)
	}
	if h.options.Batches {
		path += "&batch=1"
	}
	return "ws" + strings.TrimPrefix(h.proxy.URL(), "http") + path
}

// Profile writes to the file on what the process spends its time for so long.
func (h *Hub) Profile(ctx context.Context, file string, lasting time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", h.ops, max(1, int(lasting.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, resp.Body)
	return errors.Join(err, out.Close())
}

// Publish sends the events over MQTT, or in one request to the API.
func (h *Hub) Publish(ctx context.Context, events []Event) error {
	if h.mqtt != nil {
		return h.mqtt.publish(ctx, events)
	}
	lines := Lines
	if h.options.State {
		lines = deviceLines
	}
	return send(ctx, h.client, h.Backend()+"/api/publish", "application/x-ndjson", "Bearer "+publishKey, lines(events))
}

// Lines are the events as the API and the command take them.
func Lines(events []Event) []byte {
	var b []byte
	for _, e := range events {
		b = fmt.Appendf(b, `{"channel":"c%d","data":%s}`+"\n", e.Channel, e.Data)
	}
	return b
}

// deviceLines are the events as those of devices.
func deviceLines(events []Event) []byte {
	var b []byte
	for _, e := range events {
		b = fmt.Appendf(b, `{"device":"bench/%d","event":"data","data":%s}`+"\n", e.Channel, e.Data)
	}
	return b
}

// PublishCommand sends the events through `griphub publish --jsonl`, and tells how long the command took.
func (h *Hub) PublishCommand(ctx context.Context, events []Event) (time.Duration, error) {
	cmd := h.command(ctx, "publish", "--jsonl")
	cmd.Stdin = bytes.NewReader(Lines(events))
	began := time.Now()
	if out, err := cmd.Output(); err != nil {
		return 0, fmt.Errorf("griphub publish: %w: %.500s", err, out)
	}
	return time.Since(began), nil
}

// Report has so many devices send their first message, through the API.
func (h *Hub) Report(ctx context.Context, devices int) error {
	const batch = 1000
	for first := 0; first < devices; first += batch {
		var lines []byte
		for d := first; d < min(first+batch, devices); d++ {
			lines = fmt.Appendf(lines, `{"device":"sensor/%d","event":"data","data":{"temperature":%d}}`+"\n", d, d%50)
		}
		if err := send(ctx, h.client, h.Backend()+"/api/publish", "application/x-ndjson", "Bearer "+publishKey, lines); err != nil {
			return err
		}
	}
	return nil
}
