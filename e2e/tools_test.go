package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// The data directory is given as people give it, and the broker is one that they have already.
func TestCommandsMeetTheHubFromAnywhere(t *testing.T) {
	t.Parallel()
	broker := brokertest.Start(t)
	hub := e2e.StartDev(t, e2e.DevOptions{
		Config: "mqtt: {url: " + broker.URL + "}\nstream: {device_keepalive: 1s}\n",
		Args:   []string{"--data", "here"},
	})
	if e2e.PublishLines(hub.MQTT, "things/a/b/data", []string{"{}"}) == nil {
		t.Error("dev runs a broker of its own beside the one that is given")
	}
	hub.MQTT = broker.Addr
	hub.Config = filepath.Join(filepath.Dir(hub.Dir), "here", "griphub.yaml")
	info, err := os.Stat(hub.Config)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the configuration, which holds secrets, has the mode %o", mode)
	}
	sc := toolScenes{hub}
	t.Run("publish", sc.publishes)
	t.Run("simulate sends what a fleet would", sc.simulates)
	t.Run("devices and events can be listed", sc.lists)
	t.Run("and over HTTP", sc.listsOverHTTP)
	t.Run("config check finds nothing", sc.checks)
	hub.Stop(t)
	if left := e2e.Leftovers(t, filepath.Dir(hub.Config)); len(left) > 0 {
		t.Errorf("left processes: %v", left)
	}
}

// toolScenes are about the commands beside a hub, at one hub.
type toolScenes struct{ hub *e2e.Hub }

func (sc toolScenes) publishes(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/gate/"))
	hub.Publish(t, "--device", "gate/g", "--event", "note", "{}")
	stream.Expect(t, "note")
	say(t, hub, "gate/g", `{"open":true}`)
	stream.Expect(t, "data")
	// What was given holds beside what dev decides.
	e2e.Eventually(t, "the given interval holds", func() bool { return len(stream.Comments()) > 0 })
}

func (sc toolScenes) simulates(t *testing.T) {
	hub := sc.hub
	start := time.Now()
	run(t, hub, "simulate", "--devices", "4", "--types", "weatherstation,pump", "--rate", "40", "--seed", "7", "--duration", "1s")
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("it ran for %v, not 1 s", took)
	}
	e2e.Eventually(t, "the four devices and the gate are known", func() bool {
		return strings.Count(run(t, hub, "devices", "list", "--json"), "\n") == 5
	})
}

func (sc toolScenes) lists(t *testing.T) {
	hub := sc.hub
	var device struct {
		Type   string `json:"device_type"`
		ID     string `json:"device_id"`
		Values struct{ Open bool }
	}
	line := run(t, hub, "devices", "list", "--type", "gate", "--json")
	if err := json.Unmarshal([]byte(line), &device); err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("devices list --json prints %q (%v)", line, err)
	}
	if table := run(t, hub, "devices", "list"); !strings.Contains(table, "gate/g") || strings.Count(table, "\n") != 6 {
		t.Errorf("devices list prints\n%s", table)
	}
	entries := hub.Entries(t, "iot_gate")
	if len(entries) != 2 || entries[0].Type != "note" || entries[1].Type != "data" {
		t.Errorf("the log of iot_gate is %+v", entries)
	}
	for _, args := range [][]string{{"devices", "show", "gate"}, {"events", "list"}, {"events", "list", "@system"}, {"events", "show", "x"}} {
		if result := hub.Run(t, args...); result.Code != 2 || strings.Count(result.Stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d: %q", args, result.Code, result.Stderr)
		}
	}
	for _, args := range [][]string{{"devices", "show", "gate/none"}, {"events", "show", "99999999"}} {
		if result := hub.Run(t, args...); result.Code != 1 || strings.Count(result.Stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d: %q", args, result.Code, result.Stderr)
		}
	}
}

func (sc toolScenes) listsOverHTTP(t *testing.T) {
	hub := sc.hub
	get := func(path string, v any) {
		t.Helper()
		answer := e2e.Get(t, hub.URL(path))
		if err := json.Unmarshal([]byte(answer.Body), v); err != nil || answer.Status != 200 {
			t.Fatalf("GET %s is answered by %d %.300s (%v)", path, answer.Status, answer.Body, err)
		}
	}
	var devices struct{ Devices []json.RawMessage }
	if get("/api/devices", &devices); len(devices.Devices) != 5 {
		t.Errorf("the API lists %d devices", len(devices.Devices))
	}
	var gate struct{ Cursor string }
	get("/api/devices/gate/g/", &gate)
	positions, err := e2e.ParseCursor(gate.Cursor)
	if err != nil || positions["iot_gate_g"] == 0 {
		t.Errorf("the gate's stream goes on at %q", gate.Cursor)
	}
	if answer := e2e.Get(t, hub.URL("/api/devices/gate/none")); answer.Status != 404 {
		t.Errorf("a device that is not there is answered by %d", answer.Status)
	}

	var all, rest, recent, none e2e.PollAnswer
	get("/api/channels/iot_gate/events", &all)
	if len(all.Events) != 2 {
		t.Fatalf("the history has %d events", len(all.Events))
	}
	var first message
	if err := json.Unmarshal(all.Events[0], &first); err != nil {
		t.Fatal(err)
	}
	get("/api/channels/iot_gate/events?after="+url.QueryEscape(first.ID), &rest)
	get("/api/channels/iot_gate/events?since=1h&limit=1", &recent)
	get(fmt.Sprintf("/api/channels/iot_gate/events?since=%s", time.Now().Add(time.Minute).UTC().Format(time.RFC3339)), &none)
	if len(rest.Events) != 1 || string(rest.Events[0]) != string(all.Events[1]) || len(recent.Events) != 1 || len(none.Events) != 0 {
		t.Errorf("after the first come %d, of the last hour %d, from the future %d", len(rest.Events), len(recent.Events), len(none.Events))
	}
}

func (sc toolScenes) checks(t *testing.T) {
	if out := run(t, sc.hub, "config", "check"); !strings.Contains(out, "good") {
		t.Errorf("config check prints %q", out)
	}
	if result := (e2e.Command{Args: []string{"version"}}).Run(t); result.Code != 0 || !strings.HasPrefix(result.Stdout, "griphub ") {
		t.Errorf("version prints %q", result.Stdout)
	}
	if result := (e2e.Command{Args: []string{"--help"}}).Run(t); result.Code != 0 || !strings.Contains(result.Stdout, "publish") {
		t.Errorf("help prints %q", result.Stdout)
	}
	if result := (e2e.Command{}).Run(t); result.Code != 2 {
		t.Errorf("without a command the exit code is %d", result.Code)
	}
}
