package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// An envelope is what viewers get of a device.
type envelope struct {
	Event      string          `json:"event"`
	DeviceType string          `json:"device_type"`
	DeviceID   string          `json:"device_id"`
	Data       json.RawMessage `json:"data"`
	Timestamp  string          `json:"timestamp"`
}

// envelopeOf reads an event of a device stream, which has exactly the envelope's keys.
func envelopeOf(t *testing.T, e e2e.Event) envelope {
	t.Helper()
	var keys map[string]json.RawMessage
	var env envelope
	for _, v := range []any{&keys, &env} {
		if err := json.Unmarshal([]byte(e.Data), v); err != nil {
			t.Fatalf("event %q: %v in %.300q", e.Type, err, e.Data)
		}
	}
	want := []string{"data", "device_id", "device_type", "event", "timestamp"}
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
		t.Errorf("the envelope has the keys %v, want %v", got, want)
	}
	if env.Event != e.Type {
		t.Errorf("the envelope's event is %q, the stream's %q", env.Event, e.Type)
	}
	if _, err := time.Parse(time.RFC3339, env.Timestamp); err != nil {
		t.Errorf("the envelope's timestamp: %v", err)
	}
	return env
}

// sameJSON fails the test unless both are the same JSON value.
func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v in %.300q", what, err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(g) != fmt.Sprint(w) {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// watch opens a stream and takes its opening event.
func watch(t *testing.T, url string) *e2e.EventSource {
	t.Helper()
	return watchWith(t, url, e2e.EventSourceOptions{})
}

// watchStubbornly watches a proxy that will go away and come back: for an instant it answers with errors.
func watchStubbornly(t *testing.T, url string) *e2e.EventSource {
	t.Helper()
	return watchWith(t, url, e2e.EventSourceOptions{Stubborn: true})
}

func watchWith(t *testing.T, url string, options e2e.EventSourceOptions) *e2e.EventSource {
	t.Helper()
	s := e2e.Watch(t, url, options)
	e := s.Next(t)
	if e.Type != "stream-open" && e.Type != "connected" {
		t.Fatalf("%s opens with %q: %.300q", url, e.Type, e.Data)
	}
	return s
}

// say sends a device's readings.
func say(t *testing.T, hub *e2e.Hub, device, payload string) {
	t.Helper()
	e2e.MosquittoPub(t, hub.MQTT, "-t", "things/"+device+"/data", "-m", payload)
}

// status sends a device's status.
func status(t *testing.T, hub *e2e.Hub, device, payload string) {
	t.Helper()
	e2e.MosquittoPub(t, hub.MQTT, "-t", "things/"+device+"/status", "-m", payload)
}

// run runs a command of which the scene needs the output.
func run(t *testing.T, hub *e2e.Hub, args ...string) string {
	t.Helper()
	result := hub.Run(t, args...)
	if result.Code != 0 {
		t.Fatalf("griphub %q: exit code %d: %s", args, result.Code, result.Stderr)
	}
	return result.Stdout
}
