package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// The status processor, over a real broker and a real proxy. dev's visitor is the user "dev".
func TestOwnersSeeTheirDevices(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	run(t, hub, "devices", "add", "--type", "pump", "--id", "p-1", "--code", "c-1", "--key", "k-1", "--name", "Pump 1", "--owner", "dev", "--group", "3=Hall", "--product-type", "P-100")
	run(t, hub, "devices", "add", "--type", "pump", "--id", "p-2", "--code", "c-2", "--owner", "somebody")
	sc := ownerScenes{hub}
	t.Run("every connection gets the fifteen keys", sc.everyConnection)
	t.Run("a socket catches up by its cursor", sc.socketCatchesUp)
	t.Run("what is wrong is told to nobody and kept aside", sc.wrongIsKeptAside)
	hub.Stop(t)
}

// ownerScenes are about owners of devices, at one hub.
type ownerScenes struct{ hub *e2e.Hub }

// state sends what a user's device tells of itself.
func (sc ownerScenes) state(t *testing.T, user, code, payload string) {
	t.Helper()
	e2e.MosquittoPub(t, sc.hub.MQTT, "-t", "users/"+user+"/devices/"+code+"/status", "-m", payload)
}

func (sc ownerScenes) everyConnection(t *testing.T) {
	hub := sc.hub
	sockets := []*e2e.Socket{e2e.Dial(t, hub.URL("/ws/user/"), nil), e2e.Dial(t, hub.URL("/ws/user"), nil)}
	for _, s := range sockets {
		ping(t, s)
	}
	stream := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{})
	stream.Next(t)
	viewer := watch(t, hub.URL("/iot/stream/pump/p-1/"))
	sc.state(t, "dev", "c-1", `{"status":"online","temperature":0,"humidity":41.5,"latitude":52.5,"longitude":13.4}`)

	seen := ""
	for _, s := range sockets {
		var keys map[string]json.RawMessage
		f := s.Next(t)
		f.JSON(t, &keys)
		if len(keys) != 15 {
			t.Errorf("%d keys: %s", len(keys), f.Data)
		}
		seen = strings.Trim(string(keys["last_seen"]), `"`)
		want := `{"id":"pump/p-1","key":"k-1","device_code":"c-1","product_type":"P-100","name":"Pump 1","status":"online","last_seen":"` + seen + `",` +
			`"is_active":true,"device_type":"pump","firmware_version":"","temperature":0,"humidity":41.5,"latitude":52.5,"longitude":13.4,"groups":[{"id":"3","name":"Hall"}]}`
		if f.Data != want {
			t.Errorf("the socket got %s, want %s", f.Data, want)
		}
	}
	sameJSON(t, "the stream", stream.Next(t).Data, `{"type":"device_status","id":"pump/p-1","key":"k-1","device_code":"c-1","product_type":"P-100","name":"Pump 1","status":"online",
		"last_seen":"`+seen+`","is_active":true,"device_type":"pump","firmware_version":"","temperature":0,"humidity":41.5,"latitude":52.5,"longitude":13.4,"groups":[{"id":"3","name":"Hall"}]}`)
	sameJSON(t, "viewers", string(envelopeOf(t, viewer.Expect(t, "status")).Data), `{"old_status":"offline","new_status":"online"}`)
	sameJSON(t, "viewers", string(envelopeOf(t, viewer.Expect(t, "data")).Data), `{"temperature":0,"humidity":41.5,"latitude":52.5,"longitude":13.4}`)
}

func (sc ownerScenes) socketCatchesUp(t *testing.T) {
	hub := sc.hub
	first := e2e.Dial(t, hub.URL("/ws/user/"), nil)
	first.Send(t, `{"action":"ping","cursor":""}`)
	var pong struct{ Event, Cursor string }
	first.Next(t).JSON(t, &pong)
	for n := range 3 {
		sc.state(t, "dev", "c-1", fmt.Sprintf(`{"temperature":%d}`, n))
		first.Next(t) // what is still on its way would come to the second, too, and before what it has missed
	}
	second := e2e.Dial(t, hub.URL("/ws/user/"), nil)
	second.Send(t, `{"action":"ping","cursor":"`+pong.Cursor+`"}`)
	for n := range 3 {
		if f := second.Next(t); !strings.Contains(f.Data, fmt.Sprintf(`"temperature":%d,"humidity":41.5`, n)) {
			t.Errorf("message %d is %s", n, f.Data)
		}
	}
	if second.Next(t).JSON(t, &pong); pong.Event != "pong" {
		t.Errorf("then comes %+v", pong)
	}
}

func (sc ownerScenes) wrongIsKeptAside(t *testing.T) {
	hub := sc.hub
	s := e2e.Dial(t, hub.URL("/ws/user/"), nil)
	ping(t, s)
	sc.state(t, "somebody", "c-1", `{"status":"error"}`)
	sc.state(t, "dev", "c-2", `{"status":"error"}`)
	sc.state(t, "dev", "c-9", `{"status":"error"}`)
	sc.state(t, "dev", "c-1", `{"status":"fine","temperature":1}`)
	sc.state(t, "dev", "c-1", `{"status":"error","latitude":91}`)
	sc.state(t, "dev", "c-1", `{"status":"error","temperature":"21.5"}`)
	sc.state(t, "dev", "c-1", `{"status":"warning"}`)
	if f := s.Next(t); !strings.Contains(f.Data, `"status":"warning"`) || !strings.Contains(f.Data, `"latitude":52.5`) {
		t.Errorf("the socket got %s", f.Data)
	}
	dead := run(t, hub, "events", "list", "--dead")
	for _, reason := range []string{
		`device code \"c-1\" is no device of user \"somebody\"`, `device code \"c-2\" is no device of user \"dev\"`, `device code \"c-9\" is not registered`,
		`status \"fine\" is not known`, `latitude: 91 is not a number from -90 to 90`, `temperature: \"21.5\" is not a number`,
	} {
		if !strings.Contains(dead, reason) {
			t.Errorf("%s is not among the dead letters: %s", reason, dead)
		}
	}
	if shown := run(t, hub, "devices", "show", "pump/p-2"); !strings.Contains(shown, `"status": "offline"`) {
		t.Errorf("somebody's device is %s", shown)
	}
}

// The monitor, over a real broker and a real proxy.
func TestASilentDeviceIsOfflineUntilItSpeaks(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: "devices: {heartbeat: 2s, grace: 2}\n"})
	run(t, hub, "devices", "add", "--type", "meter", "--id", "m-1", "--owner", "dev")
	stream := watch(t, hub.URL("/iot/stream/meter/"))
	owner := e2e.Dial(t, hub.URL("/ws/user/"), nil)
	ping(t, owner)
	status(t, hub, "meter/m-1", "online")
	stream.Expect(t, "status")
	sameJSON(t, "after the silence", string(envelopeOf(t, stream.Expect(t, "status")).Data), `{"old_status":"online","new_status":"offline"}`)
	say(t, hub, "meter/m-1", `{"kwh":1}`)
	sameJSON(t, "with the next message", string(envelopeOf(t, stream.Expect(t, "status")).Data), `{"old_status":"offline","new_status":"online"}`)
	stream.Expect(t, "data")
	for _, want := range []string{"online", "offline", "online"} {
		if f := owner.Next(t); !strings.Contains(f.Data, `"id":"meter/m-1"`) || !strings.Contains(f.Data, `"status":"`+want+`"`) {
			t.Errorf("the owner got %s, want %s", f.Data, want)
		}
	}
	hub.Stop(t)
}
