package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// Who reaches the backend's port past the proxy may write what it likes, as slowly as it likes. It is refused, cut off, or
// answered like anybody; and the hub goes on.
func TestTheBackendBearsHostileClients(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Config: "publish: {keys: [" + strings.Repeat("k", 32) + "]}\n"})
	for name, scene := range map[string]func(*testing.T, *e2e.Hub){
		"a header that never ends":       aSlowHeader,
		"headers that are too long":      longHeaders,
		"paths that lead elsewhere":      trickyPaths,
		"two lengths":                    twoLengths,
		"bodies that grow when unpacked": compressedBodies,
		"many who say nothing":           silentConnections,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene(t, hub)
			if err := hub.Ready(); err != nil {
				t.Errorf("the hub: %v", err)
			}
		})
	}
}

// raw writes to the backend byte for byte.
func raw(t *testing.T, hub *e2e.Hub, text string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(hub.BackendURL(""), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(e2e.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// responseOn is the status and the header of what comes back.
func responseOn(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func aSlowHeader(t *testing.T, hub *e2e.Hub) {
	conn := raw(t, hub, "GET /events/?channel=a HTTP/1.1\r\nHost: a\r\nX-Slow: ")
	start := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(conn, "x"); err != nil {
			break
		}
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it was let go on for %v", took)
	}
}

func longHeaders(t *testing.T, hub *e2e.Hub) {
	for name, text := range map[string]string{
		"one long header": "X-Long: " + strings.Repeat("x", 80<<10) + "\r\n",
		"many headers":    strings.Repeat("X-Many: x\r\n", 8<<10),
		"a long path":     "",
	} {
		path := "/events/"
		if text == "" {
			path += strings.Repeat("a", 80<<10)
		}
		if resp := responseOn(t, raw(t, hub, "GET "+path+" HTTP/1.1\r\nHost: a\r\n"+text+"\r\n")); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func trickyPaths(t *testing.T, hub *e2e.Hub) {
	for _, path := range []string{
		"/../../../../etc/passwd", "/assets/../../../../etc/passwd", "/assets/..%2f..%2f..%2fetc%2fpasswd", "/assets/%2e%2e/%2e%2e/etc/passwd",
		"/assets/htmx.org@2.0.0/..%5c..%5cetc%5cpasswd", "/admin/..;/metrics", "/metrics", "/debug/pprof/", "//evil.example/", "/%2f%2fevil.example/",
		"http://evil.example/metrics", "/static/%00", "/events/%00/", "/griphub.js/../../etc/passwd", "*",
	} {
		resp := responseOn(t, raw(t, hub, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
		if resp.StatusCode < 400 {
			t.Errorf("%s: %s, to %q", path, resp.Status, resp.Header.Get("Location"))
		}
	}
}

func twoLengths(t *testing.T, hub *e2e.Hub) {
	for name, headers := range map[string]string{
		"two that differ":             "Content-Length: 4\r\nContent-Length: 30\r\n",
		"a length that is no number":  "Content-Length: 0x10\r\n",
		"an encoding that is unknown": "Transfer-Encoding: chunked, identity\r\n",
	} {
		resp := responseOn(t, raw(t, hub, "POST /api/publish HTTP/1.1\r\nHost: a\r\n"+headers+"\r\n[]\r\n"))
		if resp.StatusCode < 400 || !resp.Close {
			t.Errorf("%s: %s, and the connection stays open: %t", name, resp.Status, !resp.Close)
		}
	}
}

func compressedBodies(t *testing.T, hub *e2e.Hub) {
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	if _, err := packed.Write(bytes.Repeat([]byte(" "), 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/publish", "/api/kick", "/api/devices", "/api/devices/import", "/api/devices/a/b/commands", "/ws/events/?channel=a"} {
		got := e2e.Request(t, http.MethodPost, hub.BackendURL(path), bomb.String(), http.Header{
			"Content-Encoding": {"gzip"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + strings.Repeat("k", 32)},
		})
		if got.Status < 400 || got.Status >= 500 && got.Status != http.StatusNotImplemented {
			t.Errorf("%s: %d %.200s", path, got.Status, got.Body)
		}
	}
	if got := e2e.Request(t, http.MethodPost, hub.BackendURL("/api/publish"), bomb.String(), http.Header{
		"Content-Encoding": {"gzip"}, "Authorization": {"Bearer " + strings.Repeat("k", 32)},
	}); got.Status != http.StatusUnsupportedMediaType {
		t.Errorf("publishing: %d %.200s", got.Status, got.Body)
	}
}

func silentConnections(t *testing.T, hub *e2e.Hub) {
	const many = 500
	for range many {
		raw(t, hub, "")
	}
	if got := e2e.Get(t, hub.BackendURL("/api/channels/a/events")); got.Status != http.StatusOK {
		t.Errorf("somebody else is answered by %d", got.Status)
	}
	// One that says nothing is not kept.
	conn := raw(t, hub, "")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("whoever asks for nothing is not let go: %v", err)
	}
}
