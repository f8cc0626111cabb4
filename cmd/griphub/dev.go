package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/web"
)

// devFlags say where dev keeps and serves things.
type devFlags struct {
	dir                                           string
	port, backendPort, controlPort, mqtt, opsPort int
	fleet                                         int
}

func (a *app) newDev() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine: proxy, broker, backend, simulated devices",
		Long: "Run everything on this machine: Pushpin as child processes, an MQTT broker unless mqtt.url is set, the\n" +
			"backend over SQLite, and a small simulated fleet. Unless auth is set, every visitor is the user dev.\n" +
			"The configuration is written to DIR/griphub.yaml; other commands given --config DIR/griphub.yaml meet\n" +
			"the same hub.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.fleet < 0 {
				return usageError{errors.New("dev: --fleet: want 0 or more")}
			}
			return a.dev(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "data", "griphub-data", "data `directory`")
	flags.IntVar(&f.port, "port", 7999, "public `port`, Pushpin's")
	flags.IntVar(&f.backendPort, "backend-port", 8000, "`port` of the backend, for Pushpin")
	flags.IntVar(&f.controlPort, "control-port", 5561, "`port` on which Pushpin takes events")
	flags.IntVar(&f.mqtt, "mqtt-port", 1883, "`port` of the embedded MQTT broker")
	flags.IntVar(&f.opsPort, "ops-port", 8001, "`port` of /metrics, /healthz and /readyz")
	flags.IntVar(&f.fleet, "fleet", 12, "`number` of simulated devices; 0 for none")
	return cmd
}

func (a *app) dev(ctx context.Context, f devFlags) (err error) {
	if err := prepareDir(f.dir); err != nil {
		return err
	}
	d, err := a.devConfig(f)
	if err != nil {
		return err
	}
	log, flush := a.logger(d.cfg.Log)
	defer flush()
	h, err := newHub(ctx, d.cfg, d.visitors, d.broker, log)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() {
		if closed := h.db.Close(); err == nil {
			err = closed
		}
	}()
	stages, err := d.stages(f, h, log)
	if err != nil {
		return err
	}
	return runStages(ctx, log, stages...)
}

// prepareDir makes the data directory, which holds secrets, for its owner alone.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	probe, err := os.CreateTemp(dir, ".write-*")
	if err != nil {
		return fmt.Errorf("data directory %s: cannot be written to; choose another with --data", dir)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// A devSetup is what dev has decided.
type devSetup struct {
	cfg config.Config
	// sigKey is shared with Pushpin, which signs its requests with it.
	sigKey string
	// visitors is nil where the configuration sets auth.
	visitors *identity
	// broker is the address of the broker to run; empty where one is configured.
	broker string
}

// devConfig adds what dev decides to the configuration, and writes the whole into the data directory.
func (a *app) devConfig(f devFlags) (devSetup, error) {
	given, err := a.load(false, nil)
	if err != nil {
		return devSetup{}, err
	}
	written := filepath.Join(f.dir, "griphub.yaml")
	var d devSetup
	if !given.IsSet("mqtt.url") {
		d.broker = localAddress(f.mqtt)
	}
	templates := filepath.Join(f.dir, "templates")
	if err := os.MkdirAll(templates, 0o700); err != nil {
		return devSetup{}, fmt.Errorf("data directory: %w", err)
	}
	secret, sigKey := keptSecrets(written)
	d.sigKey = sigKey
	stats, err := pushpin.StatsURL(f.dir)
	if err != nil {
		return devSetup{}, err
	}
	grip := url.Values{"iss": {pushpin.SigIssuer}, "key": {d.sigKey}}
	overrides := map[string]string{
		"listen":     localAddress(f.backendPort),
		"ops_listen": localAddress(f.opsPort),
		"grip.urls":  fmt.Sprintf("[%q]", fmt.Sprintf("http://%s?%s", localAddress(f.controlPort), grip.Encode())),
		"grip.stats": fmt.Sprintf("[%q]", stats),
	}
	standard := map[string]string{
		"secret":        secret,
		"database":      "sqlite:" + filepath.Join(f.dir, "griphub.db"),
		"mqtt.url":      "mqtt://" + localAddress(f.mqtt),
		"auth.mode":     "none",
		"templates.dir": templates,
	}
	for key, value := range standard {
		if !given.IsSet(section(key)) {
			overrides[key] = value
		}
	}
	if d.cfg, err = a.load(true, overrides); err != nil {
		return devSetup{}, err
	}
	if !given.IsSet("auth") {
		if d.visitors, err = developer(d.cfg); err != nil {
			return devSetup{}, err
		}
	}
	if err := config.WriteFile(written, d.cfg); err != nil {
		return devSetup{}, err
	}
	return d, nil
}

// section is the key, or for authentication the whole section: any word about it there replaces dev's user.
func section(key string) string {
	if key == "auth.mode" {
		return "auth"
	}
	return key
}

func localAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// keptSecrets returns the secrets of the last run, so that streams held by browsers go on after a restart, or
// new ones.
func keptSecrets(file string) (secret, sigKey string) {
	secret, sigKey = randomSecret(), randomSecret()
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		return secret, sigKey
	}
	if cfg.Secret != "" {
		secret = string(cfg.Secret)
	}
	if list, err := proxies(cfg); err == nil && len(list) == 1 {
		if u, err := url.Parse(string(cfg.Grip.URLs[0])); err == nil && u.Query().Get("key") != "" {
			sigKey = u.Query().Get("key")
		}
	}
	return secret, sigKey
}

func randomSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails (crypto/rand)
	return hex.EncodeToString(raw)
}

// developer signs every visitor in, so that everything can be tried at once. Only this machine can reach it.
func developer(cfg config.Config) (*identity, error) {
	everything, err := channels.ParsePattern("**")
	if err != nil {
		return nil, err
	}
	list, err := rules(cfg)
	if err != nil {
		return nil, err
	}
	all := []channels.Pattern{everything}
	return &identity{
		authenticator: web.Everybody{User: "dev", Admin: true, Channels: all, Publish: all},
		authorizer:    list,
	}, nil
}

// stages are the hub's, with the proxy and the broker before them and the fleet after.
func (d *devSetup) stages(f devFlags, h *hub, log *slog.Logger) ([]stage, error) {
	server, err := pushpin.NewServer(pushpin.Config{
		Dir: f.dir, Listen: localAddress(f.port), ControlPort: f.controlPort, Backend: d.cfg.Listen, SigKey: []byte(d.sigKey),
	}, log)
	if err != nil {
		return nil, err
	}
	h.alsoReady = server.Ready
	own, err := h.stages(ports{listen: "--backend-port", ops: "--ops-port"})
	if err != nil {
		return nil, err
	}
	list := append([]stage{{name: "proxy", run: server.Run}}, own...)
	list = append(list, stage{name: "watching the templates", run: h.fragments.Watch})
	if f.fleet > 0 {
		broker, err := bridgeConfig(d.cfg)
		if err != nil {
			return nil, err
		}
		broker.ClientID = ""
		fleet := simulation{broker: broker, devices: f.fleet, rate: float64(f.fleet), seed: 1}
		list = append(list, stage{name: "simulated fleet", run: fleet.run})
	}
	return append(list, stage{name: "announcement", run: func(ctx context.Context) error {
		return announce(ctx, h, server.URL(), f)
	}}), nil
}

// announce tells where everything is, once it is there.
func announce(ctx context.Context, h *hub, address string, f devFlags) error {
	for tick := time.NewTicker(50 * time.Millisecond); h.readiness(ctx) != nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	fmt.Printf(`
griphub is ready.

  Dashboard   %[1]s/
  Admin       %[1]s/admin/
  Stream      curl -N %[1]s/iot/stream/weatherstation/
  Publish     mosquitto_pub -q 1 -p %[2]d -t things/weatherstation/ws-001/data -m '{"temperature":25.3}'
              %[4]s publish --config %[3]s iot_weatherstation --event note '{"text":"hello"}'

Ctrl-C stops everything.
`, address, f.mqtt, filepath.Join(f.dir, "griphub.yaml"), os.Args[0])
	<-ctx.Done()
	return nil
}
