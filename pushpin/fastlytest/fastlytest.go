// Package fastlytest stands in for a service of Fastly Fanout in tests: a publish API that is as strict as Fastly documents its own, and
// behind it a real Pushpin, which is what Fastly runs, that signs with an EC key. It needs what pushpintest needs.
package fastlytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/griphub/griphub/pushpin/pushpintest"
)

// BodyLimit is the largest publish request that a Fanout takes. Fastly documents no limit; this one is lower than Pushpin's, so that
// a publisher is seen to go on with less.
const BodyLimit = 64 << 10

// Options change how strict a Fanout is. The zero value refuses everything that Fastly's reference of the publish API does not have.
type Options struct {
	// Hints has it take the actions of GRIP that the reference is silent about: hints, and closing.
	Hints bool
}

// A Fanout is a service of Fastly Fanout, as far as a backend and a browser see it.
type Fanout struct {
	// Service is its id, and Token the API token that may publish to it.
	Service, Token string

	t     testing.TB
	hints bool
	key   *ecdsa.PrivateKey
	proxy *pushpintest.Proxy
	api   *httptest.Server

	mu       sync.Mutex
	down     chan struct{} // closed by Recover; nil while it is up
	refused  []string
	requests []*http.Request
	taken    int
}

// Start runs a Fanout in front of backend, a host and port that must be served already.
func Start(t testing.TB, backend string, options Options) *Fanout {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fanout{Service: rand.Text(), Token: rand.Text(), t: t, hints: options.Hints, key: key}
	f.proxy = pushpintest.Start(t, backend, pushpintest.Options{
		SigKey:    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		SigIssuer: "fastly:" + f.Service,
	})
	f.api = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.api.EnableHTTP2 = true
	f.api.StartTLS()
	t.Cleanup(func() {
		f.Recover()
		f.api.Close()
	})
	return f
}

// URL is where browsers connect, without a trailing slash.
func (f *Fanout) URL() string { return f.proxy.URL() }

// GripURL is the GRIP_URL for a backend. api.fastly.com's would not need the last two parameters.
func (f *Fanout) GripURL() string {
	f.t.Helper()
	public, err := jose.JSONWebKey{Key: &f.key.PublicKey}.MarshalJSON()
	if err != nil {
		f.t.Fatal(err)
	}
	query := url.Values{"key": {f.Token}, "verify-iss": {"fastly:" + f.Service}, "verify-key": {string(public)}}
	return f.api.URL + "/service/" + f.Service + "?" + query.Encode()
}

// APIURL is the base of the publish API's addresses, as https://api.fastly.com.
func (f *Fanout) APIURL() string { return f.api.URL }

// Key is what the service signs with. Only Fastly has it.
func (f *Fanout) Key() *ecdsa.PrivateKey { return f.key }

// CAFile writes the certificate of the publish API into a file, as SSL_CERT_FILE names one.
func (f *Fanout) CAFile() string {
	f.t.Helper()
	name := filepath.Join(f.t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.api.Certificate().Raw})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return name
}

// Client trusts the certificate of the publish API.
func (f *Fanout) Client() *http.Client { return f.api.Client() }

// Hang has the publish API take requests and not answer them, as one that is in trouble, until Recover.
func (f *Fanout) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = make(chan struct{})
}

// Recover ends Hang.
func (f *Fanout) Recover() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		close(f.down)
		f.down = nil
	}
}

// Refused returns why requests were refused, in their order.
func (f *Fanout) Refused() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.refused)
}

// Requests returns all requests so far, without their bodies.
func (f *Fanout) Requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Taken counts the publish requests that were taken and had items.
func (f *Fanout) Taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken
}

func (f *Fanout) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	down := f.down
	f.mu.Unlock()
	if down != nil {
		select {
		case <-down:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if status, why := f.publish(r); why != "" {
		f.mu.Lock()
		f.refused = append(f.refused, fmt.Sprintf("%d %s", status, why))
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"msg": why})
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "Published\n")
}

// publish tells why the request is refused, or has Pushpin do what it asks for.
func (f *Fanout) publish(r *http.Request) (status int, why string) {
	token := r.Header.Get("Fastly-Key")
	if token == "" {
		token = r.Header.Get("Authorization")
		if len(token) > 7 && token[:7] == "Bearer " {
			token = token[7:]
		}
	}
	switch path := "/service/" + f.Service + "/publish/"; {
	case token != f.Token:
		return http.StatusUnauthorized, "Provided credentials are missing or invalid"
	case r.URL.Path != path:
		return http.StatusNotFound, "no such resource: " + r.URL.Path
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "method " + r.Method
	case r.Header.Get("Content-Type") != "application/json":
		return http.StatusUnsupportedMediaType, "content type " + r.Header.Get("Content-Type")
	case r.URL.RawQuery != "":
		return http.StatusBadRequest, "query " + r.URL.RawQuery
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, BodyLimit+1))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	if len(body) > BodyLimit {
		return http.StatusRequestEntityTooLarge, "too large"
	}
	n, err := f.check(body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	resp, err := http.Post(f.proxy.ControlURL()+"/publish/", "application/json", bytes.NewReader(body))
	if err != nil {
		return http.StatusServiceUnavailable, err.Error()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if n > 0 {
		f.mu.Lock()
		f.taken++
		f.mu.Unlock()
	}
	return 0, ""
}
