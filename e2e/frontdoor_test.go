package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// A frontDoor is a web server with TLS in front of a hub's proxy, run with the configuration that deploy has for it.
type frontDoor struct {
	*e2e.Hub
	t *testing.T
	// relay is between the web server and the proxy.
	relay   *e2e.Relay
	address string
	trust   *tls.Config
}

// doorFiles are what a front door is configured with.
type doorFiles struct {
	// dir is for whatever the web server writes.
	dir string
	// listen and pass are the addresses of the web server and of the proxy.
	listen, pass string
	cert, key    string
}

// behind runs the web server that start prepares in front of the hub.
func behind(t *testing.T, hub *e2e.Hub, start func(doorFiles) *exec.Cmd) *frontDoor {
	t.Helper()
	dir := t.TempDir()
	// The standard library has a certificate for 127.0.0.1.
	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	files := doorFiles{dir: dir, listen: e2e.FreeAddr(t), cert: filepath.Join(dir, "hub.pem"), key: filepath.Join(dir, "hub.key")}
	writePEM(t, files.cert, "CERTIFICATE", trusted.Certificate().Raw)
	key, err := x509.MarshalPKCS8PrivateKey(trusted.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, files.key, "PRIVATE KEY", key)
	d := &frontDoor{
		Hub: hub, t: t, relay: e2e.NewRelay(t, strings.TrimPrefix(hub.URL(""), "http://")), address: "https://" + files.listen,
		trust: trusted.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	files.pass = d.relay.Addr()
	e2e.StartProgram(t, start(files))

	client, _ := d.client("h2")
	e2e.Eventually(t, "the front door answers by HTTP/2", func() bool {
		resp, err := client.Get(d.address + "/iot/poll/pump/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && resp.ProtoMajor == 2
	})
	return d
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client makes requests by the protocol, h2 or http/1.1, and counts its connections.
func (d *frontDoor) client(protocol string) (client *http.Client, connections *atomic.Int64) {
	config := d.trust.Clone()
	config.NextProtos = []string{protocol}
	connections = new(atomic.Int64)
	dialer := &net.Dialer{}
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2",
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connections.Add(1)
			return dialer.DialContext(ctx, network, address)
		},
	}
	d.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, connections
}

// passes sees that everything that viewers do works through the front door, at once.
func (d *frontDoor) passes() {
	t := d.t
	http2, of2 := d.client("h2")
	http1, _ := d.client("http/1.1")
	url := d.address + "/iot/stream/pump/"
	streams := []*e2e.EventSource{
		watchWith(t, url, e2e.EventSourceOptions{Client: http2}),
		watchWith(t, url, e2e.EventSourceOptions{Client: http2}),
		watchWith(t, url, e2e.EventSourceOptions{Client: http1}),
	}
	socket := e2e.DialBy(t, http1, d.address+"/ws/iot/pump/", nil)
	socket.Send(t, `{"action":"ping"}`)
	sameJSON(t, "the answer to a ping", socket.Next(t).Data, `{"event":"pong"}`)
	poller := e2e.NewPoller(t).By(http2.Transport)
	waiting := poller.Start(t, d.address+"/iot/poll/pump/?wait=50&cursor="+poller.Poll(t, d.address+"/iot/poll/pump/").Cursor)

	// A single event comes at once, though the streams go on: nothing keeps it until more has come.
	for n := range 3 {
		say(t, d.Hub, "pump/p1", fmt.Sprintf(`{"flow":%d}`, n))
		for _, s := range streams {
			sameJSON(t, "the event", string(envelopeOf(t, s.Expect(t, "data")).Data), fmt.Sprintf(`{"flow":%d}`, n))
		}
		var message struct {
			Event string
		}
		if socket.Next(t).JSON(t, &message); message.Event != "data" {
			t.Errorf("the WebSocket brings %q", message.Event)
		}
	}
	if answer := <-waiting; answer.Err != nil || len(answer.Events) == 0 {
		t.Errorf("the poll that waited brings %d events: %v", len(answer.Events), answer.Err)
	}
	for _, s := range streams {
		if s.Opens() != 1 {
			t.Errorf("a stream was opened %d times", s.Opens())
		}
	}
	if n := of2.Load(); n != 1 {
		t.Errorf("two streams and two polls by HTTP/2 took %d connections", n)
	}
}

// keepsConnections sees that requests by HTTP/1.1 share a connection on both sides of the front door.
func (d *frontDoor) keepsConnections() {
	t := d.t
	client, connections := d.client("http/1.1")
	poller := e2e.NewPoller(t).By(client.Transport)
	before := d.relay.Connections()
	const requests = 20
	for range requests {
		poller.Poll(t, d.address+"/iot/poll/pump/")
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d requests took %d connections to the front door", requests, n)
	}
	if n := d.relay.Connections() - before; n > requests/2 {
		t.Errorf("%d requests took %d connections to the proxy", requests, n)
	}
}

// speaksOnlyNewTLS sees that what browsers no longer speak is refused.
func (d *frontDoor) speaksOnlyNewTLS() {
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := d.trust.Clone()
		config.MinVersion, config.MaxVersion = version, version
		conn, err := tls.Dial("tcp", strings.TrimPrefix(d.address, "https://"), config)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != want {
			d.t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// believesInSilence sees, at a front door that waits for 3 s, that keep-alives keep a stream, and that one without is cut, and comes
// back where it was.
func (d *frontDoor) believesInSilence() {
	t := d.t
	client, _ := d.client("h2")
	alive := watchWith(t, d.address+"/iot/stream/pump/", e2e.EventSourceOptions{Client: client}) // has keep-alives
	cut := watchWith(t, d.address+"/events/?channel=iot_pump", e2e.EventSourceOptions{Client: client, Stubborn: true})
	opened := time.Now()
	e2e.Eventually(t, "the silent stream is cut and opened again", func() bool { return cut.Opens() > 1 })
	if lived := time.Since(opened); lived < 2*time.Second {
		t.Errorf("the silent stream was cut after %v", lived)
	}
	say(t, d.Hub, "pump/p1", `{"flow":1}`)
	for _, s := range []*e2e.EventSource{alive, cut} {
		s.Find(t, "the event", func(e e2e.Event) bool { return e.Type == "data" })
	}
	if alive.Opens() != 1 {
		t.Errorf("the stream with keep-alives was opened %d times", alive.Opens())
	}
}

// silent is the configuration of a hub whose device streams have keep-alives within the 3 s of believesInSilence, and others not.
const silent = "stream: {device_keepalive: 1s, keepalive: 60s}\n"
