package admin

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/griphub/griphub/channels"
)

// A Health is how what griphub works with does, as this process sees it.
type Health struct {
	Proxies []Proxy
	Broker  Broker
	// Problem is why the hub is not ready; empty where it is.
	Problem string
}

// A Proxy is one that holds connections.
type Proxy struct {
	// Name is its control port, without secrets.
	Name string
	// State is "up", "down" or "unknown", since Since.
	State string
	Since time.Time
	// Error is the last failure; empty for none since it was up.
	Error string
	// QueuedItems and QueuedBytes wait for it.
	QueuedItems, QueuedBytes int
	Sent, Rejected, Dropped  uint64
	Requests, Failures       uint64
	// Repairs counts how often its viewers were told to ask for what they had missed.
	Repairs uint64
}

// A Broker is where devices' messages come from.
type Broker struct {
	// Address is without secrets; empty where there is none.
	Address string
	// Connected tells that this process takes messages; another may do so in its place.
	Connected bool
	// Error is why it does not; empty for none.
	Error string
}

// A systemPage is how everything does.
type systemPage struct {
	Health
	Broker  []figure
	Streams []figure
}

// A figure is a number of this process, since it has begun or now.
type figure struct {
	Name, Note string
	// Parts are what the number is made of, by their labels; none where it is one number.
	Parts []part
	Value string
	// Bad marks what should be zero and is not.
	Bad bool
	// Metric is where monitoring finds it.
	Metric string
}

type part struct{ Name, Value string }

// A measure is a metric and what the page calls it.
type measure struct {
	metric, name string
	note         string
	// loss marks what is zero where nothing was lost.
	loss bool
	// by are the labels that tell parts apart; empty for one number.
	by []string
}

// What the page shows of each. The metrics' own descriptions say more.
var (
	brokerMeasures = []measure{
		{metric: "griphub_mqtt_messages_received_total", name: "Messages received"},
		{metric: "griphub_mqtt_messages_stored_total", name: "Messages stored"},
		{metric: "griphub_mqtt_queue_messages", name: "Waiting to be stored"},
		{metric: "griphub_mqtt_messages_duplicate_total", name: "Repeats recognised"},
		{metric: "griphub_mqtt_commit_failures_total", name: "Transactions tried again", loss: true},
		{metric: "griphub_mqtt_messages_dropped_total", name: "Dropped (QoS 0, no room)", loss: true},
		{metric: "griphub_mqtt_connections_total", name: "Connections made"},
	}
	streamMeasures = []measure{
		{metric: "griphub_presence_subscriptions", name: "Subscriptions at the proxies", by: []string{"kind", "mode"}},
		{metric: "griphub_events_replayed_total", name: "Events repeated from the log", note: "to viewers who came back (resume), into gaps (repair)", by: []string{"stream", "cause"}},
		{metric: "griphub_resets_total", name: "Resets sent", note: "history was gone", by: []string{"stream"}, loss: true},
		{metric: "griphub_proxy_resets_total", name: "Losses told", note: "of channels without history", by: []string{"proxy"}, loss: true},
		{metric: "griphub_proxy_repairs_total", name: "Gaps announced", note: "items were lost on the way to a proxy", by: []string{"proxy"}},
		{metric: "griphub_events_conflated_total", name: "Passed over", note: "channels of class state: a newer event in their place"},
	}
)

func (s *Site) showSystem(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	families, err := s.Metrics.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	health := s.Health()
	data := systemPage{Health: health, Broker: figures(families, brokerMeasures), Streams: figures(families, streamMeasures)}
	return s.show(w, r, by, &page{template: "system", Title: "System", Section: "system", Data: data})
}

// figures reads the measures; what this process does not measure is left out.
func figures(families []*dto.MetricFamily, measures []measure) []figure {
	var list []figure
	for _, m := range measures {
		i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == m.metric })
		if i < 0 {
			continue
		}
		f := figure{Name: m.name, Note: m.note, Metric: m.metric}
		sum := 0.0
		parts := map[string]float64{}
		for _, metric := range families[i].GetMetric() {
			n := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			sum += n
			if len(m.by) > 0 {
				parts[labels(metric, m.by)] += n
			}
		}
		for name, n := range parts {
			if n != 0 {
				f.Parts = append(f.Parts, part{name, number(n)})
			}
		}
		slices.SortFunc(f.Parts, func(a, b part) int { return cmp.Compare(a.Name, b.Name) })
		f.Value, f.Bad = number(sum), m.loss && sum > 0
		list = append(list, f)
	}
	return list
}

func labels(metric *dto.Metric, names []string) string {
	var values []string
	for _, name := range names {
		for _, label := range metric.GetLabel() {
			if label.GetName() == name {
				values = append(values, label.GetValue())
			}
		}
	}
	return strings.Join(values, ", ")
}

// number is one as people read it, in groups of three digits.
func number(n float64) string {
	text := fmt.Sprintf("%.0f", math.Abs(n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}
