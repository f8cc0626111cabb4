package e2e_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// behindNginx runs nginx with the site of deploy/nginx in front of the hub's proxy, and returns its address and a client
// that trusts its certificate.
func behindNginx(t *testing.T, hub *e2e.Hub) (address string, client *http.Client) {
	t.Helper()
	dir := t.TempDir()
	// The standard library has a certificate for 127.0.0.1.
	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	writePEM(t, filepath.Join(dir, "hub.pem"), "CERTIFICATE", trusted.Certificate().Raw)
	key, err := x509.MarshalPKCS8PrivateKey(trusted.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "hub.key"), "PRIVATE KEY", key)

	text, err := os.ReadFile("../deploy/nginx/griphub.conf")
	if err != nil {
		t.Fatal(err)
	}
	listen := e2e.FreeAddr(t)
	site := strings.NewReplacer(
		"127.0.0.1:7999;", strings.TrimPrefix(hub.URL(""), "http://")+";",
		"listen 443", "listen "+listen,
		"/etc/ssl/certs/hub.pem", filepath.Join(dir, "hub.pem"),
		"/etc/ssl/private/hub.key", filepath.Join(dir, "hub.key"),
	).Replace(string(text))
	var temporary strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary.WriteString("\t" + name + "_temp_path " + filepath.Join(dir, name) + ";\n")
	}
	conf := filepath.Join(dir, "nginx.conf")
	whole := "daemon off;\nmaster_process off;\npid " + filepath.Join(dir, "pid") + ";\nerror_log stderr;\nevents {}\nhttp {\n\taccess_log off;\n" +
		temporary.String() + site + "}\n"
	if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	e2e.StartProgram(t, exec.Command("nginx", "-c", conf, "-p", dir, "-e", "stderr"))

	client = trusted.Client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	address = "https://" + listen
	e2e.Eventually(t, "nginx answers by HTTP/2", func() bool {
		resp, err := client.Get(address + "/iot/poll/pump/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && resp.ProtoMajor == 2
	})
	return address, client
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStreamsSocketsAndPollsPassNginx(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	address, http2 := behindNginx(t, hub)
	tls := http2.Transport.(*http.Transport).TLSClientConfig.Clone()
	tls.NextProtos = []string{"http/1.1"}
	http1 := &http.Client{Transport: &http.Transport{TLSClientConfig: tls}}

	url := address + "/iot/stream/pump/"
	streams := []*e2e.EventSource{
		watchWith(t, url, e2e.EventSourceOptions{Client: http2}),
		watchWith(t, url, e2e.EventSourceOptions{Client: http1}),
	}
	socket := e2e.DialBy(t, http1, address+"/ws/iot/pump/", nil)
	socket.Send(t, `{"action":"ping"}`)
	sameJSON(t, "the answer to a ping", socket.Next(t).Data, `{"event":"pong"}`)
	poller := e2e.NewPoller(t).By(http2.Transport)
	waiting := poller.Start(t, address+"/iot/poll/pump/?wait=50&cursor="+poller.Poll(t, address+"/iot/poll/pump/").Cursor)

	// A single event comes at once, though the streams go on.
	say(t, hub, "pump/p1", `{"flow":1}`)
	for _, s := range streams {
		sameJSON(t, "the event behind nginx", string(envelopeOf(t, s.Expect(t, "data")).Data), `{"flow":1}`)
	}
	var message struct {
		Event string
	}
	if socket.Next(t).JSON(t, &message); message.Event != "data" {
		t.Errorf("the WebSocket brings %q", message.Event)
	}
	if answer := <-waiting; answer.Err != nil || len(answer.Events) != 1 {
		t.Errorf("the poll that waited brings %d events: %v", len(answer.Events), answer.Err)
	}
}
