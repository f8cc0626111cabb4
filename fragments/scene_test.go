package fragments_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/fragments"
)

// A scene is a directory of templates.
type scene struct {
	testing.TB
	dir string
	log *logged
	*fragments.Library
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// write writes templates: names and texts in turn.
func write(t testing.TB, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t testing.TB, files ...string) *scene {
	t.Helper()
	s := &scene{TB: t, dir: t.TempDir(), log: &logged{}}
	write(t, s.dir, files...)
	var err error
	if s.Library, err = fragments.Open(s.dir, fragments.Options{Logger: slog.New(slog.NewTextHandler(s.log, nil))}); err != nil {
		t.Fatal(err)
	}
	return s
}

var noon = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)

// event is one of a device on its two channels, as it comes from the log.
func event(t testing.TB, deviceType, id, name, data string) *channels.Event {
	t.Helper()
	d, err := devices.Broadcast(channels.DeviceRef{Type: deviceType, ID: id}, name, json.RawMessage(data), noon)
	if err != nil {
		t.Fatal(err)
	}
	return &channels.Event{Draft: d, ID: 9, Positions: []channels.Position{{Channel: d.Channels[0], Seq: 7}, {Channel: d.Channels[1], Seq: 3}}}
}

// sse is the event as the log's readers get it.
func (s *scene) sse(form channels.Form, e *channels.Event) string {
	return string(s.AppendSSE(nil, form, e, "id"))
}

func (s *scene) wantSSE(form channels.Form, e *channels.Event, want ...string) {
	s.Helper()
	if got := s.sse(form, e); got != strings.Join(want, "\n") {
		s.Errorf("as %s:\n%s\nwant:\n%s", form, got, strings.Join(want, "\n"))
	}
}
