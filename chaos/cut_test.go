package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

// A spoiler relays WebSockets, and does to each connection's third long message what Pushpin may do when one of its parts is
// killed in the middle of one: it cuts it, or joins its beginning and the next message. What came before the end of the
// connection is delivered.
type spoiler struct {
	target func(path string) string
	joins  bool
	// spoils counts down what is still to be spoiled.
	spoils atomic.Int32
}

// firstFrame is how much of a long message Pushpin sends first.
const firstFrame = 16_382

func (s *spoiler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = client.CloseNow() }()
	server, _, err := websocket.Dial(r.Context(), s.target(r.URL.RequestURI()), nil)
	if err != nil {
		return
	}
	defer func() { _ = server.CloseNow() }()
	server.SetReadLimit(4 << 20)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		defer cancel()
		for {
			kind, message, err := client.Read(ctx)
			if err != nil || server.Write(ctx, kind, message) != nil {
				return
			}
		}
	}()
	long := 0
	for {
		kind, message, err := server.Read(ctx)
		if err != nil {
			return
		}
		if len(message) > firstFrame {
			long++
		}
		if len(message) > firstFrame && long == 3 && s.spoils.Add(-1) >= 0 {
			message = message[:firstFrame]
			if s.joins {
				_, next, err := server.Read(ctx)
				if err != nil {
					return
				}
				message = append(message, next...)
			}
		}
		if client.Write(ctx, kind, message) != nil {
			return
		}
	}
}

// A WebSocket client that connects anew at its place, where it cannot read a message, misses nothing and sees nothing twice.
func TestAClientThatIsSentASpoiledMessageMissesNothing(t *testing.T) {
	const events, spoils = 40, 2
	s := newDev(t)
	e2e.Eventually(t, "the system is ready", func() bool { return s.ready() == nil })
	var lines strings.Builder
	for n := range events {
		fmt.Fprintf(&lines, `{"channel":"room-0","event":"data","data":{"key":"k-%d","text":%q}}`+"\n", n, strings.Repeat("x", 18_000+n))
	}
	publishLines(t, s.backends[0], lines.String())
	for name, joins := range map[string]bool{"cut": false, "joined": true} {
		t.Run(name, func(t *testing.T) {
			relay := &spoiler{target: s.balancer.url, joins: joins}
			relay.spoils.Store(spoils)
			server := httptest.NewServer(relay)
			defer server.Close()
			socket := openSocket(func(path string) string { return server.URL + path }, "/ws/events/?channel=room-0", map[string]int64{"room-0": 0}, "room-0")
			for deadline := time.Now().Add(answerPatience); ; time.Sleep(20 * time.Millisecond) {
				if at, _ := socket.place("room-0"); at == events {
					break
				}
				if time.Now().After(deadline) {
					break
				}
			}
			socket.close()
			seen := socket.result()
			if shown := seen.shown["room-0"]; len(shown) != events || seen.twice+seen.resets+len(seen.gaps) > 0 || len(seen.problems) > 0 {
				t.Errorf("%d events were shown, %d twice, %d resets, gaps %v: %v", len(shown), seen.twice, seen.resets, seen.gaps, seen.problems)
			}
			if relay.spoils.Load() > 0 || socket.connections() != spoils+1 {
				t.Errorf("%d messages are not spoiled, and the client has connected %d times", relay.spoils.Load(), socket.connections())
			}
		})
	}
}

// publishLines publishes JSON lines in one request.
func publishLines(t *testing.T, backend, lines string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, backend+"/api/publish", strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/jsonl")
	req.Header.Set("Authorization", "Bearer "+publishKey)
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("publishing is answered by %d: %.300s", resp.StatusCode, text)
	}
}
