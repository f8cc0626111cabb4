package web_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/griphub/griphub/web"
)

// A lockedBuffer is a log that goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// An endpoint is somebody else's HTTP service whose answer tests change.
type endpoint struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Value // http.HandlerFunc
	logged lockedBuffer
}

func openEndpoint(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.answer.Store(answer)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		e.answer.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&e.logged, nil)) }

// status answers with nothing else.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// silence does not answer.
func silence(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func keySet(t *testing.T, keys ...any) http.HandlerFunc {
	t.Helper()
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text(string(body))
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicJWK(key crypto.Signer, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid}
}

// signed is user 7's token with the kid; empty for none.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, kid string) *http.Request {
	t.Helper()
	opts := &jose.SignerOptions{}
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{"sub": "7", "exp": hour.Add(1000 * time.Hour).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return bearer(token)
}

// verifier takes its keys from the endpoint.
func (e *endpoint) verifier(t *testing.T, algorithm jose.SignatureAlgorithm) (web.JWT, *clock) {
	t.Helper()
	now := &clock{now: hour}
	set, err := web.NewJWKS(web.JWKSOptions{
		URL: e.URL + "/jwks?key=SECRET", Algorithm: algorithm, Timeout: 5 * time.Second, Logger: e.logger(), Now: now.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return web.JWT{Algorithm: algorithm, JWKS: set, Now: now.Now}, now
}

// wantUser checks who the request's maker is; empty for a refusal.
func wantUser(t *testing.T, a web.Authenticator, r *http.Request, want string) {
	t.Helper()
	p, err := a.Authenticate(r)
	if p.User != want || (err == nil) != (want != "") {
		t.Errorf("want user %q: %+v, %v", want, p, err)
	}
}

func (e *endpoint) wantAsked(t *testing.T, want int32) {
	t.Helper()
	if n := e.asked.Load(); n != want {
		t.Errorf("asked %d times, want %d", n, want)
	}
}

func (e *endpoint) wantLogged(t *testing.T, lines int) {
	t.Helper()
	if n := strings.Count(e.logged.String(), "\n"); n != lines || strings.Contains(e.logged.String(), "SECRET") {
		t.Errorf("%d lines are logged, want %d:\n%s", n, lines, &e.logged)
	}
}

func TestPublishedKeysOfEachKindVerify(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: rsaKey, jose.ES256: ecKey(t), jose.EdDSA: edKey}
	// One set for all, with keys for other ends and of unknown kinds.
	set := []any{
		map[string]any{"kty": "quantum", "kid": "q"}, "nonsense", map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
	}
	for algorithm, key := range keys {
		set = append(set, publicJWK(key, string(algorithm)))
	}
	e := openEndpoint(t, keySet(t, set...))
	for algorithm, key := range keys {
		j, _ := e.verifier(t, algorithm)
		wantUser(t, j, signed(t, algorithm, key, string(algorithm)), "7")
		wantUser(t, j, signed(t, algorithm, key, ""), "7") // the only one that fits
		for other, key := range keys {
			if other != algorithm {
				wantUser(t, j, signed(t, other, key, string(other)), "")
			}
		}
	}
	e.wantAsked(t, 3)
	e.wantLogged(t, 0)
}

func TestPublishedKeysAreHeldToTheirEnd(t *testing.T) {
	key := ecKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*jose.JSONWebKey)) jose.JSONWebKey {
		k := publicJWK(key, "a")
		change(&k)
		return k
	}
	plain, err := json.Marshal(publicJWK(key, "a"))
	if err != nil {
		t.Fatal(err)
	}
	wrapping := json.RawMessage(strings.Replace(string(plain), "{", `{"key_ops":["sign"],`, 1))
	for what, k := range map[string]any{
		"encryption":        with(func(k *jose.JSONWebKey) { k.Use = "enc" }),
		"another algorithm": with(func(k *jose.JSONWebKey) { k.Algorithm = "ES384" }),
		"a private key":     with(func(k *jose.JSONWebKey) { k.Key = key }),
		"signing":           wrapping,
	} {
		j, _ := openEndpoint(t, keySet(t, k)).verifier(t, jose.ES256)
		if p, err := j.Authenticate(signed(t, jose.ES256, key, "a")); err == nil {
			t.Errorf("a key for %s verifies: %+v", what, p)
		}
	}
	j, _ := openEndpoint(t, keySet(t, publicJWK(weak, "a"))).verifier(t, jose.RS256)
	wantUser(t, j, signed(t, jose.RS256, weak, "a"), "")
}

