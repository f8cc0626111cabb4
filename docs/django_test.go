package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// runDjango gives the code a Django that knows the hub, and calls something of it.
const runDjango = `
import sys
from django.conf import settings
settings.configure(GRIPHUB_URL=sys.argv[1], GRIPHUB_KEY=sys.argv[2], USE_TZ=True)
exec(open(sys.argv[3]).read())
exec(sys.argv[4])
`

// What the how-tos give to a Django application publishes, and publishes once where it is called twice.
func TestTheDjangoCodeOfTheHowTosPublishes(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Config: "publish: {keys: [" + sceneKey + "]}\n"})
	for name, scene := range map[string]struct{ begins, call, channel string }{
		"migrating.md": {"import json\n", `print(send_event("rooms", "note", {"n": 1}, key="k", skip_users=["7"]))`, "rooms"},
		"cron.md":      {"# management/commands/", `Command().handle()`, "reports"},
	} {
		t.Run(name, func(t *testing.T) {
			code := ""
			for _, b := range documents(t)[name].blocks {
				if b.language == "python" && strings.HasPrefix(b.text, scene.begins) {
					code = b.text
				}
			}
			file := filepath.Join(t.TempDir(), "code.py")
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if out, err := exec.Command("/usr/bin/python3", "-c", runDjango, hub.URL(""), sceneKey, file, scene.call).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if history := e2e.Get(t, hub.URL("/api/channels/"+scene.channel+"/events")); strings.Count(history.Body, `"event":`) != 1 {
				t.Errorf("the history is %s", history.Body)
			}
		})
	}
}
