package e2e_test

import (
	"html"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestDevShowsItsFleetOnTheDashboard(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Fleet: 6})

	var page string
	e2e.Eventually(t, "the dashboard shows six devices", func() bool {
		answer := e2e.Get(t, hub.URL("/"))
		page = answer.Body
		return answer.Status == 200 && strings.Count(page, "data-device=") == 6
	})
	link := regexp.MustCompile(`data-streams="\[&#34;([^"]+)&#34;\]"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("the dashboard names no stream:\n%s", page)
	}
	live := watch(t, hub.URL(strings.ReplaceAll(html.UnescapeString(link[1]), `\u0026`, "&")))
	for range 5 {
		live.Find(t, "data of the fleet", func(e e2e.Event) bool { return e.Type == "data" })
	}
	assets := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(assets) < 2 {
		t.Errorf("the dashboard has no script and style:\n%s", page)
	}
	for _, asset := range assets {
		if answer := e2e.Get(t, hub.URL(asset[1])); answer.Status != 200 || answer.Body == "" {
			t.Errorf("GET %s: status %d with %d bytes", asset[1], answer.Status, len(answer.Body))
		}
	}
	e2e.Eventually(t, "dev tells where the dashboard is", func() bool { return strings.Contains(hub.Log(), hub.URL("/")) })
	hub.Stop(t)
}

func TestDevLeavesNothingBehindHoweverItStops(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Fleet: 2})
	viewer := watchStubbornly(t, hub.URL("/events/?channel=room"))
	e2e.Dial(t, hub.URL("/ws/events/?channel=room"), nil)
	hub.Publish(t, "room", `{"n":1}`)
	viewer.Expect(t, "message")

	hub.Interrupt(t)
	hub.Restart(t)
	hub.Publish(t, "room", `{"n":2}`)
	viewer.Find(t, "what came after Ctrl-C", func(e e2e.Event) bool { return e.Data == `{"n":2}` })
	hub.Kill(t)
	hub.Restart(t)
	hub.Publish(t, "room", `{"n":3}`)
	viewer.Find(t, "what came after kill -9", func(e e2e.Event) bool { return e.Data == `{"n":3}` })
	hub.Stop(t)

	// In the middle of starting.
	hub.Start(t)
	e2e.Eventually(t, "the first child runs", func() bool { return len(hub.Children(t)) > 0 })
	hub.Stop(t)
	hub.Start(t)
	e2e.Eventually(t, "the first child runs", func() bool { return len(hub.Children(t)) > 0 })
	hub.Kill(t)

	viewer.Close()
	e2e.RecordStream(viewer.Events()).Check(t, hub)
}

func TestDevTellsInOneLineWhyItCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, busy, _ := net.SplitHostPort(taken.Addr().String())
	noDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(noDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// What a machine without Pushpin has: nothing that dev could find.
	bare := "PATH=" + t.TempDir()

	for name, c := range map[string]struct {
		args, env []string
		words     []string
	}{
		"the public port is in use":      {[]string{"--port", busy}, nil, []string{busy, "--port"}},
		"the backend port is in use":     {[]string{"--backend-port", busy}, nil, []string{busy, "--backend-port"}},
		"the control port is in use":     {[]string{"--control-port", busy}, nil, []string{busy, "--control-port"}},
		"the MQTT port is in use":        {[]string{"--mqtt-port", busy}, nil, []string{busy, "--mqtt-port"}},
		"the ops port is in use":         {[]string{"--ops-port", busy}, nil, []string{busy, "--ops-port"}},
		"Pushpin is missing":             {nil, []string{bare}, []string{"apt-get install pushpin"}},
		"the data directory is a file":   {[]string{"--data", noDir}, nil, []string{noDir, "--data"}},
		"the data directory is below it": {[]string{"--data", filepath.Join(noDir, "data")}, nil, []string{noDir, "--data"}},
		// Not even root can write there.
		"the data directory is not writable": {[]string{"--data", "/proc/self/fdinfo"}, nil, []string{"/proc/self/fdinfo", "--data"}},
		"the configuration is missing":       {[]string{"--config", noDir + ".yaml"}, nil, []string{noDir + ".yaml"}},
		"a flag is unknown":                  {[]string{"--fleets", "3"}, nil, []string{"--fleets"}},
		"an argument is too much":            {[]string{"now"}, nil, []string{"now"}},
		"the port is no port":                {[]string{"--port", "70000"}, nil, []string{"70000"}},
		"the fleet is negative":              {[]string{"--fleet", "-1"}, nil, []string{"--fleet"}},
	} {
		t.Run(name, func(t *testing.T) {
			hub := e2e.NewDev(t, e2e.DevOptions{Args: c.args, Env: c.env})
			result := hub.Command().Run(t)
			if result.Code <= 0 {
				t.Errorf("exit code %d", result.Code)
			}
			if lines := strings.Count(strings.TrimSuffix(result.Stderr, "\n"), "\n") + 1; lines != 1 || result.Stderr == "" {
				t.Errorf("%d lines on standard error:\n%s", lines, result.Stderr)
			}
			for _, word := range c.words {
				if !strings.Contains(result.Stderr, word) {
					t.Errorf("standard error does not say %q: %s", word, result.Stderr)
				}
			}
			if left := e2e.Leftovers(t, hub.Dir); len(left) > 0 {
				t.Errorf("left processes: %v", left)
			}
		})
	}
}

func TestDevBringsBackAPartThatDies(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	viewer := watchStubbornly(t, hub.URL("/events/?channel=room"))
	for _, part := range []string{"condure", "pushpin-handler", "pushpin-proxy", "zurl"} {
		hub.KillChild(t, part)
		// Stored in any case, and shown once the part is back.
		during := `{"during":"` + part + `"}`
		if result := hub.Run(t, "publish", "room", during); result.Code != 0 && result.Code != 3 {
			t.Errorf("publish without %s: exit code %d: %s", part, result.Code, result.Stderr)
		}
		viewer.Find(t, during, func(e e2e.Event) bool { return e.Data == during })
		hub.AwaitReady(t)
		after := `{"after":"` + part + `"}`
		hub.Publish(t, "room", after)
		viewer.Find(t, after, func(e e2e.Event) bool { return e.Data == after })

		fresh := watch(t, hub.URL("/events/?channel=room"))
		hub.Publish(t, "room", `{"fresh":true}`)
		fresh.Expect(t, "message")
		fresh.Close()
		viewer.Find(t, "the same", func(e e2e.Event) bool { return e.Data == `{"fresh":true}` })
	}
	hub.Stop(t)
	e2e.RecordStream(viewer.Events()).Check(t, hub)
}
