package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// A line is one of the log in JSON.
type line struct {
	Level, Msg, Of, Request string
	Lines, Status           int
}

// linesOf are the lines of the hub's log.
func linesOf(t *testing.T, hub *e2e.Hub) (lines []line) {
	t.Helper()
	for text := range strings.Lines(hub.Log()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("the line %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// Whoever asks for ever fills no disk: the log has the first requests of a flood, and how many there were.
func TestAFloodOfRequestsDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Config: "log: {access: true, format: json}\n"})
	const flood = 2000
	for i := range flood {
		answer := e2e.Request(t, http.MethodGet, hub.BackendURL(fmt.Sprintf("/SECRET%d?access_token=SECRET", i)), "", http.Header{"X-Request-Id": {fmt.Sprint("r-", i)}})
		if got := answer.Header.Get("X-Request-Id"); got != fmt.Sprint("r-", i) {
			t.Fatalf("the request %d is answered with the id %q", i, got)
		}
	}
	hub.Stop(t)
	if strings.Contains(hub.Log(), "SECRET") {
		t.Error("the log shows paths")
	}
	shown, left := 0, 0
	for _, l := range linesOf(t, hub) {
		switch {
		case l.Msg == "GET none" && l.Status == 404:
			if l.Request == "" {
				t.Errorf("a line has no request: %v", l)
			}
			shown++
		case l.Msg == "more lines were not logged" && l.Of == "GET none":
			left += l.Lines
		}
	}
	// A slow machine takes several times ten seconds.
	if shown+left != flood || shown > flood/10 {
		t.Errorf("of %d requests %d are shown and %d counted", flood, shown, left)
	}
}

func TestTheLogHasALevel(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Env: []string{"GRIPHUB_LOG_LEVEL=error"}})
	if log := hub.Log(); log != "" {
		t.Errorf("at the level error it says %q", log)
	}
	hub.Stop(t)
	verbose := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Env: []string{"GRIPHUB_LOG_LEVEL=error"}, Args: []string{"--verbose"}})
	e2e.Get(t, verbose.BackendURL("/nowhere"))
	e2e.Eventually(t, "--verbose goes before it", func() bool { return strings.Contains(verbose.Log(), `level=DEBUG msg="GET none" status=404`) })
	verbose.Stop(t)
}
