package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web"
)

// A wire is the way to devices that answer, unless they are mute.
type wire struct {
	hub  *hub
	mute bool
	fail error
	sent []string
}

func (w *wire) Answers() bool { return true }

func (w *wire) Send(ctx context.Context, device channels.DeviceRef, message []byte, id string, expiry time.Duration) error {
	if w.fail != nil {
		return w.fail
	}
	w.sent = append(w.sent, device.ID+" "+string(message)+" "+expiry.String())
	if w.mute || strings.Contains(string(message), `"command":"mute"`) {
		return nil
	}
	draft, err := devices.Broadcast(device, devices.EventResponse, json.RawMessage(`{"id":"`+id+`","response":"done"}`), w.hub.clock.Now())
	if err != nil {
		return err
	}
	_, err = w.hub.publisher.Publish(ctx, channels.Batch{Drafts: []channels.Draft{draft}})
	return err
}

// commandHub has the pump p1, and a way to it.
func commandHub(t *testing.T) (*hub, *wire) {
	w := &wire{}
	h := openHub(t, func(o *web.Options) {
		o.Commander = devices.NewCommander(o.Reader, o.Publisher, o.Registry, w, time.Now)
	})
	w.hub = h
	h.device("pump", "p1", `{"flow":1}`)
	return h, w
}

const commandsOfP1 = "/api/devices/pump/p1/commands/"

func TestACommandIsAnsweredByItsDevice(t *testing.T) {
	h, wire := commandHub(t)
	w := h.post(commandsOfP1, `{"command":"go","payload":[1],"id":"order-0001","timeout":5}`, "X-User", "7 writes=iot_pump_*")
	want := `{"id":"order-0001","event":"2","cursor":"iot_pump:2,iot_pump_p1:2","response":"done"}`
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := strings.Join(wire.sent, "|"); got != `p1 {"command":"go","payload":[1],"id":"order-0001"} 5s` {
		t.Errorf("sent %s", got)
	}
	wire.mute = true
	if w := h.post(commandsOfP1, `{"command":"go","id":"order-0002","wait":false,"timeout":"2h"}`, "X-User", "1 admin"); w.Code != http.StatusAccepted || strings.Contains(w.Body.String(), "response") {
		t.Errorf("nobody waits: %d %s", w.Code, w.Body)
	}
	if p := wantProblem(t, h.post(commandsOfP1, `{"command":"go","timeout":"200ms"}`, "Authorization", "Bearer "+publishKey), http.StatusGatewayTimeout); p.Error.Code != "no-answer" {
		t.Errorf("the problem is %+v", p)
	}
	wire.fail = errors.New("no broker")
	if p := wantProblem(t, h.post(commandsOfP1, `{"command":"go"}`, "X-User", "1 admin"), http.StatusServiceUnavailable); p.Error.Code != "not-sent" || strings.Contains(p.Detail, "broker:") {
		t.Errorf("the problem is %+v", p)
	}
}

