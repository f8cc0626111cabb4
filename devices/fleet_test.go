package devices_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/devices"
)

func TestAFleetSaysTheSameForTheSameSeed(t *testing.T) {
	say := func(seed uint64) string {
		fleet, err := devices.NewFleet(seed, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for range 1000 {
			m := fleet.Next()
			fmt.Fprintf(&said, "%s %s\n", m.Topic, m.Payload)
		}
		return said.String()
	}
	one, again, two := say(1), say(1), say(2)
	if one != again || one == two {
		t.Error("what a fleet says must depend on its seed alone")
	}
	if first, _, _ := strings.Cut(one, "\n"); !strings.HasPrefix(first, `things/weatherstation/ws-001/status {"status":"online","battery_level":`) {
		t.Errorf("it begins with %s", first)
	}
}

func TestWhatAFleetSaysCanBeProcessed(t *testing.T) {
	fleet, err := devices.NewFleet(42, 12, []string{"pump", "tank"})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	for range 5000 {
		said := fleet.Next()
		levels := strings.Split(said.Topic, "/")
		kind, err := devices.ParseKind(levels[3])
		if err != nil {
			t.Fatal(err)
		}
		process(t, p, devices.Message{Kind: kind, Type: levels[1], ID: levels[2], Topic: said.Topic, Payload: said.Payload, KeyField: "id", Received: time.Now()})
	}
	wantStrings(t, "refusals", h.reasons())
	if len(h.devices) != 12 || len(h.events) < 4900 {
		t.Errorf("%d devices, %d events", len(h.devices), len(h.events))
	}
}

func TestAFleetNeedsDevicesOfKnownTypes(t *testing.T) {
	if _, err := devices.NewFleet(1, 0, nil); err == nil {
		t.Error("no devices are accepted")
	}
	if _, err := devices.NewFleet(1, 1, []string{"pump", "submarine"}); err == nil || !strings.Contains(err.Error(), `type "submarine": want weatherstation, pump`) {
		t.Errorf("submarines: %v", err)
	}
}
