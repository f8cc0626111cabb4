package e2e

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/pushpin/fastlytest"
	"github.com/griphub/griphub/pushpin/pushpintest"
)

// ServeOptions change how `griphub serve` runs. The zero value is a hub in which every visitor is anonymous.
type ServeOptions struct {
	// Config is added to the configuration, as YAML at its top level.
	Config string
	// Auth is the configuration's section auth, as YAML that is indented; empty for mode none with everything public.
	Auth string
	// Args are further flags.
	Args []string
	// Env are variables, as NAME=value.
	Env []string
	// Prefix stands before the GRIP channels.
	Prefix string
	// SecondProxy runs another Pushpin beside the first, with a key of its own.
	SecondProxy bool
	// Database is its URL; empty for SQLite, in the file griphub.db beside the configuration.
	Database string
	// Fastly runs a stand-in of Fastly Fanout beside the first proxy; nil for none.
	Fastly *fastlytest.Options
	// NoBroker runs it without MQTT.
	NoBroker bool
	// Control returns the address at which the hub finds the first proxy's control port, for what a test puts between; nil for
	// the port's own.
	Control func(address string) string
}

// StartServe runs `griphub serve` between a Pushpin and a Mosquitto that live longer than it, and returns when it is ready.
func StartServe(t testing.TB, options ServeOptions) *Hub {
	t.Helper()
	dir := t.TempDir()
	h := &Hub{
		Dir: filepath.Join(dir, "data"), dir: dir, Config: filepath.Join(dir, "griphub.yaml"), env: options.Env,
		backend: freeAddr(t), ops: freeAddr(t),
	}
	h.listens = []string{h.backend, h.ops}
	h.startProxies(t, options)
	gripURL := h.Proxy.GripURL()
	if options.Control != nil {
		gripURL = strings.Replace(gripURL, h.Proxy.ControlURL(), options.Control(h.Proxy.ControlURL()), 1)
	}
	urls, stats := fmt.Sprintf("%q", gripURL), fmt.Sprintf("%q", h.Proxy.StatsURL())
	if h.Second != nil {
		urls, stats = fmt.Sprintf("%s, %q", urls, h.Second.GripURL()), fmt.Sprintf("%s, %q", stats, h.Second.StatsURL())
	}
	if h.Fastly != nil {
		urls = fmt.Sprintf("%s, %q", urls, h.Fastly.GripURL())
		h.env = append(h.env, "SSL_CERT_FILE="+h.Fastly.CAFile())
	}
	mqtt := `""`
	if !options.NoBroker {
		h.Broker = brokertest.Start(t)
		h.MQTT, mqtt = h.Broker.Addr, h.Broker.URL
	}
	auth := options.Auth
	if auth == "" {
		auth = "  mode: none\n"
	}
	var config strings.Builder
	fmt.Fprintf(&config, "listen: %s\nops_listen: %s\n", h.backend, h.ops)
	fmt.Fprintf(&config, "database: %q\n", cmp.Or(options.Database, "sqlite:"+filepath.Join(dir, "griphub.db")))
	fmt.Fprintf(&config, "secret: %s\n", strings.Repeat("0123456789abcdef", 4))
	fmt.Fprintf(&config, "grip:\n  urls: [%s]\n  stats: [%s]\n  prefix: %q\n", urls, stats, options.Prefix)
	fmt.Fprintf(&config, "mqtt:\n  url: %s\n", mqtt)
	fmt.Fprintf(&config, "auth:\n%s%s", auth, options.Config)
	writeFile(t, h.Config, config.String())
	h.args = append([]string{"serve", "--config", h.Config}, options.Args...)
	h.Start(t)
	h.AwaitReady(t)
	return h
}

// startProxies runs the proxies in front of the backend's address. They become ready when something answers there.
func (h *Hub) startProxies(t testing.TB, options ServeOptions) {
	t.Helper()
	listener, err := net.Listen("tcp", h.backend)
	if err != nil {
		t.Fatal(err)
	}
	placeholder := httptest.NewUnstartedServer(http.NotFoundHandler())
	_ = placeholder.Listener.Close()
	placeholder.Listener = listener
	placeholder.Start()
	h.Proxy = pushpintest.Start(t, h.backend, pushpintest.Options{})
	if options.SecondProxy {
		h.Second = pushpintest.Start(t, h.backend, pushpintest.Options{})
	}
	if options.Fastly != nil {
		h.Fastly = fastlytest.Start(t, h.backend, *options.Fastly)
	}
	placeholder.Close()
	h.public = strings.TrimPrefix(h.Proxy.URL(), "http://")
}
