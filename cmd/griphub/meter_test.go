package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// zeros and ones are no news: a hook refuses the former and drops the latter.
func zerosAndOnes(t *testing.T) channels.Hooks {
	t.Helper()
	ask := channels.HookFunc(func(_ context.Context, d *channels.Draft) error {
		switch string(d.Data) {
		case "0":
			return &channels.RefusedError{Reason: "no news"}
		case "1":
			return channels.ErrDrop
		}
		return nil
	})
	match, err := channels.ParsePattern("**")
	if err != nil {
		t.Fatal(err)
	}
	return channels.Hooks{Receive: []*channels.HookPoint{channels.NewHookPoint(ask, channels.HookOptions{Name: "news", Match: match, Timeout: scenePatience})}}
}

func TestEveryFateOfAnEventIsCountedAndTimed(t *testing.T) {
	stored, err := channels.ParsePattern("kept")
	if err != nil {
		t.Fatal(err)
	}
	rules := channels.Rules{{Match: stored}, {Match: "**", Unstored: true}}
	publisher := channels.NewPublisher(logtest.NewMemory(time.Now, time.Hour, channels.Retention{}), rules, channels.Sinks{}, time.Now)
	publisher.SetHooks(zerosAndOnes(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(ctx) }()

	registry := prometheus.NewPedanticRegistry()
	p := newMeter(registry).of(sourceMQTT, publisher)
	publish := func(drafts ...channels.Draft) {
		t.Helper()
		if _, err := p.Publish(context.WithoutCancel(ctx), channels.Batch{Drafts: drafts}); err != nil {
			t.Logf("not published: %v", err)
		}
	}
	draft := func(channel channels.Channel, data, key string) channels.Draft {
		return channels.Draft{Channels: []channels.Channel{channel}, Data: []byte(data), Key: key}
	}
	late := draft("kept", "7", "")
	late.Arrival = channels.Arrival{At: time.Now().Add(-time.Hour), Trace: strings.Repeat("a", 32)}
	publish(draft("kept", "7", "k"), draft("kept", "7", ""), draft("gone", "7", ""), draft("kept", "1", ""))
	publish(draft("kept", "7", "k"))
	publish(draft("kept", "0", ""), draft("kept", "7", ""))
	publish(draft("kept", "{", ""), draft("kept", "7", ""))
	publish(late)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	publish(draft("kept", "7", ""), draft("kept", "7", ""))

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	var lag *dto.Histogram
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetHistogram() != nil && m.GetLabel()[0].GetValue() == sourceMQTT {
				lag = m.GetHistogram()
			} else if m.GetCounter() != nil && m.GetLabel()[1].GetValue() == sourceMQTT {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	for outcome, want := range map[string]float64{
		outcomeStored: 3, outcomeUnstored: 1, outcomeRepeated: 1, outcomeDropped: 1, outcomeRefused: 2, outcomeFailed: 2,
	} {
		if got[outcome] != want {
			t.Errorf("%v events are %s, want %v", got[outcome], outcome, want)
		}
	}
	if n, sum := lag.GetSampleCount(), lag.GetSampleSum(); n != 3 || sum < 3600 || sum > 3700 {
		t.Errorf("%d events took %v s, want 3 of which one took an hour", n, sum)
	}
}

// The names follow https://prometheus.io/docs/practices/naming/.
func TestMetricsAreNamedByTheConventions(t *testing.T) {
	h := everyPart(t)
	problems, err := testutil.GatherAndLint(h.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "griphub_") && (f.GetType() == dto.MetricType_COUNTER) != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.GetType())
		}
		if f.GetType() == dto.MetricType_HISTOGRAM && strings.HasPrefix(name, "griphub_") && !strings.HasSuffix(name, "_seconds") {
			t.Errorf("%s has no unit", name)
		}
		if strings.HasPrefix(name, "griphub_") && !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: the help %q is no sentence", name, f.GetHelp())
		}
	}
}
