package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// behindCaddy runs Caddy with the site of deploy/caddy in front of the hub's proxy. replace are further pairs of texts in it.
func behindCaddy(t *testing.T, hub *e2e.Hub, replace ...string) *frontDoor {
	t.Helper()
	text, err := os.ReadFile("../deploy/caddy/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	return behind(t, hub, func(f doorFiles) *exec.Cmd {
		// Certificates are given, and there is one Caddy for each test.
		site := strings.NewReplacer(append(replace,
			"grace_period 5s", "grace_period 1s\n\tadmin off\n\tauto_https off\n\tstorage file_system "+f.dir,
			"127.0.0.1:7999 {", f.pass+" {",
			"hub.example {", "https://"+f.listen+" {\n\ttls "+f.cert+" "+f.key+"\n",
		)...).Replace(string(text))
		file := filepath.Join(f.dir, "Caddyfile")
		if err := os.WriteFile(file, []byte(site), 0o600); err != nil {
			t.Fatal(err)
		}
		caddy := exec.Command("caddy", "run", "--config", file, "--adapter", "caddyfile")
		caddy.Env = append(os.Environ(), "XDG_DATA_HOME="+f.dir, "XDG_CONFIG_HOME="+f.dir)
		return caddy
	})
}

func TestStreamsSocketsAndPollsPassCaddy(t *testing.T) {
	t.Parallel()
	d := behindCaddy(t, e2e.StartDev(t, e2e.DevOptions{}))
	d.passes()
	d.keepsConnections()
	d.speaksOnlyNewTLS()
}

func TestCaddyBelievesInKeepAlives(t *testing.T) {
	t.Parallel()
	behindCaddy(t, e2e.StartDev(t, e2e.DevOptions{Config: silent}), "read_timeout 90s", "read_timeout 3s").believesInSilence()
}
