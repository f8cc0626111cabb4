package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

// A wiretap is a connection on which a request is written byte for byte, and everything that comes back.
type wiretap struct {
	mu   sync.Mutex
	text strings.Builder
}

// tap sends the request to the proxy, and listens until the test ends.
func tap(t *testing.T, hub *e2e.Hub, request string) *wiretap {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(hub.URL(""), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	w, ended := &wiretap{}, make(chan struct{})
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadString('\n')
			w.mu.Lock()
			w.text.WriteString(line)
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return w
}

func (w *wiretap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// However a name is written on the wire, nobody reads what is another user's or the backend's.
func TestNamesInDisguiseOpenNothing(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth, Config: kickRules, NoBroker: true})
	seven := token(t, hub, "--user", "7", "--channel", "**", "--admin")
	eight := watchOwn(t, hub, token(t, hub, "--user", "8"))
	taps := make(map[string]*wiretap)
	for _, name := range []string{
		"@user/8", "%40user%2F8", "%40user%2f8", "%2540user%252F8", "@user%2F8", "%c1%80user%2f8", "%00@user%2F8", "x/../@user%2F8", "x%2f..%2f@user%2F8",
		"..%2F@user%2F8", "./@user%2F8", "//@user%2F8", "@system", "%40system", "@kicks", "%EF%BC%A0user%2F8", "foo,events-%2540user%252F8", "foo%0d%0aX:%20y",
		"foo%2Cevents-%2540user/8", "@user%2F8%20", "%09@user%2F8", "@user\\8",
	} {
		for _, path := range []string{"/events/" + name, "/events/" + name + "/", "/events/?channel=" + name, "/iot/stream/" + name + "/", "/realtime/sse/?user=8&channel=" + name} {
			request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nGrip-Channel: events-%%40user/8\r\nX-User-Id: 8\r\n\r\n", path, seven)
			taps[path] = tap(t, hub, request)
		}
	}
	e2e.Eventually(t, "every request is answered", func() bool {
		answered := 0
		for _, w := range taps {
			if strings.HasPrefix(w.String(), "HTTP/1.1 ") {
				answered++
			}
		}
		return answered > len(taps)*9/10 // the proxy may hang up on some, without a word
	})
	for range 3 {
		hub.Publish(t, "--user", "8", "--event", "t", `{"text":"the-secret-of-8"}`)
		hub.Publish(t, "--system", "--event", "t", `{"text":"the-secret-of-8"}`)
		kick(t, hub, "the-secret-of-8", "nowhere")
		if e := eight.Expect(t, "message"); !strings.Contains(e.Data, "the-secret-of-8") {
			t.Errorf("user 8 sees %s", e.Data)
		}
	}
	time.Sleep(1500 * time.Millisecond) // what a gap would bring
	for path, w := range taps {
		text := w.String()
		if strings.Contains(text, "the-secret-of-8") || strings.Contains(text, "Grip-") || strings.Contains(text, "/next/") || strings.Contains(text, "\r\nX: y") {
			t.Errorf("%s shows %s", path, text)
		}
	}
	hub.Stop(t)
}

func watchOwn(t *testing.T, hub *e2e.Hub, token string) *e2e.EventSource {
	t.Helper()
	s := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{Header: bearer(token)})
	s.Expect(t, "message") // connected
	return s
}

// What tells the proxy how to hold a connection never reaches the client, and the client cannot say it.
func TestTheProxysWordsStayBetweenItAndTheHub(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth, Config: kickRules, NoBroker: true})
	who := bearer(token(t, hub, "--user", "7", "--channel", "room/**"))
	forged := http.Header{
		"Authorization": who["Authorization"], "Grip-Sig": {"x"}, "Grip-Last": {"events-room/1; last-id=99"}, "Meta-Kicks": {"99"}, "Connection-Id": {"x"},
		"Set-Meta-Kicks": {"99"}, "Grip-Hold": {"stream"}, "Grip-Channel": {"events-hidden"},
	}
	stream := watchWith(t, eventsOf(hub, "room/1"), e2e.EventSourceOptions{Header: forged})
	conn, resp, err := websocket.Dial(t.Context(), hub.URL("/ws/events/?channel=room/1"), &websocket.DialOptions{HTTPHeader: forged})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	poll := e2e.Request(t, http.MethodGet, hub.URL("/iot/poll/pump/?wait=5"), "", forged)
	for what, header := range map[string]http.Header{"a stream": stream.Header(), "a WebSocket": resp.Header, "a poll": poll.Header} {
		for name := range header {
			if strings.HasPrefix(name, "Grip-") || strings.Contains(name, "Meta-") || name == "Keep-Alive-Interval" {
				t.Errorf("%s has the header %s: %s", what, name, header.Get(name))
			}
		}
	}
	// A kick ends them all the same, whatever the client says it knows.
	kick(t, hub, "7", "room/1")
	expectKicked(t, stream, "room/1")
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4403 {
		t.Errorf("the WebSocket ends with %v", err)
	}
	hub.Stop(t)
}
