package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// writeTemplate writes one of the hub's templates.
func writeTemplate(t *testing.T, hub *e2e.Hub, name, text string) {
	t.Helper()
	file := filepath.Join(hub.Dir, "templates", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTemplatesMakeHTMLOfDeviceEvents(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	// While it runs: dev takes templates over as they change.
	writeTemplate(t, hub, "pump/card.html", `<p>{{.ID}} is {{.Status}} at {{.State.flow}} l/s, {{number .State.power 1}} W</p>`)
	writeTemplate(t, hub, "pump/flow.html", `{{with .Data.flow}}<b>{{.}}</b>{{end}}`)
	e2e.Eventually(t, "the templates are there", func() bool {
		return e2e.Get(t, hub.URL("/components/pump/p1/flow/?html=2")).Status == 200
	})

	say := func(name, payload string) {
		e2e.MosquittoPub(t, hub.MQTT, "-t", "things/pump/p1/"+name, "-m", payload)
	}
	two, four := watch(t, hub.URL("/iot/stream/pump/?html=2")), watch(t, hub.URL("/iot/stream/pump/p1/?html=4"))
	plain := watch(t, hub.URL("/iot/stream/pump/"))
	say("status", "online")
	say("data", `{"flow":1.5}`)
	say("data", `{"power":700}`)
	four.Cut()
	say("data", `{"flow":100}`)

	card := func(flow, power string) string { return "<p>p1 is online at " + flow + " l/s, " + power + " W</p>" }
	cards := []string{card("", "–"), card("1.5", "–"), card("1.5", "700.0"), card("100", "700.0")}
	flows := []string{"", "<b>1.5</b>", "", "<b>100</b>"}
	for n := range cards {
		if e := two.Find(t, "a card", func(e e2e.Event) bool { return e.Type == "card" }); e.Data != cards[n] {
			t.Errorf("card %d is %s, want %s", n, e.Data, cards[n])
		}
		e := four.Find(t, "a message", func(e e2e.Event) bool { return e.Type == "message" })
		if !strings.Contains(e.Data, cards[n]+"</hx-partial>") || strings.Contains(e.Data, "<b>") != (flows[n] != "") || !strings.Contains(e.Data, flows[n]) {
			t.Errorf("message %d is %s", n, e.Data)
		}
		if name := plain.Next(t).Type; name != "data" && name != "status" {
			t.Errorf("who asks for no HTML gets %s", name)
		}
	}

	// The same from the log, with what a shell has sent: HTML as it is, and an event of the device as fragments.
	hub.Publish(t, "--raw", "--event", "", "iot_pump", "<i>from a shell</i>")
	two.Find(t, "the shell's HTML", func(e e2e.Event) bool { return e.Type == "message" && e.Data == "<i>from a shell</i>" })
	hub.Publish(t, "--device", "pump/p1", "--event", "data", `{"flow":7}`)
	two.Find(t, "the shell's event", func(e e2e.Event) bool { return e.Type == "flow" && e.Data == "<b>7</b>" })
	again := e2e.Watch(t, hub.URL("/iot/stream/pump/?html=2&lastEventId=iot_pump:0"), e2e.EventSourceOptions{})
	again.Find(t, "the last event", func(e e2e.Event) bool { return e.Data == "<b>7</b>" })
	if live, log := kinds(two.Events()), kinds(again.Events()); live != log {
		t.Errorf("live:\n%s\nfrom the log:\n%s", live, log)
	}

	// A mistake leaves what was there.
	writeTemplate(t, hub, "pump/flow.html", `{{with`)
	e2e.Eventually(t, "the mistake is told", func() bool { return strings.Contains(hub.Log(), "pump/flow.html:1") })
	say("data", `{"flow":8}`)
	two.Find(t, "the old template's fragment", func(e e2e.Event) bool { return e.Data == "<b>8</b>" })
	hub.Stop(t)
}

// kinds are the events after the opening, in one line each.
func kinds(events []e2e.Event) string {
	var b strings.Builder
	for _, e := range events[1:] {
		if e.Type != "keep-alive" {
			b.WriteString(e.Type + " " + e.ID + " " + e.Data + "\n")
		}
	}
	return b.String()
}

func TestAMistakeInATemplateIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	hub := e2e.NewDev(t, e2e.DevOptions{})
	writeTemplate(t, hub, "pump/flow.html", "<p>\n{{with .Data.flow}}")
	result := hub.Command().Run(t)
	if result.Code != 1 || !strings.Contains(result.Stdout+result.Stderr, "pump/flow.html:2: ") {
		t.Errorf("exit code %d: %s", result.Code, result.Stderr)
	}
}
