package pushpin

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestChannelsHaveFewKinds(t *testing.T) {
	for name, want := range map[string]string{
		"p/events-iot_pump":            "device",
		"p/events-iot_pump_p1":         "device",
		"p/html2-iot_pump":             "device",
		"p/events-%40public":           "public",
		"p/events-%40user/7":           "user",
		"p/events-%40devices/7":        "user",
		"p/events-room":                "other",
		"p/user-7:events-room":         "internal",
		"p/kicks":                      "internal",
		"events-room":                  "internal",
		"another application's prayer": "internal",
	} {
		if got := kindOf(name, "p/"); got != want {
			t.Errorf("%s is of kind %q, want %q", name, got, want)
		}
	}
}

// However many channels viewers choose, and whatever a proxy calls its modes, there are as many series as before.
func TestSubscriptionsHaveFewSeries(t *testing.T) {
	a, err := NewAudience([]string{"tcp://127.0.0.1:1"}, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(a)
	a.proxies[0].begin()
	for i := range 1000 {
		a.proxies[0].take(subscription{fmt.Sprintf("events-room%d", i), "stream", 1, time.Minute}, time.Now())
		a.proxies[0].take(subscription{fmt.Sprintf("events-iot_pump_%d", i), "ws", 2, time.Minute}, time.Now())
		a.proxies[0].take(subscription{"events-room", fmt.Sprintf("mode%d", i), 3, time.Minute}, time.Now())
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	if len(got) != len(listeningModes)*len(listeningKinds) || got["stream other"] != 1000 || got["ws device"] != 2000 || got["other other"] != 3000 {
		t.Errorf("the subscriptions are %v", got)
	}
}
