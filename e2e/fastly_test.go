package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin/fastlytest"
)

// Viewers of a Pushpin that signs with a shared secret and viewers of Fastly Fanout, which signs with its private key, see the same,
// also while Fastly's API hangs.
func TestViewersBehindFastlyFanoutSeeWhatThoseBehindPushpinSee(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Fastly: &fastlytest.Options{}})
	// More than a reply may hold, so that next links are followed.
	const backlog = 60
	for n := range backlog {
		say(t, hub, "pump/p1", fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", 4000)))
	}
	resumed := e2e.EventSourceOptions{Header: http.Header{"Last-Event-Id": {"iot_pump:0"}}}
	atFastly := watchWith(t, hub.Fastly.URL()+"/iot/stream/pump/", resumed)
	atPushpin := watchWith(t, hub.URL("/iot/stream/pump/"), resumed)
	shows := func(s *e2e.EventSource, n int) {
		t.Helper()
		var data struct{ N int }
		if err := json.Unmarshal(envelopeOf(t, s.Expect(t, "data")).Data, &data); err != nil || data.N != n {
			t.Fatalf("the stream shows %d, want %d: %v", data.N, n, err)
		}
	}
	for n := range backlog {
		shows(atFastly, n)
		shows(atPushpin, n)
	}

	// What was published of the backlog after the socket was opened comes before the events from here on.
	socket := e2e.Dial(t, hub.Fastly.URL()+"/ws/iot/pump/", nil)
	socket.Send(t, `{"action":"ping"}`)
	socketShows := func(n int) {
		t.Helper()
		var message struct{ Data struct{ N int } }
		for message.Data.N < n {
			socket.Next(t).JSON(t, &message)
		}
		if message.Data.N != n {
			t.Fatalf("the WebSocket shows %d, want %d", message.Data.N, n)
		}
	}

	n := backlog
	next := func() {
		t.Helper()
		say(t, hub, "pump/p1", fmt.Sprintf(`{"n":%d}`, n))
		n++
	}
	for range 5 {
		next()
		shows(atPushpin, n-1)
		shows(atFastly, n-1)
		socketShows(n - 1)
	}

	hub.Fastly.Hang()
	for range 5 {
		began := time.Now()
		next()
		shows(atPushpin, n-1)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the event took %v at Pushpin while Fastly hangs", took)
		}
	}
	if err := hub.Ready(); err != nil {
		t.Errorf("not ready while one of two proxies hangs: %v", err)
	}
	hub.Fastly.Recover()
	for missed := n - 5; missed < n; missed++ {
		shows(atFastly, missed)
		socketShows(missed)
	}
	if atFastly.Opens() != 1 || atPushpin.Opens() != 1 {
		t.Errorf("streams were opened %d and %d times", atFastly.Opens(), atPushpin.Opens())
	}

	for what, text := range map[string]string{
		"the log": hub.Log(), "readyz": e2e.Get(t, hub.OpsURL("/readyz")).Body, "metrics": e2e.Get(t, hub.OpsURL("/metrics")).Body,
		"config print": run(t, hub, "config", "print"),
	} {
		if strings.Contains(text, hub.Fastly.Token) {
			t.Errorf("%s shows the API token", what)
		}
	}
	for _, refused := range hub.Fastly.Refused() {
		if !strings.Contains(refused, "hint") && !strings.HasPrefix(refused, "413") {
			t.Errorf("Fastly has refused a request: %s", refused)
		}
	}
	hub.Stop(t)
}

func TestOnlyFastlysSignatureForTheServiceIsBelieved(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Fastly: &fastlytest.Options{}})
	service := "fastly:" + hub.Fastly.Service
	later := time.Now().Add(time.Hour)
	genuine := signBy(t, hub.Fastly.Key(), service, later)
	if answer := e2e.Request(t, "GET", hub.BackendURL("/events/?channel=room"), "", http.Header{"Grip-Sig": {genuine}}); answer.Header.Get("Grip-Hold") != "stream" {
		t.Errorf("Fastly's signature: %d %v", answer.Status, answer.Header)
	}

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(hub.Fastly.GripURL())
	if err != nil {
		t.Fatal(err)
	}
	for what, sig := range map[string]string{
		"that of another service":       signBy(t, hub.Fastly.Key(), "fastly:other", later),
		"that of no service":            signBy(t, hub.Fastly.Key(), "", later),
		"one that has expired":          signBy(t, hub.Fastly.Key(), service, time.Now().Add(-time.Minute)),
		"another key's":                 signBy(t, other, service, later),
		"the API token as a secret":     signSecret(t, hub.Fastly.Token, service, later),
		"the public key as a secret":    signSecret(t, parsed.Query().Get("verify-key"), service, later),
		"the other proxy's as Fastly's": signSecret(t, string(hub.Proxy.SigKey())+"x", "pushpin", later),
	} {
		expectNotProxied(t, hub, what, http.Header{"Grip-Sig": {sig}})
	}

	// The doctor goes the whole way, from the token to an event at the browser's address.
	told := e2e.Command{
		Args: []string{"doctor", "--config", hub.Config, "--proxy-url", hub.URL(""), "--proxy-url", hub.Fastly.URL()},
		Env:  []string{"SSL_CERT_FILE=" + hub.Fastly.CAFile()},
	}.Run(t)
	api := strings.TrimPrefix(hub.Fastly.APIURL(), "https://") + "/service/" + hub.Fastly.Service
	for _, line := range []string{"warn  proxy " + api + " control port: takes events and no hints", "ok    proxy " + api + " viewers", "ok    proxy " + api + " events"} {
		if !strings.Contains(told.Stdout, line) {
			t.Errorf("the doctor does not say %q:\n%s", line, told.Stdout)
		}
	}
	if strings.Contains(told.Stdout+told.Stderr, hub.Fastly.Token) {
		t.Error("the doctor shows the API token")
	}
	hub.Stop(t)
}

// signBy makes what Fastly sends as Grip-Sig.
func signBy(t *testing.T, key *ecdsa.PrivateKey, issuer string, expires time.Time) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := grip.ParseKey(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	return signAs(t, parsed, issuer, expires)
}

func signSecret(t *testing.T, secret, issuer string, expires time.Time) string {
	t.Helper()
	key, err := grip.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signAs(t, key, issuer, expires)
}

func signAs(t *testing.T, key grip.Key, issuer string, expires time.Time) string {
	t.Helper()
	sig, err := key.Sign(issuer, expires)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
