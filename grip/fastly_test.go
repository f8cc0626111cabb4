package grip

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAFastlyServiceIsKnownByItsAddressAlone(t *testing.T) {
	for _, given := range []string{
		"https://api.fastly.com/service/abc?key=token",
		"https://api.fastly.com/service/abc/?key=token",
		"https://api.fastly.com/service/abc?key=token&verify-iss=fastly:abc",
		"https://api.fastly.com/service/abc?key=token&verify-iss=fastly:abc&verify-key=" + url.QueryEscape(FastlyKey),
	} {
		p, err := ParseURL(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		if p.PublishURL() != "https://api.fastly.com/service/abc/publish/" || p.VerifyIssuer != "fastly:abc" || !p.VerifyKey.isFastly() {
			t.Errorf("%s: publishes to %s, wants %q signed with %v", given, p.PublishURL(), p.VerifyIssuer, p.VerifyKey)
		}
		if authorization, err := p.Authorization(epoch); authorization != "Bearer token" || err != nil {
			t.Errorf("%s: authorises with %q, %v", given, authorization, err)
		}
	}
}

func TestAFastlyServiceMayHaveAnotherKey(t *testing.T) {
	key := ecPEM(t, true)
	p, err := ParseURL("https://api.fastly.com/service/abc?key=token&verify-key=" + url.QueryEscape(key))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := mustKey(t, key).Sign("fastly:abc", epoch.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := NewVerifier([]Proxy{p}).Verify(sig, epoch); err != nil {
		t.Error(err)
	}
}

// The API token is a shared secret, and the public key is known to all: neither makes a signature.
func TestNobodyPassesForFastly(t *testing.T) {
	p, err := ParseURL("https://api.fastly.com/service/abc?key=token")
	if err != nil {
		t.Fatal(err)
	}
	verifier := NewVerifier([]Proxy{p})
	if !verifier.SignatureRequired() {
		t.Error("no signature is required")
	}
	for name, key := range map[string]Key{"the API token": mustKey(t, "token"), "a key of one's own": mustKey(t, ecPEM(t, true))} {
		sig, err := key.Sign("fastly:abc", epoch.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if verifier.Proxied(sig, epoch) {
			t.Errorf("%s is believed", name)
		}
	}
	confused, err := NewSecret([]byte(FastlyKey))
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := confused.Sign("fastly:abc", epoch.Add(time.Hour)); err != nil || verifier.Proxied(sig, epoch) {
		t.Errorf("the public key as a secret is believed: %v", err)
	}
}

func TestFastlysURLsAreHeldToTheirForm(t *testing.T) {
	for name, given := range map[string]string{
		"http":                 "http://api.fastly.com/service/abc?key=hunter2",
		"no service":           "https://api.fastly.com/service/?key=hunter2",
		"no path":              "https://api.fastly.com?key=hunter2",
		"another path":         "https://api.fastly.com/stats/abc?key=hunter2",
		"the publish path":     "https://api.fastly.com/service/abc/publish/?key=hunter2",
		"every service's key":  "https://proxy.example?key=hunter2&verify-key=" + url.QueryEscape(FastlyKey),
		"every service's, too": "https://api.fastly.com/service/abc?key=hunter2&verify-key=" + url.QueryEscape(FastlyKey),
	} {
		if _, err := ParseURL(given); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
