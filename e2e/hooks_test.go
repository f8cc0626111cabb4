package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/webhook"
)

// An application answers hooks: by the words in an event's data.
type application struct {
	*httptest.Server
	mu    sync.Mutex
	away  bool
	asked map[string]int // by hook
}

func newApplication(t *testing.T) *application {
	t.Helper()
	secret, err := webhook.ParseSecret(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	a := &application{asked: map[string]int{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := secret.Verify(r.Header, body, time.Now()); err != nil {
			t.Error(err)
		}
		var asked struct {
			Hook   string
			Events []told
		}
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Errorf("%v in %s", err, body)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked[asked.Hook] += len(asked.Events)
		if a.away {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		words := make([]string, len(asked.Events))
		for i, e := range asked.Events {
			words[i] = answerTo(asked.Hook, string(e.Data))
		}
		_, _ = fmt.Fprintf(w, `{"events":[%s]}`, strings.Join(words, ","))
	}))
	t.Cleanup(a.Close)
	return a
}

func answerTo(hook, data string) string {
	switch {
	case hook == "on_receive" && strings.Contains(data, "spam"):
		return `{"drop":true}`
	case hook == "on_receive" && strings.Contains(data, "loud"):
		return `{"refuse":"too loud"}`
	case hook == "on_receive" && strings.Contains(data, `"stamp"`):
		return `{"data":{"stamped":true},"private_data":{"by":"hook"}}`
	case hook == "before_send" && strings.Contains(data, "card"):
		return `{"event":"masked","data":{"shown":"…"}}`
	case hook == "before_send" && strings.Contains(data, "secret"):
		return `{"drop":true}`
	case hook == "before_send" && strings.Contains(data, "notdev"):
		return `{"skip_users":["dev"]}`
	}
	return `{}`
}

func (a *application) setAway(away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = away
}

func (a *application) count(hook string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[hook]
}

func TestHooksDecideForEveryWayOfPublishing(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	hook := fmt.Sprintf("{url: %q, secret: %q}", app.URL, webhookSecret)
	hub := e2e.StartDev(t, e2e.DevOptions{Config: "hooks:\n  on_receive: " + hook + "\n  before_send: " + hook + "\n"})
	stream := watch(t, hub.URL("/events/room/"))
	opening := stream.Events()[0].ID

	hub.Publish(t, "room", `{"stamp":1}`)
	if e := stream.Expect(t, "message"); e.Data != `{"stamped":true}` {
		t.Errorf("the changed one is %s", e.Data)
	}
	if id := hub.Publish(t, "room", `"spam"`); id != "" {
		t.Errorf("the dropped one has the id %s", id)
	}
	if refused := hub.Run(t, "publish", "room", `"loud"`); refused.Code != 1 || !strings.Contains(refused.Stderr, "too loud") {
		t.Errorf("the refused one: exit code %d: %s", refused.Code, refused.Stderr)
	}
	answer := e2e.Request(t, http.MethodPost, hub.URL("/api/publish"), `[{"channel":"room","data":1},{"channel":"room","data":"loud"}]`, nil)
	if answer.Status != http.StatusUnprocessableEntity || !strings.Contains(answer.Body, `"at":"[1]"`) || !strings.Contains(answer.Body, `"refused"`) {
		t.Errorf("the API answers %d %s", answer.Status, answer.Body)
	}
	lines := e2e.Command{Args: []string{"publish", "--jsonl", "--config", hub.Config},
		Stdin: `{"channel":"room","data":1}` + "\n" + `{"channel":"room","data":"loud"}` + "\n"}.Run(t)
	if lines.Code != 1 || !strings.Contains(lines.Stderr, "draft 1") || lines.Stdout != "" {
		t.Errorf("the lines: exit code %d: %s%s", lines.Code, lines.Stdout, lines.Stderr)
	}
	answer = e2e.Request(t, http.MethodPost, hub.URL("/api/publish"), `[{"channel":"room","data":"spam"},{"channel":"room","data":2}]`, nil)
	if answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"dropped":true`) {
		t.Errorf("the API answers %d %s", answer.Status, answer.Body)
	}
	if e := stream.Expect(t, "message"); e.Data != "2" {
		t.Errorf("then comes %s", e.Data)
	}

	// What viewers are shown, live and from the log; the log has the original.
	id := hub.Publish(t, "room", `{"card":"1234"}`)
	hub.Publish(t, "room", `"secret"`)
	hub.Publish(t, "room", `"notdev"`)
	hub.Publish(t, "room", `3`)
	before := app.count("before_send")
	late := watchWith(t, hub.URL("/events/room/"), e2e.EventSourceOptions{Header: http.Header{"Last-Event-Id": {opening}}})
	late.Expect(t, "message")
	late.Expect(t, "message")
	for _, s := range []*e2e.EventSource{stream, late} {
		if e := s.Expect(t, "masked"); e.Data != `{"shown":"…"}` {
			t.Errorf("shown is %s", e.Data)
		}
		if e := s.Expect(t, "message"); e.Data != "3" {
			t.Errorf("then comes %s", e.Data)
		}
		if strings.Contains(s.Raw(), "1234") || strings.Contains(s.Raw(), "secret") {
			t.Error("viewers are shown the original")
		}
	}
	if after := app.count("before_send"); after != before {
		t.Errorf("reading asked %d times", after-before)
	}
	if shown := run(t, hub, "events", "show", id); !strings.Contains(shown, "1234") || !strings.Contains(shown, "masked") {
		t.Errorf("events show prints %s", shown)
	}

	// Devices: a refused message is put away, a dropped one is gone, and while nobody answers all are held back.
	devices := watch(t, hub.URL("/iot/stream/pump/"))
	say(t, hub, "pump/p1", `{"note":"loud"}`)
	say(t, hub, "pump/p1", `{"note":"spam"}`)
	say(t, hub, "pump/p1", `{"n":1}`)
	if e := devices.Expect(t, "data"); !strings.Contains(e.Data, `"n":1`) {
		t.Errorf("the device's event is %s", e.Data)
	}
	if dead := run(t, hub, "events", "list", "--dead"); !strings.Contains(dead, "too loud") || strings.Contains(dead, "spam") {
		t.Errorf("put away is %s", dead)
	}
	app.setAway(true)
	held := make(chan error, 1)
	go func() { held <- e2e.PublishLines(hub.MQTT, "things/pump/p1/data", []string{`{"n":2}`}) }()
	if away := hub.Run(t, "publish", "room", "4"); away.Code != 1 || !strings.Contains(away.Stderr, "on_receive") {
		t.Errorf("without the application: exit code %d: %s", away.Code, away.Stderr)
	}
	if answer = e2e.Request(t, http.MethodPost, hub.URL("/api/publish"), `{"channel":"room","data":4}`, nil); answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, "hook-failed") {
		t.Errorf("the API answers %d %s", answer.Status, answer.Body)
	}
	app.setAway(false)
	if e := devices.Expect(t, "data"); !strings.Contains(e.Data, `"n":2`) {
		t.Errorf("then comes %s", e.Data)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
	if metrics := e2e.Get(t, hub.OpsURL("/metrics")).Body; !strings.Contains(metrics, `griphub_hook_failures_total{hook="on_receive"}`) || !strings.Contains(metrics, `griphub_hook_events_dropped_total{hook="before_send"} 0`) {
		t.Errorf("the metrics do not count hooks")
	}
	hub.Stop(t)
}
