package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/store/pgtest"
)

// failing are the checks of readyz that fail, and their reasons.
func failing(t *testing.T, hub *e2e.Hub) map[string]string {
	t.Helper()
	answer := e2e.Get(t, hub.OpsURL("/readyz?verbose"))
	var body struct {
		Ready  bool
		Checks []struct {
			Name, Error string
			OK          bool
		}
	}
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil || len(body.Checks) != 3 {
		t.Fatalf("readyz?verbose answers %q", answer.Body)
	}
	reasons := make(map[string]string)
	for _, c := range body.Checks {
		if c.OK != (c.Error == "") {
			t.Errorf("the check %s is ok: %v, and says %q", c.Name, c.OK, c.Error)
		}
		if !c.OK {
			reasons[c.Name] = c.Error
		}
	}
	if body.Ready != (len(reasons) == 0) || (answer.Status == 200) != body.Ready {
		t.Errorf("readyz?verbose answers %d %s", answer.Status, answer.Body)
	}
	return reasons
}

// One after the other goes away what the hub depends on; readyz names just what is away.
func TestReadyzTellsWhy(t *testing.T) {
	t.Parallel()
	var postgres pgtest.Server
	t.Cleanup(postgres.Stop)
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	hub := e2e.StartServe(t, e2e.ServeOptions{Env: []string{"GRIPHUB_DATABASE=" + postgres.URL("postgres")}})
	away := []string{}
	for _, dependency := range []struct {
		check string
		stop  func()
	}{{"", func() {}}, {"proxies", func() {
		hub.Proxy.Kill()
		say(t, hub, "buoy/b", `{"n":1}`) // with nothing to send, a proxy is looked for every 15 s
	}}, {"mqtt", hub.Broker.Stop}, {"database", postgres.Stop}} {
		if dependency.stop(); dependency.check != "" {
			away = append(away, dependency.check)
		}
		slices.Sort(away)
		e2e.Eventually(t, fmt.Sprintf("the checks that fail are %q", away), func() bool {
			return slices.Equal(slices.Sorted(maps.Keys(failing(t, hub))), away)
		})
		text := e2e.Get(t, hub.OpsURL("/readyz")).Body
		for _, check := range []string{"proxies", "mqtt", "database"} {
			if strings.Contains("\n"+text, "\n"+check+": ") != slices.Contains(away, check) {
				t.Errorf("while %q are away it says %q", away, text)
			}
		}
	}
}
