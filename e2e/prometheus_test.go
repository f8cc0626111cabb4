package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/griphub/griphub/e2e"
)

const (
	alertRules = "../deploy/prometheus/rules.yml"
	alertTests = "../deploy/prometheus/rules_test.yml"
	dashboard  = "../deploy/grafana/griphub.json"
)

// A ruleFile is what tests look at in a file of rules, and of tests of rules.
type ruleFile struct {
	Groups []struct {
		Rules []struct{ Record, Alert, Expr string }
	}
	Tests []struct {
		Alerts []struct {
			Name   string `yaml:"alertname"`
			Expect []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func readRules(t *testing.T, name string) (file ruleFile) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

func TestEachAlertFiresWhenItHasToAndNotElse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "config", "../deploy/prometheus/prometheus.yml"}, {"check", "rules", "--lint-fatal", alertRules}, {"test", "rules", alertTests},
	} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	fires, quiet := make(map[string]bool), make(map[string]bool)
	for _, test := range readRules(t, alertTests).Tests {
		for _, a := range test.Alerts {
			if fires[a.Name] = fires[a.Name] || len(a.Expect) > 0; len(a.Expect) == 0 {
				quiet[a.Name] = true
			}
		}
	}
	for _, group := range readRules(t, alertRules).Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" && !(fires[rule.Alert] && quiet[rule.Alert]) {
				t.Errorf("the alert %s has a test in which it fires: %v; one in which it does not: %v", rule.Alert, fires[rule.Alert], quiet[rule.Alert])
			}
		}
	}
}

// A panel is a panel of the dashboard.
type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Panels []panel }
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d.Panels
}

func TestThePanelsOfTheDashboardHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	taken, ids := make(map[[2]int]string), make(map[int]bool)
	for _, p := range panels(t) {
		if ids[p.ID] {
			t.Errorf("the panel %s has the id of another", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("the panel %s lies on %q, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// expressions are those of rules and panels, by where they stand, as Prometheus reads them.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, group := range readRules(t, alertRules).Groups {
		for _, rule := range group.Rules {
			all["rule "+rule.Record+rule.Alert] = rule.Expr
		}
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", "griphub")
	for _, p := range panels(t) {
		for i, target := range p.Targets {
			all[fmt.Sprintf("panel %s %d", p.Title, i)] = variables.Replace(target.Expr)
		}
	}
	if len(all) < 60 {
		t.Fatalf("there are only %d expressions", len(all))
	}
	return all
}

// hastened is the file of rules with alerts that wait for a second only.
func hastened(t *testing.T) (file string) {
	t.Helper()
	text, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "rules.yml")
	text = regexp.MustCompile(`for: \d+m`).ReplaceAll(text, []byte("for: 1s"))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const sentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// A real Prometheus scrapes a real hub with traffic of all kinds: it knows every metric that rules and panels name, and it
// alarms when the proxy, the broker and the hub go away.
func TestPrometheusSeesItAll(t *testing.T) {
	t.Parallel()
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer application.Close()
	hub := e2e.StartServe(t, e2e.ServeOptions{Config: fmt.Sprintf(`
hooks:
  on_receive: {url: %q}
  subscribers: [{name: crm, channels: [orders], url: %[1]q}]
publish: {keys: [{name: shop, key: the-api-key}]}
`, application.URL)})
	prometheus := e2e.StartPrometheus(t, strings.TrimPrefix(hub.OpsURL(""), "http://"), hastened(t))
	stream := watch(t, hub.URL("/iot/stream/buoy/"))
	e2e.Dial(t, hub.URL("/ws/events/?channel=orders"), nil)
	id := trafficOfAllKinds(t, hub, stream)

	t.Run("every expression has what it asks for", func(t *testing.T) { wantMetrics(t, hub, prometheus) })
	t.Run("a slow event is named, with its trace", func(t *testing.T) {
		for _, lag := range []string{"griphub_event_store_lag_seconds_bucket", "griphub_event_publish_lag_seconds_bucket"} {
			e2e.Eventually(t, lag+" has the event's exemplar", func() bool {
				return slices.ContainsFunc(prometheus.Exemplars(t, lag), func(labels map[string]string) bool {
					return labels["event_id"] == id && labels["trace_id"] == sentTrace
				})
			})
		}
		e2e.Eventually(t, "the trace of a device is seen", func() bool {
			return slices.ContainsFunc(prometheus.Exemplars(t, `griphub_event_store_lag_seconds_bucket{source="mqtt"}`), func(labels map[string]string) bool {
				return labels["trace_id"] == sentTrace
			})
		})
		if shown := run(t, hub, "events", "show", id); !strings.Contains(shown, "orders") {
			t.Errorf("the exemplar's event is %s", shown)
		}
	})
	for alert, severity := range prometheus.Firing(t) {
		if severity == "page" { // a machine that tests share may well be slow
			t.Errorf("when all is well %s fires", alert)
		}
	}
	fires := func(alert string) {
		t.Helper()
		e2e.Eventually(t, alert+" fires", func() bool { return prometheus.Firing(t)[alert] != "" })
	}
	hub.Proxy.Kill()
	say(t, hub, "buoy/b", `{"n":2}`)
	fires("GriphubProxyDown")
	if firing := prometheus.Firing(t); firing["GriphubDown"]+firing["GriphubMQTTDisconnected"]+firing["GriphubProxyDropsItems"] != "" {
		t.Errorf("without the proxy these fire: %v", firing)
	}
	hub.Broker.Stop()
	fires("GriphubMQTTDisconnected")
	hub.Proxy.Restart()
	e2e.Eventually(t, "GriphubProxyDown ends", func() bool { return prometheus.Firing(t)["GriphubProxyDown"] == "" })
	hub.Stop(t)
	fires("GriphubDown")
}

// trafficOfAllKinds makes each of them once, and returns the id of an event that was sent with a trace. Of events that go out
// together one is the exemplar, so each is seen in the stream before the next.
func trafficOfAllKinds(t *testing.T, hub *e2e.Hub, stream *e2e.EventSource) (id string) {
	t.Helper()
	say(t, hub, "buoy/b", `{"n":1}`)
	stream.Expect(t, "data")
	traceparent := "00-" + sentTrace + "-00f067aa0ba902b7-01"
	e2e.MosquittoPub(t, hub.MQTT, "-V", "mqttv5", "-t", "things/buoy/b/data", "-m", `{"n":1}`, "-D", "publish", "user-property", "traceparent", traceparent)
	stream.Expect(t, "data")
	header := bearer("the-api-key")
	header.Set("Traceparent", traceparent)
	answer, stored := post(t, hub.URL("/api/publish"), `{"channel":"orders","data":1}`, header)
	if answer.Status != http.StatusOK {
		t.Fatalf("publishing is answered by %d %s", answer.Status, answer.Body)
	}
	e2e.Get(t, hub.URL("/iot/poll/buoy/"))
	e2e.Get(t, hub.URL("/nowhere"))
	return stored.Events[0].ID
}

// wantMetrics demands that every metric that expressions name is scraped, and that every expression can be evaluated and yields
// something: a panel's whole expression, and of a rule, which yields something when it is too late, each selector.
func wantMetrics(t *testing.T, hub *e2e.Hub, prometheus *e2e.Prometheus) {
	names := regexp.MustCompile(`\b(griphub|process|go)_[a-z0-9_]+`)
	selectors := regexp.MustCompile(`\b(griphub_[a-z0-9_]+|up|job:[a-z0-9_:]+|job_proxy:[a-z0-9_:]+)(\{[^}]*\}|\b)`)
	scraped := e2e.Get(t, hub.OpsURL("/metrics")).Body
	for place, expression := range expressions(t) {
		for _, name := range names.FindAllString(regexp.MustCompile(`job(_proxy)?:[a-z0-9_:]+`).ReplaceAllString(expression, ""), -1) {
			family := regexp.MustCompile(`_bucket$`).ReplaceAllString(name, "")
			if !strings.Contains(scraped, "\n# TYPE "+family+" ") {
				t.Errorf("%s: there is no metric %s", place, name)
			}
		}
		if _, failure := prometheus.Query(t, expression); failure != "" {
			t.Errorf("%s: %s: %s", place, expression, failure)
		}
		wanted := []string{expression}
		if strings.HasPrefix(place, "rule ") {
			wanted = selectors.FindAllString(expression, -1)
		}
		for _, e := range wanted {
			if strings.Contains(e, `code=~"5..`) {
				continue // nothing has failed
			}
			e2e.Eventually(t, fmt.Sprintf("%s: %s yields something", place, e), func() bool {
				series, _ := prometheus.Query(t, e)
				return series > 0
			})
		}
	}
}
