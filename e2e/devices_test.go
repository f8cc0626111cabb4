package e2e_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

func TestDevicesAreSeenInTheBrowser(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: "stream: {device_keepalive: 1s}\n"})
	scenes := deviceScenes{hub}
	t.Run("a message shows on its type's and its device's stream alone", scenes.messageShowsWhereItBelongs)
	t.Run("a status shows when it changes", scenes.statusShowsWhenItChanges)
	t.Run("readings may come as a list", scenes.readingsMayComeAsList)
	t.Run("a device's own time is kept", scenes.deviceTimeIsKept)
	t.Run("a message's own id makes its repeats disappear", scenes.repeatsDisappear)
	t.Run("per cent signs and line breaks arrive as they are", scenes.textArrivesAsItIs)
	t.Run("a device may have any name", scenes.anyName)
	t.Run("silence is filled with comments", scenes.silenceIsFilled)
	t.Run("what cannot be read is kept aside and holds up nothing", scenes.poisonIsKeptAside)
	hub.Stop(t)
}

// deviceScenes are about what devices say, at one hub.
type deviceScenes struct{ hub *e2e.Hub }

func (sc deviceScenes) messageShowsWhereItBelongs(t *testing.T) {
	hub := sc.hub
	ofType := watch(t, hub.URL("/iot/stream/weatherstation/"))
	one := watch(t, hub.URL("/iot/stream/weatherstation/ws-001/"))
	bare := watch(t, hub.URL("/iot/stream/weatherstation/ws-001"))
	other := watch(t, hub.URL("/iot/stream/weatherstation/ws-002/"))
	for stream, group := range map[*e2e.EventSource]string{
		ofType: "iot_weatherstation", one: "iot_weatherstation_ws-001", bare: "iot_weatherstation_ws-001", other: "iot_weatherstation_ws-002",
	} {
		connected := stream.Events()[0]
		if want := `{"group":"` + group + `"}`; connected.Type != "connected" || connected.Data != want {
			t.Errorf("the stream opens with %q %s, want connected %s", connected.Type, connected.Data, want)
		}
		want := "event: connected\nid: " + connected.ID + "\ndata: {\"group\":\"" + group + "\"}\n\n"
		if raw := stream.Raw(); !strings.HasPrefix(raw, want) {
			t.Errorf("the stream begins with %q, want %q", raw, want)
		}
		positions, err := e2e.ParseCursor(connected.ID)
		if _, ok := positions[group]; err != nil || len(positions) != 1 || !ok {
			t.Errorf("the opening's id is %q", connected.ID)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
			if got := stream.Header().Get(name); got != want {
				t.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
		for name := range stream.Header() {
			if strings.HasPrefix(name, "Grip-") {
				t.Errorf("the viewer got the proxy's header %s", name)
			}
		}
	}

	before := time.Now()
	say(t, hub, "weatherstation/ws-001", `{"temperature":25.3,"humidity":61,"ok":true,"note":null}`)
	say(t, hub, "weatherstation/ws-002", `{"temperature":4}`)
	for _, stream := range []*e2e.EventSource{ofType, one, bare} {
		env := envelopeOf(t, stream.Expect(t, "data"))
		if env.DeviceType != "weatherstation" || env.DeviceID != "ws-001" {
			t.Errorf("the envelope is of %s/%s", env.DeviceType, env.DeviceID)
		}
		sameJSON(t, "data", string(env.Data), `{"temperature":25.3,"humidity":61,"ok":true,"note":null}`)
		at, _ := time.Parse(time.RFC3339, env.Timestamp)
		if at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("the timestamp is %s, sent at %s", env.Timestamp, before)
		}
	}
	for _, stream := range []*e2e.EventSource{ofType, other} {
		if env := envelopeOf(t, stream.Expect(t, "data")); env.DeviceID != "ws-002" {
			t.Errorf("got an event of %s, want ws-002's", env.DeviceID)
		}
	}
	for _, stream := range []*e2e.EventSource{ofType, one, other} {
		e2e.RecordStream(stream.Events()).Check(t, hub)
	}
}

func (sc deviceScenes) statusShowsWhenItChanges(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/pump/p1/"))
	change := func(old, new string) {
		t.Helper()
		sameJSON(t, "status", string(envelopeOf(t, stream.Expect(t, "status")).Data), `{"old_status":"`+old+`","new_status":"`+new+`"}`)
	}
	status(t, hub, "pump/p1", `{"status":"online","battery_level":90,"firmware_version":"1.2"}`)
	change("offline", "online")
	status(t, hub, "pump/p1", `{"status":"online","battery_level":89}`)
	status(t, hub, "pump/p1", `{"battery_level":88}`)
	status(t, hub, "pump/p1", `{"status":"maintenance"}`)
	change("online", "maintenance")
	status(t, hub, "pump/p1", `{"status":"low_battery","firmware_version":"1.3"}`)
	change("maintenance", "low_battery")
	say(t, hub, "pump/p1", `{"pressure":2}`)
	stream.Expect(t, "data")

	var device struct {
		Status  string   `json:"status"`
		Battery *float64 `json:"battery_level"`
	}
	if err := json.Unmarshal([]byte(run(t, hub, "devices", "show", "pump/p1")), &device); err != nil {
		t.Fatal(err)
	}
	if device.Status != "low_battery" || device.Battery == nil || *device.Battery != 88 {
		t.Errorf("the registry has %+v", device)
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc deviceScenes) readingsMayComeAsList(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/meter/"))
	say(t, hub, "meter/m1", `{"readings":[{"type":"temperature","value":25.3},{"type":"state","value":"open"}],"site":"north"}`)
	env := envelopeOf(t, stream.Expect(t, "data"))
	sameJSON(t, "data", string(env.Data), `{"temperature":25.3,"state":"open","site":"north"}`)
}

func (sc deviceScenes) deviceTimeIsKept(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/clock/"))
	for payload, want := range map[string]string{
		`{"t":1,"timestamp":"2025-01-15T12:00:00Z"}`:                              "2025-01-15T12:00:00+00:00",
		`{"t":1,"timestamp":"2025-01-15T12:00:00.25+02:00"}`:                      "2025-01-15T12:00:00.250000+02:00",
		`{"readings":[{"type":"t","value":1}],"timestamp":"2025-01-15T12:00:00"}`: "2025-01-15T12:00:00+00:00",
	} {
		say(t, hub, "clock/c1", payload)
		env := envelopeOf(t, stream.Expect(t, "data"))
		sameJSON(t, "data", string(env.Data), `{"t":1}`)
		if env.Timestamp != want {
			t.Errorf("of %s the timestamp is %s, want %s", payload, env.Timestamp, want)
		}
	}
}

func (sc deviceScenes) repeatsDisappear(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/counter/"))
	for _, message := range []struct{ device, payload string }{
		{"a", `{"id":"m-1","n":1}`}, {"a", `{"id":"m-1","n":1}`}, {"a", `{"id":"m-2","n":2}`}, {"a", `{"id":"m-1","n":1}`},
		{"b", `{"id":"m-1","n":3}`}, {"a", `{"id":7,"n":4}`}, {"a", `{"id":7,"n":4}`}, {"a", `{"n":5}`}, {"a", `{"n":5}`},
	} {
		say(t, hub, "counter/"+message.device, message.payload)
	}
	for _, want := range []string{"1", "2", "3", "4", "5", "5"} {
		var data struct{ N json.Number }
		if err := json.Unmarshal(envelopeOf(t, stream.Expect(t, "data")).Data, &data); err != nil || string(data.N) != want {
			t.Errorf("got n = %s, want %s (%v)", data.N, want, err)
		}
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc deviceScenes) textArrivesAsItIs(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/text/"))
	payload := `{"note":"100 % sure: %s %I %% %(x)s, \u0000\\r\r\n<b>&amp;</b> \"ü€😀\u2028\""}`
	say(t, hub, "text/t1", payload)
	live := stream.Expect(t, "data")
	sameJSON(t, "data", string(envelopeOf(t, live).Data), payload)

	late := watch(t, hub.URL("/iot/stream/text/?lastEventId="+url.QueryEscape(stream.Events()[0].ID)))
	if again := late.Expect(t, "data"); again.Data != live.Data || again.ID != live.ID {
		t.Errorf("read again as %s %s, live as %s %s", again.ID, again.Data, live.ID, live.Data)
	}
}

func (sc deviceScenes) anyName(t *testing.T) {
	hub := sc.hub
	for _, name := range []struct{ kind, id string }{
		{"sensor", "küche 1"}, {"sensor", "50%"}, {"sensor", "a,b;c:d"}, {"a_b", "x"}, {"a", "b"}, {"a", "b_x"}, {"%41", "x"}, {"sensor", "events-é?q=1"},
	} {
		path := "/iot/stream/" + url.PathEscape(name.kind) + "/"
		ofType, one := watch(t, hub.URL(path)), watch(t, hub.URL(path+url.PathEscape(name.id)+"/"))
		say(t, hub, name.kind+"/"+name.id, `{"n":1}`)
		for _, stream := range []*e2e.EventSource{ofType, one} {
			env := envelopeOf(t, stream.Expect(t, "data"))
			if env.DeviceType != name.kind || env.DeviceID != name.id {
				t.Errorf("got %s/%s, want %s/%s", env.DeviceType, env.DeviceID, name.kind, name.id)
			}
			resumed := e2e.Watch(t, hub.URL(path), e2e.EventSourceOptions{Header: map[string][]string{"Last-Event-ID": {ofType.Events()[0].ID}}})
			resumed.Expect(t, "connected")
			if env := envelopeOf(t, resumed.Expect(t, "data")); env.DeviceID != name.id {
				t.Errorf("after a resume: got %s, want %s", env.DeviceID, name.id)
			}
			resumed.Close()
			e2e.RecordStream(stream.Events()).Check(t, hub)
		}
	}
}

func (sc deviceScenes) silenceIsFilled(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/quiet/"))
	start := time.Now()
	e2e.Eventually(t, "three comments have come", func() bool { return len(stream.Comments()) >= 3 })
	comments := stream.Comments()
	for _, c := range comments {
		if c.Text != " keepalive" {
			t.Errorf("the comment is %q, want %q", c.Text, " keepalive")
		}
	}
	// The proxy comes up to a second early, so that not all streams are served at once.
	if spread := comments[2].At.Sub(start); spread < 500*time.Millisecond {
		t.Errorf("three comments within %v, with an interval of 1 s", spread)
	}
	if raw := stream.Raw(); !strings.Contains(raw, ": keepalive\n\n") {
		t.Errorf("the comment is not a block of its own: %q", raw)
	}
	say(t, hub, "quiet/q", `{"n":1}`)
	stream.Expect(t, "data")
	e2e.RecordStream(stream.Events()).Check(t, hub)
}

func (sc deviceScenes) poisonIsKeptAside(t *testing.T) {
	hub := sc.hub
	stream := watch(t, hub.URL("/iot/stream/poison/"))
	data := []string{
		`not json`, `[1,2]`, `"text"`, `7`, `null`, `{"a":`, `{"a":1}}`, `{"a":NaN}`, `{"a":1} {"b":2}`, "{\"a\":\"\xff\xfe\"}", "\x00\x01\x02",
		`{"readings":[{"type":"t"}]}`, `{"readings":[7]}`, `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		`{"a":"` + strings.Repeat("x", 70_000) + `"}`, `{"a":"` + strings.Repeat("%", 40_000) + `"}`,
	}
	states := []string{`{"status":"broken"}`, `{"status":5}`, `{"battery_level":"full"}`, `exploded`}
	dir := t.TempDir()
	send := func(topic, payload string) {
		t.Helper()
		file := filepath.Join(dir, "payload")
		if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
			t.Fatal(err)
		}
		e2e.MosquittoPub(t, hub.MQTT, "-t", topic, "-f", file)
	}
	for _, payload := range data {
		send("things/poison/p/data", payload)
	}
	for _, payload := range states {
		send("things/poison/p/status", payload)
	}
	say(t, hub, "poison/p", `{"well":"again"}`)
	if e := stream.Expect(t, "data"); !strings.Contains(e.Data, `{"well":"again"}`) {
		t.Errorf("got %.200s", e.Data)
	}

	var topics []string
	for line := range strings.Lines(run(t, hub, "events", "list", "--dead", "--json")) {
		var refused struct{ Source, Reason, Payload string }
		if err := json.Unmarshal([]byte(line), &refused); err != nil {
			t.Fatalf("%v in %.200q", err, line)
		}
		if refused.Reason == "" {
			t.Errorf("no reason is given for %.100q", refused.Payload)
		}
		topics = append(topics, refused.Source)
	}
	if want := len(data) + len(states); len(topics) != want {
		t.Errorf("%d messages are kept aside, want %d", len(topics), want)
	}
	if text := strings.Join(topics, " "); strings.Count(text, "things/poison/p/status") != len(states) || strings.Count(text, "things/poison/p/data") != len(data) {
		t.Errorf("the topics are %s", text)
	}
}
