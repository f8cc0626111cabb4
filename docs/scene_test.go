package docs

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// A scene is where the commands of the documents are run: a hub as `make run` starts it, and what the pages speak of.
type scene struct {
	hub *e2e.Hub
	// dir is where commands run.
	dir string
	env []string
	// ports puts the hub's ports in the place of the usual ones.
	ports *strings.Replacer
}

// The secrets of the scene.
const (
	sceneKey    = "a-key-of-the-documents-0123456789"
	sceneSecret = "d3b07384d113edec49eaa6238ad5ff00d3b07384"
)

// sceneConfig is what the pages assume beside what dev decides.
const sceneConfig = `
publish: {keys: [` + sceneKey + `]}
mqtt:
  topics:
    - {topic: "things/{device_type}/{device_id}/data", kind: data, id: id}
    - {topic: "things/{device_type}/{device_id}/status", kind: status}
    - {topic: "things/{device_type}/{device_id}/response", kind: response}
    - {topic: "zigbee2mqtt/{device_id}", decoder: zigbee2mqtt, type: zigbee}
    - {topic: "zigbee2mqtt/{device_id}/availability", decoder: zigbee2mqtt, type: zigbee}
    - {topic: "homeassistant/#", decoder: homeassistant}
    - {topic: "esphome/#", decoder: homeassistant}
`

// sceneFiles are what commands find where they run.
var sceneFiles = map[string]string{
	"bill-order": "#!/bin/sh\nexec cat\n",
	"report":     "#!/bin/sh\necho '<b>42 %</b>'\n",
}

func newScene(t *testing.T) *scene {
	t.Helper()
	hub := e2e.StartDev(t, e2e.DevOptions{
		Fleet: 12, Config: sceneConfig, Args: []string{"--data", "griphub-data"},
	})
	s := &scene{hub: hub, dir: filepath.Dir(hub.Dir)}
	hub.Dir = filepath.Join(s.dir, "griphub-data")
	for name, text := range sceneFiles {
		s.file(t, name, text, 0o700)
	}
	// Commands begin with "griphub", or with "bin/griphub" in a checkout, and find their configuration where they run.
	s.link(t, os.Getenv("GRIPHUB_E2E_BINARY"), "bin/griphub")
	s.link(t, "griphub-data/griphub.yaml", "griphub.yaml")
	// curl says what is wrong, and mosquitto's clients find the broker.
	s.file(t, ".curlrc", "fail-with-body\nsilent\nshow-error\n", 0o600)
	for _, client := range []string{"mosquitto_pub", "mosquitto_sub"} {
		s.file(t, filepath.Join(".config", client), "-p "+port(hub.MQTT)+"\n", 0o600)
	}
	path := filepath.Join(s.dir, "bin") + ":" + os.Getenv("PATH") + ":/usr/sbin"
	s.env = []string{
		"PATH=" + path, "HOME=" + s.dir, "LANG=C.UTF-8", "GORACE=atexit_sleep_ms=10",
		"KEY=" + sceneKey, "GRIPHUB_AUTH_JWT_SECRET=" + sceneSecret,
	}
	s.ports = strings.NewReplacer(
		"http://localhost:7999", hub.URL(""), "http://127.0.0.1:7999", hub.URL(""),
		"http://localhost:8001", hub.OpsURL(""), "http://127.0.0.1:8001", hub.OpsURL(""),
	)
	s.keepTalking(t)
	e2e.Watch(t, hub.URL("/iot/stream/pump/"), e2e.EventSourceOptions{}) // somebody is watching, as the page about that says
	return s
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func (s *scene) file(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) link(t *testing.T, target, name string) {
	t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// keepTalking publishes what the pages follow, until the end of the test.
func (s *scene) keepTalking(t *testing.T) {
	t.Helper()
	client := http.Client{Timeout: e2e.Patience}
	publish := func(ctx context.Context) error {
		const drafts = `{"channel":"orders","event":"order.paid","data":{"n":1}}
			{"channel":"room-1","event":"note","data":{"text":"hello"}}
			{"system":true,"event":"note"} {"global":true,"event":"note"} {"user":"7","event":"note"}`
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hub.URL("/api/publish"), strings.NewReader(drafts))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+sceneKey)
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return &e2e.StatusError{Status: resp.StatusCode}
		}
		return nil
	}
	if err := publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(100 * time.Millisecond); t.Context().Err() == nil; <-tick.C {
			if err := publish(t.Context()); err != nil && t.Context().Err() == nil {
				t.Error("publish: ", err)
				return
			}
		}
	}()
	t.Cleanup(func() { <-done })
}
