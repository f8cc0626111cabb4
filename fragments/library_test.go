package fragments_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/fragments"
)

func TestAMistakeIsToldWithItsFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"an action that does not end":  {"pump/a.html", "one\n{{if .Data", "pump/a.html:2: unclosed action"},
		"a function that is not there": {"pump/a.html", "one\ntwo {{shout .ID}}", `pump/a.html:2: function "shout" not defined`},
		"a tag that does not end":      {"pump/a.html", "<p\n{{if .ID}}title=\"{{end}}>", "pump/a.html:2"},
		"a name no event can have":     {"pump/a b.html", "", "pump/a b.html: the name cannot be an event's"},
		"a name of the protocol":       {"pump/stream-reset.html", "", "pump/stream-reset.html: the name cannot be an event's"},
		"a shared part":                {"part.html", "{{", "part.html:1: unclosed action"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.file, c.text)
			_, err := fragments.Open(dir, fragments.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "templates: "+dir) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := fragments.Open(filepath.Join(t.TempDir(), "none"), fragments.Options{}); err == nil {
		t.Error("a directory that is not there is no error")
	}
}

func TestTemplatesShareParts(t *testing.T) {
	s := open(t, "unit.html", "<u>{{.}}</u>", "a_b/x.html", `{{template "unit.html" "°C"}}`)
	s.wantSSE(channels.FormHTML2, event(t, "a_b", "1", "data", `{}`), "event: x", "id: id", "data: <u>°C</u>", "", "")
}

func TestChangesAreTakenOverAndMistakesAreNot(t *testing.T) {
	s := open(t, "pump/a.html", "one")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx) }()
	e := event(t, "pump", "p1", "data", `{}`)
	await := func(what string, there func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !there(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not in time: %s; the log says %s", what, s.log)
			}
		}
	}
	write(t, s.dir, "pump/a.html", "two!")
	await("the change", func() bool { return strings.Contains(s.sse(channels.FormHTML2, e), "two!") })
	write(t, s.dir, "pump/a.html", "{{three")
	await("the mistake in the log", func() bool { return strings.Contains(s.log.String(), "pump/a.html:1") })
	if !strings.Contains(s.sse(channels.FormHTML2, e), "two!") {
		t.Error("what was there before the mistake is gone")
	}
	write(t, s.dir, "valve/a.html", "v", "pump/a.html", "three")
	await("a new type", func() bool { return s.HasType("valve") })
	if err := os.RemoveAll(filepath.Join(s.dir, "valve")); err != nil {
		t.Fatal(err)
	}
	await("a type that goes", func() bool { return !s.HasType("valve") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNoDirectoryMeansNoTemplates(t *testing.T) {
	l, err := fragments.Open("", fragments.Options{})
	if err != nil || l.Has("iot_pump") || l.HasType("pump") || len(l.AppendItems(nil, event(t, "pump", "1", "data", `{}`), "", anybody)) > 0 {
		t.Errorf("there is something in nothing, %v", err)
	}
}
