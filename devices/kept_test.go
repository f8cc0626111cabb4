package devices_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/devices"
)

func TestEventsKeepTheKeptByTypesThatWantIt(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{KeepState: func(t string) bool { return t == "weatherstation" }})
	other := data("1", `{"a":1}`)
	other.Type = "pump"
	process(t, p, data("1", `{"a":1,"b":"<x>"}`), status("1", `online`), data("1", `{"a":2.50}`), other)
	var states []string
	for i := range h.events {
		if s, ok := devices.KeptBy(&h.events[i]); ok {
			states = append(states, string(s.Status)+" "+string(s.Values["a"])+" "+string(s.Values["b"]))
		} else {
			states = append(states, "none")
		}
	}
	wantStrings(t, "states", states, `offline 1 "<x>"`, `online 1 "<x>"`, `online 2.50 "<x>"`, "none")
}

func TestAStateThatIsTooLongIsLeftOut(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{KeepState: func(string) bool { return true }})
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		process(t, p, data("1", `{"`+name+`":"`+strings.Repeat("x", 4000)+`"}`))
	}
	wantStrings(t, "refusals", h.reasons())
	if len(h.events) != 26 || h.events[0].Private == nil || h.events[25].Private != nil {
		t.Errorf("%d events, the last with %d bytes of private data", len(h.events), len(h.events[len(h.events)-1].Private))
	}
}
