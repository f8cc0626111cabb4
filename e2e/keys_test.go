package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// The commands are those of docs/publishing.md.
func TestAnApplicationPublishesWithAKeyThatOnlyItKnows(t *testing.T) {
	t.Parallel()
	made := e2e.Command{Args: []string{"token", "--key"}}.Run(t)
	lines := strings.Fields(made.Stdout)
	if made.Code != 0 || len(lines) != 2 || !strings.HasPrefix(lines[0], "griphub_") || !strings.HasPrefix(lines[1], "sha256:") {
		t.Fatalf("griphub token --key: %+v", made)
	}
	key, digest := lines[0], lines[1]
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Args: []string{"--verbose"}, Config: fmt.Sprintf(`publish:
  keys:
    - {name: shop, key: %q, channels: [room-*], rate: 1, burst: 3}
`, digest)})

	text, err := os.ReadFile("../docs/publishing.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile(`(?m)^    (curl .*)$`).FindSubmatch(text)
	if documented == nil {
		t.Fatal("docs/publishing.md has no command with curl")
	}
	publish := func() string {
		t.Helper()
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(string(documented[1]), "http://localhost:7999", hub.URL("")))
		cmd.Env = append(os.Environ(), "KEY="+key)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", documented[1], err)
		}
		return string(out)
	}
	for n := range 3 {
		if got, want := publish(), fmt.Sprintf(`{"events":[{"id":"%d","cursor":"room-1:%d"}]}`, n+1, n+1); got != want {
			t.Errorf("curl is answered by %s, want %s", got, want)
		}
	}
	if got := publish(); !strings.Contains(got, `"code":"rate-limited"`) {
		t.Errorf("who is too fast is told %s", got)
	}
	metrics := e2e.Get(t, hub.OpsURL("/metrics")).Body
	for _, want := range []string{`griphub_publish_events_total{publisher="shop"} 3`, `griphub_publish_refusals_total{code="rate-limited",publisher="shop"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if printed := hub.Run(t, "config", "print").Stdout; !strings.Contains(printed, "shop") || strings.Contains(printed, digest) {
		t.Errorf("the configuration is printed as %s", printed)
	}
	hub.Stop(t)
	if log := hub.Log(); strings.Contains(log, key) || !strings.Contains(log, "publisher=shop code=rate-limited") {
		t.Errorf("the log is %s", log)
	}
}
