package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// behindNginx runs nginx with the site of deploy/nginx in front of the hub's proxy. replace are further pairs of texts in it.
func behindNginx(t *testing.T, hub *e2e.Hub, replace ...string) *frontDoor {
	t.Helper()
	text, err := os.ReadFile("../deploy/nginx/griphub.conf")
	if err != nil {
		t.Fatal(err)
	}
	return behind(t, hub, func(f doorFiles) *exec.Cmd {
		site := strings.NewReplacer(append(replace,
			"127.0.0.1:7999;", f.pass+";",
			"listen 443", "listen "+f.listen,
			"/etc/ssl/certs/hub.pem", f.cert,
			"/etc/ssl/private/hub.key", f.key,
		)...).Replace(string(text))
		var temporary strings.Builder
		for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temporary.WriteString("\t" + name + "_temp_path " + filepath.Join(f.dir, name) + ";\n")
		}
		conf := filepath.Join(f.dir, "nginx.conf")
		whole := "daemon off;\nmaster_process off;\npid " + filepath.Join(f.dir, "pid") + ";\nerror_log stderr;\nevents {}\nhttp {\n\taccess_log off;\n" +
			temporary.String() + site + "}\n"
		if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command("nginx", "-c", conf, "-p", f.dir, "-e", "stderr")
	})
}

func TestStreamsSocketsAndPollsPassNginx(t *testing.T) {
	t.Parallel()
	// The site alone keeps nginx from buffering, without what griphub says of it.
	d := behindNginx(t, e2e.StartDev(t, e2e.DevOptions{}), "proxy_buffering off;", "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;")
	d.passes()
	d.keepsConnections()
	d.speaksOnlyNewTLS()
}

func TestNginxBelievesInKeepAlives(t *testing.T) {
	t.Parallel()
	// Here griphub alone keeps it from that, with X-Accel-Buffering.
	behindNginx(t, e2e.StartDev(t, e2e.DevOptions{Config: silent}), "proxy_read_timeout 90s", "proxy_read_timeout 3s",
		"proxy_buffering off", "proxy_buffering on").believesInSilence()
}
