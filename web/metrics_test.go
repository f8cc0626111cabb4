package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/griphub/griphub/web"
)

// measuredHub has its metrics in the registry.
func measuredHub(t *testing.T) (*hub, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	return openHub(t, func(o *web.Options) { o.Registerer = registry }), registry
}

// series are the label values of all series of the metric.
func series(t *testing.T, registry *prometheus.Registry, metric string) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			all = append(all, strings.Join(values, " "))
		}
	}
	return all
}

func TestRequestsAreCountedByRouteAndNeverByWhatClientsWrite(t *testing.T) {
	h, registry := measuredHub(t)
	before := series(t, registry, "griphub_http_requests_total")
	for i := range 50 {
		h.get(fmt.Sprintf("/events/room-%d/", i))
		h.get(fmt.Sprintf("/nowhere/%d?access_token=SECRET", i))
		h.do(h.request(fmt.Sprintf("M%d", i), "/events/", nil))
		h.get(fmt.Sprintf("/next/SECRET%d", i))
	}
	got := series(t, registry, "griphub_http_requests_total")
	want := []string{"200 GET /events/:channel", "200 GET /next/:ticket", "404 GET none", "405 other none"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the series are %q, and before any request %q", got, before)
	}
	if got := series(t, registry, "griphub_http_request_duration_seconds"); len(got) != len(want) {
		t.Errorf("the durations are %q", got)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP griphub_http_requests_in_flight Requests that are being answered now.
# TYPE griphub_http_requests_in_flight gauge
griphub_http_requests_in_flight 0
`), "griphub_http_requests_in_flight"); err != nil {
		t.Error(err)
	}
}

func TestWhatViewersMissedIsCounted(t *testing.T) {
	h, registry := measuredHub(t)
	v := h.view("/events/foo/")
	for range 3 {
		h.publish("1", "foo") // lost on its way to the proxy
	}
	h.get(v.in.next, "Grip-Last", "events-foo; last-id=0")   // the proxy found the gap
	h.get("/events/foo/", "Last-Event-ID", "foo:1")          // a viewer came back
	h.batch("/ws/events/?channel=foo&cursor=foo:2", opening) // by a WebSocket, too
	h.post("/ws/events/?channel=foo", frame("TEXT", `{"action":"ping","cursor":"foo:1"}`), "Content-Type", "application/websocket-events")
	h.trim()
	h.get("/events/foo/", "Last-Event-ID", "foo:1")
	h.get("/iot/poll/pump/?cursor=iot_pump:77", "X-User", "7")
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP griphub_events_replayed_total Events that replies brought from the log, by the kind of stream, to viewers who came back (resume) or had missed something while they watched (repair). One reply may serve many viewers.
# TYPE griphub_events_replayed_total counter
griphub_events_replayed_total{cause="repair",stream="device"} 0
griphub_events_replayed_total{cause="repair",stream="events"} 3
griphub_events_replayed_total{cause="repair",stream="realtime"} 0
griphub_events_replayed_total{cause="repair",stream="socket"} 2
griphub_events_replayed_total{cause="resume",stream="device"} 0
griphub_events_replayed_total{cause="resume",stream="events"} 2
griphub_events_replayed_total{cause="resume",stream="realtime"} 0
griphub_events_replayed_total{cause="resume",stream="socket"} 1
# HELP griphub_resets_total Replies that told viewers that what they missed is gone (stream-reset), by the kind of stream.
# TYPE griphub_resets_total counter
griphub_resets_total{stream="device"} 0
griphub_resets_total{stream="events"} 1
griphub_resets_total{stream="poll"} 1
griphub_resets_total{stream="realtime"} 0
griphub_resets_total{stream="socket"} 0
`), "griphub_events_replayed_total", "griphub_resets_total")
	if err != nil {
		t.Error(err)
	}
}

func TestAPanicIsCountedAsAFailure(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	h := openHub(t, func(o *web.Options) { o.Registerer, o.Authenticator = registry, panicking{"a bug"} })
	h.get("/events/foo/")
	if got := series(t, registry, "griphub_http_requests_total"); !slices.Contains(got, fmt.Sprintf("%d GET /events/:channel", http.StatusInternalServerError)) {
		t.Errorf("the series are %q", got)
	}
}
