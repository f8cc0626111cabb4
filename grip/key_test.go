package grip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encodePEM(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// ecPEM is a new P-256 key, private or public.
func ecPEM(t testing.TB, private bool) string {
	t.Helper()
	key := ecKey(t)
	if private {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return encodePEM(t, "PRIVATE KEY", der, err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return encodePEM(t, "PUBLIC KEY", der, err)
}

func rsaPEM(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
}

func jwkJSON(t testing.TB, key any, algorithm string) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: key, Algorithm: algorithm})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseKeySecrets(t *testing.T) {
	for given, want := range map[string]string{
		"changeme":         "changeme",
		"a":                "a",
		"base64:+/+/":      "\xfb\xff\xbf",
		"base64: / /":      "\xfb\xff\xbf", // as a query parser leaves it
		"base64:-_-_":      "\xfb\xff\xbf",
		"base64:Y2hhbmdl":  "change",
		"base64:YQ==":      "a",
		"base64:YQ":        "a",
		"Y2hhbmdl":         "Y2hhbmdl", // without prefix it is what it is
		"{not JSON":        "{not JSON",
		"-----":            "-----",
		" edges kept ":     " edges kept ",
		"base6":            "base6",
		"abcdefg":          "abcdefg",
		"0123456789abcdef": "0123456789abcdef",
	} {
		key, err := ParseKey(given)
		if err != nil {
			t.Errorf("%q: %v", given, err)
			continue
		}
		if !key.Symmetric() || !key.CanSign() || string(key.material.secret) != want {
			t.Errorf("%q is %s %q, want secret %q", given, key.Algorithm(), key.material.secret, want)
		}
	}
}

func TestParseKeyStructured(t *testing.T) {
	private := ecKey(t)
	sec1, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sec1PEM := encodePEM(t, "EC PRIVATE KEY", sec1, nil)
	public := ecPEM(t, false)
	params := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	for name, c := range map[string]struct {
		given, algorithm string
		signs            bool
	}{
		"public PEM":                      {public, "ES256", false},
		"PEM after a query parser":        {strings.ReplaceAll(public, "+", " "), "ES256", false},
		"PEM with blanks at line ends":    {strings.ReplaceAll(public, "\n", " \n"), "ES256", false},
		"PEM with CRLF":                   {strings.ReplaceAll(public, "\n", "\r\n"), "ES256", false},
		"PEM in base64":                   {base64.StdEncoding.EncodeToString([]byte(public)), "ES256", false},
		"PEM in base64 with prefix":       {"base64:" + base64.StdEncoding.EncodeToString([]byte(public)), "ES256", false},
		"PKCS 8 PEM":                      {ecPEM(t, true), "ES256", true},
		"SEC 1 PEM":                       {sec1PEM, "ES256", true},
		"SEC 1 PEM of openssl ecparam":    {params + sec1PEM, "ES256", true},
		"RSA PEM":                         {rsaPEM(t), "RS256", true},
		"Fastly's JWK":                    {FastlyKey, "ES256", false},
		"Fastly's JWK in base64":          {base64.StdEncoding.EncodeToString([]byte(FastlyKey)), "ES256", false},
		"Fastly's JWK in base64url":       {base64.RawURLEncoding.EncodeToString([]byte(FastlyKey)), "ES256", false},
		"Fastly's JWK with base64 prefix": {"base64:" + base64.StdEncoding.EncodeToString([]byte(FastlyKey)), "ES256", false},
		"private JWK":                     {jwkJSON(t, private, "ES256"), "ES256", true},
		"secret JWK":                      {jwkJSON(t, []byte("secret"), "HS256"), "HS256", true},
	} {
		key, err := ParseKey(c.given)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if key.Algorithm() != c.algorithm || key.CanSign() != c.signs || key.IsZero() {
			t.Errorf("%s: %s, signs %v", name, key.Algorithm(), key.CanSign())
		}
	}
}

func TestParseKeyNeverTakesABrokenKeyForASecret(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public := ecPEM(t, false)
	for name, given := range map[string]string{
		"empty":                  "",
		"empty base64":           "base64:",
		"not base64":             "base64:*",
		"cut PEM":                public[:60],
		"cut PEM in base64":      base64.StdEncoding.EncodeToString([]byte(public[:60])),
		"garbage in PEM":         encodePEM(t, "PUBLIC KEY", []byte("garbage"), nil),
		"certificate":            encodePEM(t, "CERTIFICATE", []byte("garbage"), nil),
		"two blocks":             public + public,
		"other curve":            jwkJSON(t, p384, ""),
		"short RSA":              encodePEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil),
		"JWK without kty":        `{"k":"c2VjcmV0"}`,
		"empty secret JWK":       `{"kty":"oct","k":""}`,
		"JWK off the curve":      strings.Replace(FastlyKey, "CKo5", "CKo6", 1),
		"JWK of other algorithm": jwkJSON(t, []byte("secret"), "HS512"),
		"OKP JWK":                `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		if key, err := ParseKey(given); err == nil {
			t.Errorf("%s: became %s", name, key.Algorithm())
		} else if !key.IsZero() {
			t.Errorf("%s: key beside the error", name)
		}
	}
}

func TestZeroKeyDoesNothing(t *testing.T) {
	var k Key
	if !k.IsZero() || k.Symmetric() || k.CanSign() || k.Algorithm() != "" || k.String() != "no key" {
		t.Errorf("zero key: %v", k)
	}
	if token, err := k.Sign("a", epoch); err == nil {
		t.Errorf("zero key signs %s", token)
	}
}

func TestNewSecretKeepsNoReference(t *testing.T) {
	secret := []byte("secret")
	key, err := NewSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	before, err := key.Sign("a", epoch)
	if err != nil {
		t.Fatal(err)
	}
	secret[0] = 'S'
	if after, _ := key.Sign("a", epoch); after != before {
		t.Error("changing the caller's bytes changes the key")
	}
}