func TestTheAlgorithmIsNotTheTokensToChoose(t *testing.T) {
	key := ecKey(t)
	e := openEndpoint(t, keySet(t, publicJWK(key, "a"), map[string]any{"kty": "oct", "kid": "s", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}))
	j, _ := e.verifier(t, jose.ES256)
	wantUser(t, j, signed(t, jose.HS256, hmacKey, "s"), "")
	wantUser(t, j, signed(t, jose.HS256, hmacKey, "a"), "")
	wantUser(t, j, bearer("eyJhbGciOiJub25lIiwia2lkIjoiYSJ9.eyJzdWIiOiI3IiwiZXhwIjo5OTk5OTk5OTk5fQ."), "")
	if _, err := web.NewJWKS(web.JWKSOptions{URL: e.URL, Algorithm: jose.HS256}); err == nil {
		t.Error("a shared secret is published")
	}
}

func TestKeysThatCannotBeToldApartAreNone(t *testing.T) {
	a, b := ecKey(t), ecKey(t)
	j, _ := openEndpoint(t, keySet(t, publicJWK(a, "a"), publicJWK(b, "b"))).verifier(t, jose.ES256)
	wantUser(t, j, signed(t, jose.ES256, a, "a"), "7")
	wantUser(t, j, signed(t, jose.ES256, a, "b"), "")
	wantUser(t, j, signed(t, jose.ES256, a, ""), "")
	j, _ = openEndpoint(t, keySet(t, publicJWK(a, "a"), publicJWK(b, "a"))).verifier(t, jose.ES256)
	wantUser(t, j, signed(t, jose.ES256, a, "a"), "")
}

func TestKeysRotate(t *testing.T) {
	old, young := ecKey(t), ecKey(t)
	e := openEndpoint(t, keySet(t, publicJWK(old, "1")))
	j, now := e.verifier(t, jose.ES256)
	wantUser(t, j, signed(t, jose.ES256, old, "1"), "7")

	e.answer.Store(keySet(t, publicJWK(old, "1"), publicJWK(young, "2")))
	wantUser(t, j, signed(t, jose.ES256, young, "2"), "") // asked a moment ago
	now.advance(30 * time.Second)
	wantUser(t, j, signed(t, jose.ES256, young, "2"), "7")
	e.wantAsked(t, 2)

	e.answer.Store(keySet(t, publicJWK(young, "2")))
	wantUser(t, j, signed(t, jose.ES256, old, "1"), "7")
	now.advance(time.Hour)
	wantUser(t, j, signed(t, jose.ES256, old, "1"), "")
	e.wantAsked(t, 3)
	e.wantLogged(t, 0)
}

func TestAFloodOfUnknownKidsIsNotPassedOn(t *testing.T) {
	key := ecKey(t)
	e := openEndpoint(t, keySet(t, publicJWK(key, "a")))
	j, now := e.verifier(t, jose.ES256)
	var all sync.WaitGroup
	for i := range 50 {
		r := signed(t, jose.ES256, key, fmt.Sprint("made-up-", i))
		all.Go(func() { wantUser(t, j, r, "") })
	}
	all.Wait()
	e.wantAsked(t, 1)
	now.advance(29 * time.Second)
	wantUser(t, j, signed(t, jose.ES256, key, "made-up"), "")
	wantUser(t, j, signed(t, jose.ES256, key, "a"), "7")
	e.wantAsked(t, 1)
}

func TestVisitorsAtTheSameTimeAskForKeysOnce(t *testing.T) {
	key := ecKey(t)
	e := openEndpoint(t, keySet(t, publicJWK(key, "a")))
	j, _ := e.verifier(t, jose.ES256)
	var all sync.WaitGroup
	for range 50 {
		r := signed(t, jose.ES256, key, "a")
		all.Go(func() { wantUser(t, j, r, "7") })
	}
	all.Wait()
	e.wantAsked(t, 1)
}

