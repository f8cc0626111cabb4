package grip

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"
)

// epoch is the time of these tests.
var epoch = time.Unix(1_800_000_000, 0)

// claimsUntil are the claims of Pushpin, expiring d after epoch.
func claimsUntil(d time.Duration) string {
	return fmt.Sprintf(`{"iss":"pushpin","exp":%d}`, epoch.Add(d).Unix())
}

// craft makes a token without any library, so that tests do not trust the one under test.
func craft(header, claims string, sign func(input []byte) []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func hmacOf(h func() hash.Hash, key string) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(h, []byte(key))
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func es256Of(t testing.TB, key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func mustKey(t testing.TB, s string) Key {
	t.Helper()
	key, err := ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const hs256 = `{"typ":"JWT","alg":"HS256"}`

func TestVerifyAcceptsWhatTheProxySigned(t *testing.T) {
	private := ecKey(t)
	ec, err := newKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := mustKey(t, rsaPEM(t))
	rs256 := func(input []byte) []byte {
		digest := sha256.Sum256(input)
		sig, err := rsa.SignPKCS1v15(rand.Reader, rsaKey.material.sign.(*rsa.PrivateKey), crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	long := strings.Repeat("long", 30) // longer than a block of the hash
	for name, c := range map[string]struct {
		key   Key
		token string
	}{
		"HS256":             {mustKey(t, "changeme"), craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "changeme"))},
		"HS256 base64":      {mustKey(t, "base64:AAH/"), craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "\x00\x01\xff"))},
		"HS256 long":        {mustKey(t, long), craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, long))},
		"HS256 without typ": {mustKey(t, "k"), craft(`{"alg":"HS256"}`, claimsUntil(time.Hour), hmacOf(sha256.New, "k"))},
		"ES256":             {ec, craft(`{"alg":"ES256"}`, claimsUntil(time.Hour), es256Of(t, private))},
		"RS256":             {rsaKey, craft(`{"alg":"RS256"}`, claimsUntil(time.Hour), rs256)},
	} {
		v := NewVerifier([]Proxy{{VerifyKey: c.key, VerifyIssuer: "pushpin"}})
		if err := v.Verify(c.token, epoch); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Verify(c.token[:len(c.token)-4], epoch); !errors.Is(err, ErrBadSig) {
			t.Errorf("%s, signature cut: %v", name, err)
		}
		if err := v.Verify(c.token, epoch.Add(time.Hour)); !errors.Is(err, ErrSigExpired) {
			t.Errorf("%s, an hour later: %v", name, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	publicPEM := ecPEM(t, false)
	hour := claimsUntil(time.Hour)
	secret := mustKey(t, "changeme")
	for name, c := range map[string]struct {
		key   Key
		token string
		want  error
	}{
		"nothing":                     {secret, "", ErrNoSig},
		"expired":                     {secret, craft(hs256, claimsUntil(-time.Second), hmacOf(sha256.New, "changeme")), ErrSigExpired},
		"expired now":                 {secret, craft(hs256, claimsUntil(0), hmacOf(sha256.New, "changeme")), ErrSigExpired},
		"no exp":                      {secret, craft(hs256, `{"iss":"pushpin"}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"exp null":                    {secret, craft(hs256, `{"iss":"pushpin","exp":null}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"exp as text":                 {secret, craft(hs256, `{"iss":"pushpin","exp":"1900000000"}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"not yet":                     {secret, craft(hs256, `{"iss":"pushpin","exp":1900000000,"nbf":1850000000}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"other issuer":                {secret, craft(hs256, `{"iss":"else","exp":1900000000}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"no issuer":                   {secret, craft(hs256, `{"exp":1900000000}`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"other key":                   {secret, craft(hs256, hour, hmacOf(sha256.New, "changeyou")), ErrBadSig},
		"empty key":                   {secret, craft(hs256, hour, hmacOf(sha256.New, "")), ErrBadSig},
		"HS384":                       {secret, craft(`{"alg":"HS384"}`, hour, hmacOf(sha512.New384, "changeme")), ErrBadSig},
		"HS512":                       {secret, craft(`{"alg":"HS512"}`, hour, hmacOf(sha512.New, "changeme")), ErrBadSig},
		"alg none":                    {secret, craft(`{"alg":"none"}`, hour, func([]byte) []byte { return nil }), ErrBadSig},
		"alg None":                    {secret, craft(`{"alg":"None"}`, hour, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"no alg":                      {secret, craft(`{}`, hour, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"claims that are no object":   {secret, craft(hs256, `[1]`, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"confusion with the PEM text": {mustKey(t, publicPEM), craft(hs256, hour, hmacOf(sha256.New, publicPEM)), ErrBadSig},
		"key of its own in header":    {secret, craft(`{"alg":"HS256","jwk":{"kty":"oct","k":"bWluZQ"}}`, hour, hmacOf(sha256.New, "mine")), ErrBadSig},
		"unknown critical header":     {secret, craft(`{"alg":"HS256","crit":["x"],"x":1}`, hour, hmacOf(sha256.New, "changeme")), ErrBadSig},
		"two parts":                   {secret, "e30.e30", ErrBadSig},
		"four parts":                  {secret, "e30.e30.e30.e30", ErrBadSig},
		"JSON serialization":          {secret, `{"payload":"e30","signatures":[]}`, ErrBadSig},
		"garbage":                     {secret, "\x00\xff", ErrBadSig},
		"too long":                    {secret, craft(hs256, hour+strings.Repeat(" ", MaxSigLen), hmacOf(sha256.New, "changeme")), ErrBadSig},
	} {
		v := NewVerifier([]Proxy{{VerifyKey: c.key, VerifyIssuer: "pushpin"}})
		if err := v.Verify(c.token, epoch); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if v.Proxied(c.token, epoch) {
			t.Errorf("%s: counts as proxied", name)
		}
	}
}

func TestVerifyRuleOfSeveralProxies(t *testing.T) {
	a, b, public := mustKey(t, "a"), mustKey(t, "b"), mustKey(t, FastlyKey)
	private := mustKey(t, ecPEM(t, true))
	byA := craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "a"))
	byB := craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "b"))
	byC := craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "c"))
	for name, c := range map[string]struct {
		proxies   []Proxy
		a, b, c   bool // whether the token of each key counts
		anything  bool // whether "x" counts
		mustBeSig bool
	}{
		"no proxy":                              {nil, false, false, false, false, true},
		"one key":                               {[]Proxy{{Key: a}}, true, false, false, false, true},
		"two keys":                              {[]Proxy{{Key: a}, {Key: b}}, true, true, false, false, true},
		"verify key instead of key":             {[]Proxy{{Key: a, VerifyKey: b}}, false, true, false, false, true},
		"verify key alone":                      {[]Proxy{{VerifyKey: b}}, false, true, false, false, true},
		"public key beside a secret":            {[]Proxy{{VerifyKey: public}, {Key: a}}, true, false, false, false, true},
		"a proxy without a key":                 {[]Proxy{{Key: a}, {}}, true, true, true, true, false},
		"a private key that only publishes":     {[]Proxy{{Issuer: "i", Key: private}}, true, true, true, true, false},
		"issuer of one, other issuer of other":  {[]Proxy{{Key: a, VerifyIssuer: "else"}, {Key: b, VerifyIssuer: "pushpin"}}, false, true, false, false, true},
		"issuer of the same key at two proxies": {[]Proxy{{Key: a, VerifyIssuer: "else"}, {Key: a, VerifyIssuer: "pushpin"}}, true, false, false, false, true},
	} {
		v := NewVerifier(c.proxies)
		got := [5]bool{v.Proxied(byA, epoch), v.Proxied(byB, epoch), v.Proxied(byC, epoch), v.Proxied("x", epoch), v.SignatureRequired()}
		if want := [5]bool{c.a, c.b, c.c, c.anything, c.mustBeSig}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if v.Proxied("", epoch) {
			t.Errorf("%s: a request without Grip-Sig counts as proxied", name)
		}
	}
}

func TestVerifyErrorsSayWhyAndShowNoKey(t *testing.T) {
	v := NewVerifier([]Proxy{{Key: mustKey(t, "hunter2"), VerifyIssuer: "pushpin"}})
	for token, want := range map[string]string{
		craft(hs256, `{"iss":"else","exp":1900000000}`, hmacOf(sha256.New, "hunter2")): `issuer is "else", not "pushpin"`,
		craft(hs256, `{"iss":"else"}`, hmacOf(sha256.New, "hunter2")):                  "no exp",
		craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "other")):              "not made with the key",
		"nonsense": "not a token of algorithm HS256",
	} {
		err := v.Verify(token, epoch)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want …%s", err, want)
		}
	}
}

func TestVerifyCostsNoMoreThanItsInput(t *testing.T) {
	v := NewVerifier([]Proxy{{Key: mustKey(t, "changeme")}})
	flood := strings.Repeat(".", 1<<20)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Proxied(flood, epoch)
		}
	}).AllocedBytesPerOp()
	if allocated > 1024 {
		t.Errorf("a megabyte of dots costs %d bytes", allocated)
	}
}

func TestSignMakesWhatVerifyAccepts(t *testing.T) {
	for _, text := range []string{"k", ecPEM(t, true), rsaPEM(t)} {
		key := mustKey(t, text)
		token, err := key.Sign("griphub", epoch.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		v := NewVerifier([]Proxy{{VerifyKey: key, VerifyIssuer: "griphub"}})
		if err := v.Verify(token, epoch); err != nil {
			t.Errorf("%s: %v", key.Algorithm(), err)
		}
	}
	if _, err := mustKey(t, FastlyKey).Sign("a", epoch); err == nil {
		t.Error("a public key signs")
	}
}
