package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestDevicesDoWhatTheyAreTold(t *testing.T) {
	t.Parallel()
	t.Run("Mosquitto", func(t *testing.T) {
		t.Parallel()
		hub := e2e.StartServe(t, e2e.ServeOptions{Auth: "  mode: jwt\n  jwt: {secret: " + tokenSecret + "}\n"})
		commandAPump(t, hub, bearer(token(t, hub, "--user", "7", "--publish", "iot_pump_*")))
		answer := e2e.Request(t, http.MethodPost, hub.URL("/api/devices/pump/pump-001/commands"), `{"command":"restart"}`,
			bearer(token(t, hub, "--user", "8", "--publish", "iot_tank_*")))
		if answer.Status != http.StatusForbidden {
			t.Errorf("who may command tanks is answered by %d %s", answer.Status, answer.Body)
		}
	})
	t.Run("the broker of griphub dev", func(t *testing.T) {
		t.Parallel()
		commandAPump(t, e2e.StartDev(t, e2e.DevOptions{}), nil)
	})
}

// commandAPump has a simulated pump, which does as it is told, and another that does not listen.
func commandAPump(t *testing.T, hub *e2e.Hub, caller http.Header) {
	hub.Background(t, "simulate", "--types", "pump", "--devices", "1", "--rate", "5")
	say(t, hub, "pump/deaf", `{"flow":1}`)
	e2e.Eventually(t, "both pumps are registered", func() bool {
		return hub.Run(t, "devices", "show", "pump/pump-001").Code == 0 && hub.Run(t, "devices", "show", "pump/deaf").Code == 0
	})
	viewer := e2e.Watch(t, hub.URL("/iot/stream/pump/pump-001/"), e2e.EventSourceOptions{Header: caller})

	var answer string
	e2e.Eventually(t, "the pump listens", func() bool {
		result := hub.Run(t, "devices", "command", "pump/pump-001", "restart", "--timeout", "3s")
		answer = result.Stdout
		return result.Code == 0
	})
	if !strings.Contains(answer, `"command":"restart","status":"done"`) {
		t.Errorf("the pump answers %s", answer)
	}
	viewer.Find(t, "the command", func(e e2e.Event) bool { return e.Type == "command" && envelopeOf(t, e).Event == "command" })
	viewer.Find(t, "the answer", func(e e2e.Event) bool { return e.Type == "command_response" })

	overHTTP := e2e.Request(t, http.MethodPost, hub.URL("/api/devices/pump/pump-001/commands"),
		`{"command":"set_speed","payload":{"rpm":900},"id":"order-0001"}`, caller)
	if overHTTP.Status != http.StatusOK || !strings.Contains(overHTTP.Body, `"response":{"id":"order-0001","command":"set_speed","status":"done"}`) {
		t.Errorf("over HTTP: %d %s", overHTTP.Status, overHTTP.Body)
	}
	commandOverSocket(t, hub, caller)

	if result := hub.Run(t, "devices", "command", "pump/deaf", "restart", "--timeout", "300ms"); result.Code != 4 || result.Stdout != "" {
		t.Errorf("a pump that does not answer: exit code %d, %q", result.Code, result.Stdout)
	}
	late := e2e.Request(t, http.MethodPost, hub.URL("/api/devices/pump/deaf/commands"), `{"command":"restart","timeout":"300ms"}`, caller)
	if late.Status != http.StatusGatewayTimeout {
		t.Errorf("a pump that does not answer: %d %s", late.Status, late.Body)
	}
	if result := hub.Run(t, "devices", "command", "pump/deaf", "restart", "--no-wait"); result.Code != 0 || strings.TrimSpace(result.Stdout) == "" {
		t.Errorf("--no-wait: exit code %d, %q, %s", result.Code, result.Stdout, result.Stderr)
	}
	if result := hub.Run(t, "devices", "command", "pump/+", "restart"); result.Code != 2 {
		t.Errorf("a device that would be all: exit code %d: %s", result.Code, result.Stderr)
	}
}

// commandOverSocket gives a command and sees the answer on the same WebSocket.
func commandOverSocket(t *testing.T, hub *e2e.Hub, caller http.Header) {
	t.Helper()
	socket := e2e.Dial(t, hub.URL("/ws/iot/pump/pump-001/"), caller)
	socket.Send(t, `{"action":"command","name":"restart","id":"order-0002"}`)
	var sent, done bool
	for !sent || !done {
		var m struct {
			Event string `json:"event"`
			Data  struct {
				ID       string          `json:"id"`
				Response json.RawMessage `json:"response"`
			} `json:"data"`
		}
		f := socket.Next(t)
		f.JSON(t, &m)
		switch {
		case m.Event == "error":
			t.Fatalf("the command is answered by %s", f.Data)
		case m.Data.ID == "order-0002":
			sent = sent || m.Event == "command-sent"
			done = done || m.Event == "command_response" && strings.Contains(string(m.Data.Response), `"done"`)
		}
	}
}