func TestTheLastKeysHoldWhileTheIssuerIsDown(t *testing.T) {
	key := ecKey(t)
	good := keySet(t, publicJWK(key, "a"))
	huge := text(`{"keys":[` + strings.Repeat(" ", 1<<20) + `]}`)
	elsewhere := openEndpoint(t, keySet(t, publicJWK(ecKey(t), "a")))
	for what, bad := range map[string]http.HandlerFunc{
		"an error": status(http.StatusInternalServerError), "garbage": text("SECRET <html>"), "no set": text(`{}`), "null": text(`{"keys":null}`),
		"huge": huge, "nothing": text(""),
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a hang-up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(what, func(t *testing.T) {
			e := openEndpoint(t, good)
			j, now := e.verifier(t, jose.ES256)
			wantUser(t, j, signed(t, jose.ES256, key, "a"), "7")
			e.answer.Store(bad)
			for range 3 {
				now.advance(2 * time.Hour)
				wantUser(t, j, signed(t, jose.ES256, key, "a"), "7")
				now.advance(time.Minute)
				wantUser(t, j, signed(t, jose.ES256, key, "b"), "")
			}
			e.wantLogged(t, 1)
			e.answer.Store(good)
			now.advance(time.Minute)
			wantUser(t, j, signed(t, jose.ES256, key, "b"), "")
			e.wantLogged(t, 2)
		})
	}
	elsewhere.wantAsked(t, 0)
}

func TestAnIssuerMayWithdrawAllKeys(t *testing.T) {
	key := ecKey(t)
	e := openEndpoint(t, keySet(t, publicJWK(key, "a")))
	j, now := e.verifier(t, jose.ES256)
	wantUser(t, j, signed(t, jose.ES256, key, "a"), "7")
	e.answer.Store(text(`{"keys":[]}`))
	now.advance(time.Hour)
	wantUser(t, j, signed(t, jose.ES256, key, "a"), "")
	e.wantLogged(t, 1)
}

func TestTheServiceStartsBeforeTheIssuer(t *testing.T) {
	key := ecKey(t)
	e := openEndpoint(t, status(http.StatusServiceUnavailable))
	j, now := e.verifier(t, jose.ES256)
	h := openHub(t, func(o *web.Options) { o.Authenticator = j })
	credentials := signed(t, jose.ES256, key, "a").Header.Get("Authorization")
	for range 3 {
		wantProblem(t, h.get("/api/devices", "Authorization", credentials), http.StatusServiceUnavailable)
		now.advance(5 * time.Second)
	}
	if w := h.get("/api/devices"); w.Code != http.StatusOK {
		t.Errorf("without a token: %d %s", w.Code, w.Body)
	}
	e.wantAsked(t, 3)
	e.wantLogged(t, 1)
	e.answer.Store(keySet(t, publicJWK(key, "a")))
	if w := h.get("/api/devices", "Authorization", credentials); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	e.wantLogged(t, 2)
	if strings.Contains(e.logged.String()+h.logged.String(), credentials[len("Bearer "):]) {
		t.Error("the log holds the token")
	}
}

func TestASilentIssuerIsNotWaitedForLong(t *testing.T) {
	e := openEndpoint(t, silence)
	set, err := web.NewJWKS(web.JWKSOptions{
		URL: e.URL + "/?key=SECRET", Algorithm: jose.ES256, Timeout: 20 * time.Millisecond, Logger: e.logger(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, web.JWT{Algorithm: jose.ES256, JWKS: set, Now: time.Now}, signed(t, jose.ES256, ecKey(t), "a"), "")
	if !strings.Contains(e.logged.String(), "no answer in time") {
		t.Errorf("logged %s", &e.logged)
	}
	e.wantLogged(t, 1)
}

func TestUpstreamsAreHTTP(t *testing.T) {
	for _, address := range []string{"", "/jwks", "file:///SECRET", "ftp://SECRET", "http://", "http://SECRET:x y/%", "gopher://u:SECRET@h/"} {
		_, err := web.NewJWKS(web.JWKSOptions{URL: address, Algorithm: jose.ES256})
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("keys at %q: %v", address, err)
		}
		_, err = web.NewForward(web.ForwardOptions{URL: address})
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("an application at %q: %v", address, err)
		}
	}
}
