package web_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

var (
	hour    = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	hmacKey = []byte("0123456789abcdef0123456789abcdef")
)

func hs256() web.JWT {
	return web.JWT{Algorithm: jose.HS256, Key: hmacKey, Cookie: "griphub_token", Now: func() time.Time { return hour }}
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claims are those of user 7, good for an hour, with changes.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"sub": "7", "exp": hour.Add(time.Hour).Unix()}
	for name, value := range change {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/events/foo/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestATokenSaysWhoAsks(t *testing.T) {
	token := sign(t, jose.HS256, hmacKey, claims(map[string]any{
		"channels": []string{"iot_*", "room/**"}, "publish": []string{"room/1"}, "admin": true, "iat": hour.Unix(), "nbf": hour.Unix(), "other": 1,
	}))
	p, err := hs256().Authenticate(bearer(token))
	want := channels.Principal{User: "7", Channels: []channels.Pattern{"iot_*", "room/**"}, Publish: []channels.Pattern{"room/1"}, Admin: true, Expires: hour.Add(time.Hour)}
	if err != nil || fmt.Sprint(p.User, p.Channels, p.Publish, p.Admin, p.Expires.UTC()) != fmt.Sprint(want.User, want.Channels, want.Publish, want.Admin, want.Expires) {
		t.Errorf("the principal is %+v, %v", p, err)
	}
}

func TestWithoutATokenOneIsAnonymous(t *testing.T) {
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/", nil),
		httptest.NewRequest(http.MethodGet, "/?access_token=", nil),
	} {
		r.Header.Set("Cookie", "griphub_token=; other=x")
		if p, err := hs256().Authenticate(r); err != nil || !p.Anonymous() {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

func TestWhereATokenIsLookedFor(t *testing.T) {
	token := func(sub string) string { return sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": sub})) }
	request := func(header, cookie, query string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/?access_token="+query, nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: "griphub_token", Value: cookie})
		}
		return r
	}
	for want, r := range map[string]*http.Request{
		"header": request("Bearer "+token("header"), token("cookie"), token("query")),
		"cookie": request("", token("cookie"), token("query")),
		"query":  request("", "", token("query")),
		"lower":  request("bearer "+token("lower"), "", ""), // RFC 9110 section 11.1: schemes have no case
		"basic":  request("Basic dXNlcjpwYXNz", token("basic"), ""),
	} {
		if p, err := hs256().Authenticate(r); err != nil || p.User != want {
			t.Errorf("%s: %+v, %v", want, p, err)
		}
	}
	noCookie := hs256()
	noCookie.Cookie = ""
	if p, err := noCookie.Authenticate(request("", token("cookie"), "")); err != nil || !p.Anonymous() {
		t.Errorf("without a configured cookie: %+v, %v", p, err)
	}
	// A bad token is not forgiven for a good one elsewhere.
	if p, err := hs256().Authenticate(request("Bearer x", token("cookie"), "")); err == nil {
		t.Errorf("a bad header: %+v", p)
	}
}

func TestTokensThatAreNotValidAreRefused(t *testing.T) {
	unsigned := func(header string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(header)) + "." + encode([]byte(`{"sub":"7","exp":1736949600}`)) + "."
	}
	good := sign(t, jose.HS256, hmacKey, claims(nil))
	for what, token := range map[string]string{
		"garbage":              "garbage",
		"two dots":             "..",
		"many dots":            strings.Repeat(".", 1<<20),
		"cut":                  good[:len(good)-2],
		"another key":          sign(t, jose.HS256, []byte("another key of thirty-two bytes!"), claims(nil)),
		"no algorithm":         unsigned(`{"alg":"none","typ":"JWT"}`),
		"no algorithm, oddly":  unsigned(`{"alg":"nOnE"}`),
		"an empty algorithm":   unsigned(`{"alg":""}`),
		"a stronger algorithm": sign(t, jose.HS512, append(hmacKey, hmacKey...), claims(nil)),
		"expired":              sign(t, jose.HS256, hmacKey, claims(map[string]any{"exp": hour.Add(-time.Hour).Unix()})),
		"just expired":         sign(t, jose.HS256, hmacKey, claims(map[string]any{"exp": hour.Unix()})),
		"no end":               sign(t, jose.HS256, hmacKey, claims(map[string]any{"exp": nil})),
		"a null end":           sign(t, jose.HS256, hmacKey, map[string]any{"sub": "7", "exp": nil}),
		"a text for an end":    sign(t, jose.HS256, hmacKey, claims(map[string]any{"exp": "never"})),
		"not yet":              sign(t, jose.HS256, hmacKey, claims(map[string]any{"nbf": hour.Add(time.Minute).Unix()})),
		"made in the future":   sign(t, jose.HS256, hmacKey, claims(map[string]any{"iat": hour.Add(time.Minute).Unix()})),
		"nobody":               sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": ""})),
		"no subject":           sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": nil})),
		"a number for one":     sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": 7})),
		"a hostile subject":    sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": "7\r\nGrip-Hold: stream"})),
		"a long subject":       sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": strings.Repeat("7", 256)})),
		"a reserved subject":   sign(t, jose.HS256, hmacKey, claims(map[string]any{"sub": channels.Somebody})),
		"a bad pattern":        sign(t, jose.HS256, hmacKey, claims(map[string]any{"channels": []string{"a***"}})),
		"an empty pattern":     sign(t, jose.HS256, hmacKey, claims(map[string]any{"publish": []string{""}})),
		"patterns as a text":   sign(t, jose.HS256, hmacKey, claims(map[string]any{"channels": "**"})),
		"too many patterns":    sign(t, jose.HS256, hmacKey, claims(map[string]any{"channels": strings.Split(strings.Repeat("a,", 100)+"a", ",")})),
		"too long":             sign(t, jose.HS256, hmacKey, claims(map[string]any{"x": strings.Repeat("x", 8<<10)})),
	} {
		p, err := hs256().Authenticate(bearer(token))
		if err == nil || p.User != "" || p.Admin || p.Channels != nil || p.Publish != nil {
			t.Errorf("%s: %+v, %v", what, p, err)
		} else if strings.Contains(err.Error(), string(hmacKey)) || len(err.Error()) > 1000 {
			t.Errorf("%s: the error is %.1000q", what, err)
		}
	}
}

func TestClocksMayDifferALittle(t *testing.T) {
	for _, name := range []string{"iat", "nbf"} {
		token := sign(t, jose.HS256, hmacKey, claims(map[string]any{name: hour.Add(2 * time.Second).Unix()}))
		if p, err := hs256().Authenticate(bearer(token)); err != nil || p.User != "7" {
			t.Errorf("%s two seconds ahead: %+v, %v", name, p, err)
		}
	}
}

func TestAudienceAndIssuerAreHeldWhereConfigured(t *testing.T) {
	j := hs256()
	j.Audience, j.Issuer = "griphub", "app"
	for _, c := range []struct {
		aud, iss any
		ok       bool
	}{
		{"griphub", "app", true},
		{[]string{"other", "griphub"}, "app", true},
		{"other", "app", false},
		{nil, "app", false},
		{"griphub", "evil", false},
		{"griphub", nil, false},
		{"griphub,other", "app", false},
	} {
		token := sign(t, jose.HS256, hmacKey, claims(map[string]any{"aud": c.aud, "iss": c.iss}))
		if p, err := j.Authenticate(bearer(token)); (err == nil) != c.ok {
			t.Errorf("aud %v, iss %v: %+v, %v", c.aud, c.iss, p, err)
		}
		if _, err := hs256().Authenticate(bearer(token)); err != nil {
			t.Errorf("where nothing is asked for: %v", err)
		}
	}
}

func TestPublicKeysVerifyTheirAlgorithmAlone(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		algorithm       jose.SignatureAlgorithm
		private, public any
	}{{jose.RS256, rsaKey, &rsaKey.PublicKey}, {jose.ES256, ecKey, &ecKey.PublicKey}, {jose.EdDSA, edKey, edPublic}} {
		j := web.JWT{Algorithm: c.algorithm, Key: c.public, Now: func() time.Time { return hour }}
		if p, err := j.Authenticate(bearer(sign(t, c.algorithm, c.private, claims(nil)))); err != nil || p.User != "7" {
			t.Errorf("%s: %+v, %v", c.algorithm, p, err)
		}
		// The classic confusion: a token signed by HMAC with the public key's text.
		der, err := x509.MarshalPKIXPublicKey(c.public)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string][]byte{"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der} {
			if len(secret) < 32 {
				continue
			}
			if p, err := j.Authenticate(bearer(sign(t, jose.HS256, secret, claims(nil)))); err == nil {
				t.Errorf("%s: signed with the public key's %s: %+v", c.algorithm, what, p)
			}
		}
	}
	ps256 := sign(t, jose.PS256, rsaKey, claims(nil))
	if p, err := (web.JWT{Algorithm: jose.RS256, Key: &rsaKey.PublicKey, Now: func() time.Time { return hour }}).Authenticate(bearer(ps256)); err == nil {
		t.Errorf("another algorithm of the same key: %+v", p)
	}
}

func TestATokenCannotBringItsOwnKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: other}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims(nil)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	j := web.JWT{Algorithm: jose.ES256, Key: &key.PublicKey, Now: func() time.Time { return hour }}
	if p, err := j.Authenticate(bearer(token)); err == nil {
		t.Errorf("%+v", p)
	}
}

func TestBadCredentialsAreNotExplainedToTheirBearer(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Authenticator = hs256() })
	expired := sign(t, jose.HS256, hmacKey, claims(map[string]any{"exp": hour.Add(-time.Hour).Unix()}))
	for _, target := range []string{"/iot/stream/pump/", "/iot/poll/pump/", "/api/devices", "/api/channels/foo/events", "/events/foo/", "/"} {
		for _, token := range []string{"x", expired} {
			w := h.get(target, "Authorization", "Bearer "+token)
			if strings.Contains(w.Body.String(), "expire") || w.Header().Get("Grip-Hold") != "" {
				t.Errorf("%s: %d %s", target, w.Code, w.Body)
			}
		}
	}
}

func TestEverybodyIsOne(t *testing.T) {
	p, err := web.Everybody{User: "dev", Admin: true}.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil))
	if err != nil || p.User != "dev" || !p.Admin {
		t.Errorf("%+v, %v", p, err)
	}
}

// FuzzAuthenticate holds that no text is a token that was not signed.
func FuzzAuthenticate(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3IiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + token}
		p, err := hs256().Authenticate(r)
		if (err == nil) != (strings.TrimSpace(token) == "") || !p.Anonymous() {
			t.Fatalf("%q: %+v, %v", token, p, err)
		}
	})
}
