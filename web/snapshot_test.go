package web_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web"
)

// A picture is what a viewer knows of devices: the last data of each.
type picture map[string]string

// fold adds to the picture what a stream shows. A device's number n must rise: nothing is told twice, and nothing
// older after something newer.
func (p picture) fold(t testing.TB, events []seen) {
	t.Helper()
	for _, e := range events {
		var env struct {
			ID   string          `json:"device_id"`
			Data json.RawMessage `json:"data"`
		}
		if e.Type != "snapshot" && e.Type != "data" {
			continue
		}
		if err := json.Unmarshal([]byte(e.Data), &env); err != nil {
			t.Fatal(err)
		}
		data := env.Data
		if e.Type == "snapshot" {
			var state struct {
				Values json.RawMessage `json:"values"`
			}
			if err := json.Unmarshal(env.Data, &state); err != nil {
				t.Fatal(err)
			}
			data = state.Values
		}
		if before, now := numberIn(p[env.ID]), numberIn(string(data)); now <= before {
			t.Errorf("%s of %s says %d after %d", e.Type, env.ID, now, before)
		}
		p[env.ID] = string(data)
	}
}

func numberIn(data string) (n int) {
	var values struct{ N int }
	if data == "" || json.Unmarshal([]byte(data), &values) != nil {
		return -1
	}
	return values.N
}

// wantRegistry demands that the picture is what the registry has.
func (p picture) wantRegistry(t testing.TB, h *hub) {
	t.Helper()
	var after channels.DeviceRef
	known := 0
	for {
		page, err := h.store.List(t.Context(), devices.Filter{Type: "pump"}, after, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			known++
			after = d.DeviceRef
			values, err := json.Marshal(d.Values)
			if err != nil || p[d.ID] != string(values) {
				t.Errorf("the viewer knows %s as %.60s, the registry as %.60s", d.ID, p[d.ID], values)
			}
		}
		if len(page) < 500 {
			break
		}
	}
	if known != len(p) {
		t.Errorf("the viewer knows %d devices, the registry %d", len(p), known)
	}
}

func TestASnapshotComesFirstAndThenTheStream(t *testing.T) {
	h := openHub(t)
	h.device("pump", "a_1", `{"n":1,"%":"100 %I"}`)
	h.device("pump", "b:2", `{"n":2}`)
	h.device("valve", "v", `{"n":3}`)
	h.device("pump", "a_1", `{"n":4}`)
	v := h.view("/iot/stream/pump/?snapshot=1", "X-User", "7")
	events := v.events()
	if len(events) != 3 || events[0].Type != "connected" || events[0].Data != `{"group":"iot_pump"}` || events[2].ID != "iot_pump:3" {
		t.Fatalf("the stream shows %s", summary(events))
	}
	const want = `{"event":"snapshot","device_type":"pump","device_id":"a_1","data":{"device_type":"pump","device_id":"a_1","device_code":"",` +
		`"key":"","name":"","owner":"","groups":[],"is_active":true,"product_type":"","attributes":{},"status":"online","overdue":false,` +
		`"last_seen":"2025-01-15T12:00:00Z","firmware_version":"","battery_level":null,"temperature":null,"humidity":null,"latitude":null,` +
		`"longitude":null,"values":{"n":4},"created_at":"2025-01-15T12:00:00Z","updated_at":"2025-01-15T12:00:00Z"},"timestamp":"2025-01-15T12:00:00+00:00"}`
	if events[1].Type != "snapshot" || events[1].Data != want {
		t.Errorf("the first device is %s", events[1].Data)
	}
	v.deliver(h.device("pump", "b:2", `{"n":5}`))
	if events = v.events(); len(events) != 4 || events[3].ID != "iot_pump:4" {
		t.Errorf("then comes %s", summary(events))
	}
	one := h.view("/iot/stream/pump/b%3A2/?snapshot=1", "X-User", "7").events()
	if len(one) != 2 || one[1].Type != "snapshot" || !strings.Contains(one[1].Data, `"values":{"n":5}`) || one[1].ID != "iot_pump_b%3A2:2" {
		t.Errorf("one device's stream shows %s", summary(one))
	}
	for _, target := range []string{"/iot/stream/nothing/?snapshot=1", "/iot/stream/pump/nobody/?snapshot=1"} {
		if none := h.view(target, "X-User", "7").events(); len(none) != 1 || !strings.HasSuffix(none[0].ID, ":0") || strings.Contains(none[0].ID, ",") {
			t.Errorf("%s shows %s", target, summary(none))
		}
	}
}

func TestWhoHasAPlaceGetsNoSnapshot(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p", `{"n":1}`)
	h.device("pump", "p", `{"n":2}`)
	for _, v := range []*viewer{
		h.view("/iot/stream/pump/?snapshot=1", "X-User", "7", "Last-Event-ID", "iot_pump:1"), h.view("/iot/stream/pump/?snapshot=1&lastEventId=iot_pump:1", "X-User", "7"),
	} {
		if events := v.events(); len(events) != 2 || events[1].Type != "data" {
			t.Errorf("the stream shows %s", summary(events))
		}
	}
	// Nor who does not ask for one.
	for _, target := range []string{"/iot/stream/pump/", "/iot/stream/pump/?snapshot=0", "/events/?channel=iot_pump&snapshot=1"} {
		if events := h.view(target, "X-User", "7").events(); len(events) != 1 {
			t.Errorf("%s shows %s", target, summary(events))
		}
	}
}

