package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/cmd/griphub/doctor"
	"github.com/griphub/griphub/pushpin/pushpintest"
)

// scenePatience bounds each wait of a scene, generously.
const scenePatience = 40 * time.Second

// A sceneConfig is a configuration by its top-level keys, the values in YAML's flow style.
type sceneConfig map[string]string

// sound is a configuration that nothing is wrong with, but that nobody is at its addresses.
func sound(t *testing.T) sceneConfig {
	t.Helper()
	return sceneConfig{
		"listen":     freeAddress(t),
		"ops_listen": freeAddress(t),
		"database":   "sqlite:" + filepath.Join(t.TempDir(), "griphub.db"),
		"secret":     "d3b07384d113edec49eaa6238ad5ff00d3b07384",
		"auth":       "{mode: jwt, jwt: {secret: c157a79031e1c40f85931829bc5fc552c157a790}}",
		"grip":       `{urls: ["http://127.0.0.1:1?iss=pushpin&key=9d5ed678fe57bcca610140957afab571"]}`,
		"mqtt":       `{url: ""}`,
	}
}

// but returns the configuration with other values.
func (c sceneConfig) but(others sceneConfig) sceneConfig {
	changed := maps.Clone(c)
	maps.Copy(changed, others)
	return changed
}

// write puts the configuration into a file that its owner alone can read.
func (c sceneConfig) write(t *testing.T) (file string) {
	t.Helper()
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&text, "%s: %s\n", key, c[key])
	}
	file = filepath.Join(t.TempDir(), "griphub.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// freeAddress returns an address on which nobody listens. Its port is below those that the kernel gives to clients, and no
// other test is given it until this one ends, in whatever process.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, last, attempts = 12_000, 32_000, 200
	for range attempts {
		port := strconv.Itoa(first + rand.IntN(last-first))
		claim, err := net.Listen("unix", "@griphub-e2e-port-"+port)
		if err != nil {
			continue
		}
		t.Cleanup(func() { claim.Close() })
		address := net.JoinHostPort("127.0.0.1", port)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatalf("no free port in %d attempts", attempts)
	return ""
}

// A diagnosis is what the command printed.
type diagnosis struct {
	t        *testing.T
	findings []doctor.Finding
	code     int
}

// diagnose runs griphub doctor --json with the configuration.
func diagnose(t *testing.T, c sceneConfig, args ...string) diagnosis {
	t.Helper()
	return diagnoseFile(t, c.write(t), args...)
}

func diagnoseFile(t *testing.T, file string, args ...string) diagnosis {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scenePatience)
	defer cancel()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append([]string{"doctor", "--json", "--config", file}, args...))
	d := diagnosis{t: t}
	if err := root.ExecuteContext(ctx); err != nil {
		d.code = exitCode(err)
		if problems := (config.Problems{}); errors.As(err, &problems) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	for lines := json.NewDecoder(&out); lines.More(); {
		var f doctor.Finding
		if err := lines.Decode(&f); err != nil {
			t.Fatal(err)
		}
		d.findings = append(d.findings, f)
	}
	return d
}

func (d diagnosis) String() string {
	var text strings.Builder
	for _, f := range d.findings {
		fmt.Fprintln(&text, f)
	}
	return text.String()
}

// want checks that a finding of this kind names the cure, and returns it.
func (d diagnosis) want(v doctor.Verdict, check, cure string) doctor.Finding {
	d.t.Helper()
	for _, f := range d.findings {
		if f.Verdict == v && strings.Contains(f.Check, check) && strings.Contains(f.Cure, cure) {
			if v == doctor.Broken && d.code != exitOther {
				d.t.Errorf("exit code is %d, want %d", d.code, exitOther)
			}
			return f
		}
	}
	d.t.Errorf("no %s of %q with the cure %q in:\n%s", v, check, cure, d)
	return doctor.Finding{}
}

// A shown compares findings with docs/troubleshooting.md, which shows what the doctor says. It has pairs of what stands in the scene and what stands there.
type shown []string

var mosquittoConf = regexp.MustCompile(`\S+/mosquitto\.conf\b`)

// shows checks that the page has the finding as the doctor prints it.
func (p shown) shows(t *testing.T, f doctor.Finding) {
	t.Helper()
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	line := mosquittoConf.ReplaceAllString(strings.NewReplacer(p...).Replace(f.String()), "/etc/mosquitto/mosquitto.conf")
	if !strings.Contains(string(text), "\n"+line+"\n") {
		t.Errorf("docs/troubleshooting.md does not show\n%s", line)
	}
}

// wantNothingBroken checks that all is well, warnings apart.
func (d diagnosis) wantNothingBroken() {
	d.t.Helper()
	if d.code != 0 || len(d.findings) == 0 {
		d.t.Errorf("exit code is %d with %d findings", d.code, len(d.findings))
	}
	for _, f := range d.findings {
		if f.Verdict == doctor.Broken {
			d.t.Errorf("unexpected: %s", f)
		}
	}
}

// startProxy runs a Pushpin whose requests go to the address, where nobody needs to be.
func startProxy(t *testing.T, backend string) *pushpintest.Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", backend)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}}
	s.Start()
	defer s.Close()
	return pushpintest.Start(t, backend, pushpintest.Options{})
}

// quietGin is what main does before anything else.
var quietGin = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// serving runs griphub serve until the end of the test, or stop.
func serving(t *testing.T, file, ops string) (stop func()) {
	t.Helper()
	quietGin()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	root := newRoot()
	root.SetArgs([]string{"serve", "--config", file})
	go func() { ended <- root.ExecuteContext(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	for deadline := time.Now().Add(scenePatience); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + ops + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return stop
			}
		}
		if len(ended) > 0 || time.Now().After(deadline) {
			t.Fatal("serve is not ready")
		}
	}
}

// listen takes an address that was free a moment ago.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	for deadline := time.Now().Add(scenePatience); ; time.Sleep(20 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