func TestACommandNeedsPermission(t *testing.T) {
	h, wire := commandHub(t)
	for user, status := range map[string]int{
		"": http.StatusUnauthorized, "7": http.StatusForbidden, "7 writes=iot_pump": http.StatusForbidden,
		"7 writes=iot_pump_p2": http.StatusForbidden, "forged": http.StatusUnauthorized,
	} {
		wantProblem(t, h.post(commandsOfP1, `{"command":"go"}`, "X-User", user), status)
	}
	wantProblem(t, h.post(commandsOfP1, `{"command":"go"}`, "X-User", "1 admin", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	if len(wire.sent) > 0 {
		t.Errorf("sent %q", wire.sent)
	}
}

func TestWhatIsNoCommandIsRefused(t *testing.T) {
	h, wire := commandHub(t)
	for body, status := range map[string]int{
		``: http.StatusBadRequest, `{`: http.StatusBadRequest, `[]`: http.StatusBadRequest, `{"command":1}`: http.StatusBadRequest,
		`{"command":"go","comand":"go"}`: http.StatusBadRequest, `{"command":"go"} {}`: http.StatusBadRequest,
		`{"payload":1}`: http.StatusUnprocessableEntity, `{"command":"a\u0000b"}`: http.StatusUnprocessableEntity,
		`{"command":"go","id":"1"}`: http.StatusUnprocessableEntity, `{"command":"go","timeout":"soon"}`: http.StatusUnprocessableEntity,
		`{"command":"go","timeout":-1}`: http.StatusUnprocessableEntity, `{"command":"go","timeout":1e300}`: http.StatusUnprocessableEntity,
		`{"command":"go","timeout":"2m"}`: http.StatusUnprocessableEntity, `{"command":"go","timeout":{}}`: http.StatusUnprocessableEntity,
		`{"command":"` + strings.Repeat("x", 70_000) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		if w := h.post(commandsOfP1, body, "X-User", "1 admin"); w.Code != status {
			t.Errorf("%.60s: %d %s, want %d", body, w.Code, w.Body, status)
		}
	}
	for target, status := range map[string]int{
		"/api/devices/pump/nobody/commands": http.StatusNotFound, "/api/devices/pump/%2B/commands": http.StatusUnprocessableEntity,
		"/api/devices/%23/p1/commands": http.StatusUnprocessableEntity, "/api/devices/pump/a%2Fb/commands": http.StatusUnprocessableEntity,
		"/api/devices/pump/a%00b/commands": http.StatusBadRequest,
	} {
		wantProblem(t, h.post(target, `{"command":"go"}`, "X-User", "1 admin"), status)
	}
	if w := h.post(commandsOfP1, `{"command":"go","id":"order-0001"}`, "X-User", "1 admin"); w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	wantProblem(t, h.post(commandsOfP1, `{"command":"stop","id":"order-0001"}`, "X-User", "1 admin"), http.StatusConflict)
	if len(wire.sent) != 1 {
		t.Errorf("sent %q", wire.sent)
	}
	wantProblem(t, openHub(t).post(commandsOfP1, `{"command":"go"}`, "X-User", "1 admin"), http.StatusNotImplemented)
}

func TestASocketGivesCommands(t *testing.T) {
	h, wire := commandHub(t)
	command := func(target, message, user string) string {
		t.Helper()
		return strings.Join(readReply(t, h.batch(target, frame("TEXT", message), "X-User", user)).messages, "|")
	}
	const one, all = "/ws/iot/pump/p1/", "/ws/iot/pump/"
	if got := command(one, `{"action":"command","name":"go","id":"order-0001"}`, "7 writes=iot_pump_p1"); got != `{"event":"command-sent","data":{"id":"order-0001"}}` {
		t.Errorf("got %s", got)
	}
	if got := command(all, `{"action":"command","name":"go","payload":1,"id":"order-0002","device_id":"p1"}`, "7 admin"); !strings.Contains(got, "command-sent") {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(wire.sent, "|"); got != `p1 {"command":"go","id":"order-0001"} 10s|p1 {"command":"go","payload":1,"id":"order-0002"} 10s` {
		t.Errorf("sent %s", got)
	}
	for _, c := range []struct{ target, message, user, want string }{
		{one, `{"action":"command","name":"go","id":"order-0003"}`, "7", `"condition":"forbidden","id":"order-0003"`},
		{one, `{"action":"command"}`, "7 admin", `"condition":"invalid"`},
		{one, `{"action":"command","name":5,"id":[]}`, "7 admin", `"condition":"invalid"`},
		{all, `{"action":"command","name":"go"}`, "7 admin", `"condition":"bad-request"`},
		{all, `{"action":"command","name":"go","device_id":"nobody"}`, "7 admin", `"condition":"not-found"`},
		{all, `{"action":"command","name":"go","device_id":"+"}`, "7 admin", `"condition":"invalid"`},
		{"/ws/events/?channel=foo", `{"action":"command","name":"go","device_id":"p1"}`, "7 admin", `"condition":"bad-request"`},
	} {
		if got := command(c.target, c.message, c.user); !strings.Contains(got, `{"event":"error"`) || !strings.Contains(got, c.want) {
			t.Errorf("%s as %s: %s", c.message, c.user, got)
		}
	}
	wire.fail = errors.New("SECRET")
	if got := command(one, `{"action":"command","name":"go"}`, "7 admin"); !strings.Contains(got, `"condition":"not-sent"`) || strings.Contains(got, "SECRET") {
		t.Errorf("without a broker: %s", got)
	}
}
