package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
)

// A Prometheus is a real one that scrapes and judges every second.
type Prometheus struct{ url string }

// StartPrometheus runs Prometheus with a target, as the job griphub, and a file of rules, until the end of the test.
func StartPrometheus(t testing.TB, target, rules string) *Prometheus {
	t.Helper()
	dir, address := t.TempDir(), FreeAddr(t)
	config := `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [` + rules + `]
scrape_configs: [{job_name: griphub, static_configs: [{targets: ["` + target + `"]}]}]
`
	StartProgram(t, exec.Command("prometheus",
		"--config.file="+writeFile(t, filepath.Join(dir, "prometheus.yml"), config), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--enable-feature=exemplar-storage"))
	p := &Prometheus{url: "http://" + address}
	Eventually(t, "Prometheus is ready", func() bool {
		answer, err := request(http.MethodGet, p.url+"/-/ready", "", nil)
		return err == nil && answer.Status == http.StatusOK
	})
	return p
}

// ask decodes the data of an answer of Prometheus's API, and returns its error.
func (p *Prometheus) ask(t testing.TB, path string, query url.Values, data any) (failure string) {
	t.Helper()
	answer := Get(t, p.url+path+"?"+query.Encode())
	var body struct {
		Data  json.RawMessage
		Error string
	}
	err := json.Unmarshal([]byte(answer.Body), &body)
	if err == nil && body.Error == "" {
		err = json.Unmarshal(body.Data, data)
	}
	if err != nil {
		t.Fatalf("Prometheus answers %s with %d %.300s: %v", path, answer.Status, answer.Body, err)
	}
	return body.Error
}

// Query counts the series that an expression yields now; failure is why it cannot be evaluated.
func (p *Prometheus) Query(t testing.TB, expression string) (series int, failure string) {
	t.Helper()
	var data struct{ Result []json.RawMessage }
	failure = p.ask(t, "/api/v1/query", url.Values{"query": {expression}}, &data)
	return len(data.Result), failure
}

// Firing are the severities of the alerts that fire, by the alerts' names.
func (p *Prometheus) Firing(t testing.TB) map[string]string {
	t.Helper()
	var data struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if failure := p.ask(t, "/api/v1/alerts", nil, &data); failure != "" {
		t.Fatal(failure)
	}
	firing := make(map[string]string)
	for _, a := range data.Alerts {
		if a.State == "firing" {
			firing[a.Labels["alertname"]] = a.Labels["severity"]
		}
	}
	return firing
}

// Exemplars are the labels of the exemplars of the series that a selector selects.
func (p *Prometheus) Exemplars(t testing.TB, selector string) (labels []map[string]string) {
	t.Helper()
	var data []struct {
		Exemplars []struct{ Labels map[string]string }
	}
	if failure := p.ask(t, "/api/v1/query_exemplars", url.Values{"query": {selector}, "start": {"0"}, "end": {"9999999999"}}, &data); failure != "" {
		t.Fatal(failure)
	}
	for _, series := range data {
		for _, e := range series.Exemplars {
			labels = append(labels, e.Labels)
		}
	}
	return labels
}
