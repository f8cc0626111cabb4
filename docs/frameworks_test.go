package docs

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// The programs of frameworks.md, to the letter, each as the application of the same hub.
func TestApplicationsInEveryLanguageSayWhoReadsAndPublish(t *testing.T) {
	t.Parallel()
	address := e2e.FreeAddr(t)
	hub := e2e.StartServe(t, e2e.ServeOptions{
		NoBroker: true,
		Auth:     fmt.Sprintf("  mode: forward\n  forward: {url: \"http://%s/griphub/auth\", ttl: 0s}\n", address),
		Config:   "publish: {keys: [" + sceneKey + "]}\nchannels:\n  - {match: \"room-*\", read: token}\n",
	})
	for name, start := range map[string][]string{
		"app.py":  {"/usr/bin/python3", "app.py"},
		"app.mjs": {"node", "app.mjs"},
		"app.php": {"php", "-S", address, "app.php"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(namedFile(t, "frameworks.md", name)), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(start[0], start[1:]...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GRIPHUB_URL="+hub.URL(""), "GRIPHUB_KEY="+sceneKey, "PORT="+port(address))
			e2e.StartProgram(t, cmd)
			v := newVisitor(t, hub.URL(""), "http://"+address)
			v.awaitApplication()
			v.want(http.StatusUnauthorized, v.read())
			v.get(v.app + "/login?user=7")
			v.want(http.StatusOK, v.read())
			said := "hello from " + name
			v.want(http.StatusOK, v.take(v.client.PostForm(v.app+"/say", url.Values{"text": {said}})))
			if history := v.read(); !strings.Contains(history.Body, said) {
				t.Errorf("the history has no %q: %s", said, history.Body)
			}
		})
	}
}

// A visitor is a browser at the hub and the application, which are one host to it: cookies know no ports.
type visitor struct {
	*testing.T
	client   *http.Client
	hub, app string
}

func newVisitor(t *testing.T, hub, app string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{Jar: jar, Timeout: e2e.Patience}, hub, app}
}

func (v *visitor) awaitApplication() {
	v.Helper()
	e2e.Eventually(v.T, "the application answers", func() bool {
		resp, err := v.client.Get(v.app + "/griphub/auth")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusUnauthorized
	})
}

func (v *visitor) get(address string) e2e.Answer {
	v.Helper()
	return v.take(v.client.Get(address))
}

// take reads an answer to its end.
func (v *visitor) take(resp *http.Response, err error) e2e.Answer {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	return e2e.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// read reads the history of the room, which is for those whom the application lets in.
func (v *visitor) read() e2e.Answer {
	v.Helper()
	return v.get(v.hub + "/api/channels/room-1/events")
}

func (v *visitor) want(status int, got e2e.Answer) {
	v.Helper()
	if got.Status != status {
		v.Errorf("answered by %d, want %d: %s", got.Status, status, got.Body)
	}
}