func TestWhoHasLostItsPlaceGetsASnapshot(t *testing.T) {
	h := openHub(t)
	for n := range 5 {
		h.device("pump", "p", fmt.Sprintf(`{"n":%d}`, n))
	}
	held := h.view("/iot/stream/pump/?snapshot=1", "X-User", "7", "Last-Event-ID", "iot_pump:4")
	h.device("pump", "p", `{"n":5}`)
	h.device("pump", "p", `{"n":6}`)
	h.trim()
	late := h.view("/iot/stream/pump/?snapshot=1", "X-User", "7", "Last-Event-ID", "iot_pump:2")
	// The proxy missed two events, which are gone.
	held.last["events-iot_pump"] = "4"
	held.follow()
	for _, v := range []*viewer{late, held} {
		events := v.events()
		n := len(events)
		if n < 3 || events[n-2].Type != "stream-reset" || events[n-1].Type != "snapshot" || !strings.Contains(events[n-1].Data, `"values":{"n":6}`) || events[n-1].ID != "iot_pump:7" {
			t.Errorf("the stream shows %s", summary(events))
		}
		v.deliver(h.device("pump", "p", `{"n":7}`))
	}
}

// A fleet that does not fit one reply, and is written to between the replies.
func TestASnapshotOfManyPagesIsTrueWhateverHappensMeanwhile(t *testing.T) {
	h := openHub(t)
	random := rand.New(rand.NewPCG(1, 2))
	n := 0
	pad := strings.Repeat("%", 4000)
	say := func(id string) channels.Event {
		n++
		return h.device("pump", id, fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad[:random.IntN(4000)]))
	}
	for i := range 250 {
		say(fmt.Sprintf("d-%04d", i))
	}
	// meanwhile writes between the first pages of a view.
	meanwhile := func() func() {
		pages := 0
		return func() {
			if pages++; pages > 4 {
				return
			}
			for range 15 {
				say(fmt.Sprintf("d-%04d", random.IntN(260)))
			}
			h.clock.advance(time.Second)
		}
	}
	v := h.viewWhile(meanwhile(), "/iot/stream/pump/?snapshot=1", "X-User", "7")
	if v.pages < 4 {
		t.Errorf("there are only %d pages", v.pages)
	}
	for range 20 {
		v.deliver(say(fmt.Sprintf("d-%04d", random.IntN(260))))
	}
	p := picture{}
	p.fold(t, v.events())
	p.wantRegistry(t, h)

	// Cut off anywhere, the viewer comes back with the id that it has.
	events := v.events()
	for cut := 0; cut < len(events); cut += 1 + random.IntN(90) {
		p := picture{}
		p.fold(t, events[:cut+1])
		again := h.viewWhile(meanwhile(), "/iot/stream/pump/?snapshot=1", "X-User", "7", "Last-Event-ID", events[cut].ID)
		rest := again.events()
		p.fold(t, rest)
		p.wantRegistry(t, h)
		if t.Failed() {
			t.Fatalf("cut off after %d of %d events, at %s", cut, len(events), events[cut].ID)
		}
	}
}

func TestASnapshotGoesOnPastADeviceThatIsLargerThanAReply(t *testing.T) {
	h := openHub(t)
	large := `{"n":1`
	for i := range 40 {
		large += fmt.Sprintf(`,"f%d":%q`, i, strings.Repeat("%", 4000))
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(large+"}"), &values); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		change := devices.Change{DeviceRef: channels.DeviceRef{Type: "pump", ID: id}, Register: true, State: devices.State{Status: devices.Online, Values: values}}
		if _, err := h.publisher.Publish(t.Context(), channels.Batch{State: []any{devices.Changes{change}}}); err != nil {
			t.Fatal(err)
		}
	}
	v := h.view("/iot/stream/pump/?snapshot=1", "X-User", "7")
	if events := v.events(); len(events) != 4 || events[3].ID != "iot_pump:0" || v.pages < 3 {
		t.Errorf("%d events on %d pages", len(events), v.pages)
	}
}

func TestChannelsThatKeepNothingHaveSnapshotsToo(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Reader = channels.NewReader(o.Log, channels.Rules{{Match: "**", Unstored: true}})
	})
	for i := range 450 {
		h.device("pump", fmt.Sprintf("d-%03d", i), fmt.Sprintf(`{"n":%d}`, i))
	}
	v := h.view("/iot/stream/pump/?snapshot=1", "X-User", "7")
	events := v.events()
	if len(events) != 451 || events[450].ID != "" || v.pages < 3 {
		t.Errorf("%d events on %d pages, the last id is %q", len(events), v.pages, events[len(events)-1].ID)
	}
	v.follow()
	if again := v.events(); len(again) != len(events) {
		t.Errorf("the next link brings %d events more", len(again)-len(events))
	}
}

func TestSnapshotsAreRefusedWhereTheyMakeNoSense(t *testing.T) {
	h := openHub(t)
	for target, status := range map[string]int{
		"/iot/stream/pump/?snapshot=yes":                                     http.StatusBadRequest,
		"/iot/stream/pump/p1/?snapshot=2":                                    http.StatusBadRequest,
		"/iot/stream/pump/?snapshot=1&lastEventId=iot_pump:0,%2540snapshot/": http.StatusBadRequest, // cut
	} {
		wantProblem(t, h.get(target, "X-User", "7"), status)
	}
	wantProblem(t, h.get("/iot/stream/pump/?snapshot=1"), http.StatusUnauthorized)
	// A place that nobody was given is a place all the same.
	v := h.view("/iot/stream/pump/?snapshot=1&lastEventId=%2540snapshot/zzz:0", "X-User", "7")
	if events := v.events(); len(events) != 1 {
		t.Errorf("the stream shows %s", summary(events))
	}
}
