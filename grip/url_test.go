package grip

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseURLTakesGripParametersAndKeepsOthers(t *testing.T) {
	p, err := ParseURL("https://api.example/service/x/?a=1&iss=me&key=secret&verify-iss=fastly:x&verify-key=other&b=2")
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://api.example/service/x?a=1&b=2"; p.ControlURI != want {
		t.Errorf("control URI is %s, want %s", p.ControlURI, want)
	}
	if want := "https://api.example/service/x/publish/?a=1&b=2"; p.PublishURL() != want {
		t.Errorf("publish URL is %s, want %s", p.PublishURL(), want)
	}
	if want := "https://api.example/service/x/recover?a=1&b=2"; p.RecoverURL() != want {
		t.Errorf("recover URL is %s, want %s", p.RecoverURL(), want)
	}
	if p.Issuer != "me" || p.VerifyIssuer != "fastly:x" || !p.Key.Symmetric() || !p.VerifyKey.Symmetric() {
		t.Errorf("issuers and keys are %q %q %v %v", p.Issuer, p.VerifyIssuer, p.Key, p.VerifyKey)
	}
}

func TestPublishURL(t *testing.T) {
	for given, want := range map[string]string{
		"http://localhost:5561":         "http://localhost:5561/publish/",
		"http://localhost:5561/":        "http://localhost:5561/publish/",
		"http://[::1]:5561/a%2Fb/":      "http://[::1]:5561/a%2Fb/publish/",
		"http://h?x=%26&iss=a&key=b":    "http://h/publish/?x=%26",
		"http://user:pass@h:1/p?x=a+b":  "http://h:1/p/publish/?x=a+b",
		" http://h/\n":                  "http://h/publish/",
		"https://h/p?key=a&verify-iss=": "https://h/p/publish/",
	} {
		p, err := ParseURL(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		if got := p.PublishURL(); got != want {
			t.Errorf("%s publishes to %s, want %s", given, got, want)
		}
	}
}

func TestPublishURLOfAHandMadeProxy(t *testing.T) {
	for _, uri := range []string{"http://h/p", "http://h/p/"} {
		if got := (Proxy{ControlURI: uri + "?q=/"}).PublishURL(); got != "http://h/p/publish/?q=/" {
			t.Errorf("%s publishes to %s", uri, got)
		}
	}
}

func TestParseURLRefusesWithoutRepeatingSecrets(t *testing.T) {
	pair := ecPEM(t, true)
	for name, given := range map[string]string{
		"iss without key":        "http://h?iss=hunter2",
		"iss with public key":    "http://h?iss=hunter2&key=" + url.QueryEscape(ecPEM(t, false)),
		"asymmetric bearer":      "http://h?key=" + url.QueryEscape(pair),
		"empty key":              "http://h?iss=a&key=",
		"empty base64 key":       "http://h?key=base64:",
		"malformed base64 key":   "http://h?key=base64:hunter2!",
		"malformed PEM key":      "http://h?verify-key=-----BEGIN+PUBLIC+KEY-----hunter2",
		"JSON that is no key":    `http://h?key={"hunter2":1}`,
		"key twice":              "http://h?key=hunter2&key=b",
		"iss twice":              "http://h?iss=hunter2&iss=b&key=c",
		"verify-iss twice":       "http://h?verify-iss=hunter2&verify-iss=b",
		"no scheme":              "hunter2.example:5561",
		"other scheme":           "ftp://hunter2@h",
		"no host":                "http://:5561?key=hunter2",
		"fragment":               "http://h?key=hunter2#f",
		"control character":      "http://h?key=hunter2\x01",
		"semicolon in query":     "http://h?key=hunter2;a=b",
		"bad escape in query":    "http://h?key=hunter2%zz",
		"port with a password":   "http://u:hunter2#x@h",
		"password as the port":   "http://h:hunter2@",
		"bad escape in userinfo": "http://u:hunter2%zz@h",
		"empty":                  "",
	} {
		_, err := ParseURL(given)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "MIG") {
			t.Errorf("%s: error repeats its input: %v", name, err)
		}
	}
}

func TestProxyShowsNoSecretHoweverPrinted(t *testing.T) {
	p, err := ParseURL("https://user:hunter2@api.example/s?token=x&iss=me&key=hunter2&verify-key=base64:aHVudGVyMg==&verify-iss=v")
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ hidden, Shown Proxy }{p, p}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("proxy", "p", p, "key", p.Key, "holder", holder)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("proxy", "p", p, "key", p.Key, "holder", holder)
	marshalled, err := json.Marshal(map[string]any{"p": p, "key": p.Key, "holder": holder})
	if err != nil {
		t.Fatal(err)
	}
	shown := logged.String() + string(marshalled) +
		fmt.Sprintf("%v %+v %#v %s %q", p, p, p, p, p) +
		fmt.Sprintf("%v %+v %#v %s", &p, &p, &p, &p) +
		fmt.Sprintf("%v %+v %#v", holder, holder, holder) +
		fmt.Sprintf("%v %+v %#v %s", p.Key, p.Key, p.Key, p.Key)
	for _, secret := range []string{"hunter2", "aHVudGVyMg", fmt.Sprintf("%x", "hunter2"), fmt.Sprint([]byte("hunter2"))[1:20]} {
		if i := strings.Index(shown, secret); i >= 0 {
			t.Errorf("a secret is shown: …%s", shown[max(0, i-60):i+len(secret)])
		}
	}
	if want := "https://REDACTED@api.example/s?token=REDACTED&iss=me&key=REDACTED&verify-iss=v&verify-key=REDACTED"; p.String() != want {
		t.Errorf("shown as %s, want %s", p, want)
	}
}

func TestAuthorization(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pa:ss"))
	for given, want := range map[string]string{
		"http://h":                           "",
		"http://h?key=token":                 "Bearer token",
		"http://h?key=base64:dG9rZW4=":       "Bearer token",
		"http://user:pa%3Ass@h":              basic,
		"http://user:pa%3Ass@h?key=token":    "Bearer token",
		"http://:pass@h":                     "Basic OnBhc3M=",
		"http://user:pa%3Ass@h?verify-key=k": basic,
	} {
		p, err := ParseURL(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		got, err := p.Authorization(time.Now())
		if err != nil || got != want {
			t.Errorf("%s authorises with %q, %v, want %q", given, got, err, want)
		}
	}
}

func TestAuthorizationSignsByTheKindOfKey(t *testing.T) {
	now := time.Now()
	for alg, key := range map[string]string{"HS256": "short", "ES256": ecPEM(t, true), "RS256": rsaPEM(t)} {
		p, err := ParseURL("http://h?iss=me&key=" + url.QueryEscape(key))
		if err != nil {
			t.Fatal(err)
		}
		value, err := p.Authorization(now)
		if err != nil {
			t.Fatal(err)
		}
		token, ok := strings.CutPrefix(value, "Bearer ")
		header, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if !ok || !strings.Contains(string(header), `"alg":"`+alg+`"`) {
			t.Errorf("%s: authorises with %s %s", alg, value, header)
		}
		v := NewVerifier([]Proxy{{VerifyKey: p.Key, VerifyIssuer: "me"}})
		if err := v.Verify(token, now.Add(ControlTokenTTL-2*time.Second)); err != nil {
			t.Errorf("%s: token is refused within its time: %v", alg, err)
		}
		if v.Proxied(token, now.Add(ControlTokenTTL+time.Second)) {
			t.Errorf("%s: token is accepted beyond its time", alg)
		}
	}
}

func TestAuthorizationRefusesAHandMadeProxyWithoutAUsableKey(t *testing.T) {
	for name, p := range map[string]Proxy{
		"issuer without key":     {Issuer: "me"},
		"issuer with public key": {Issuer: "me", Key: mustKey(t, FastlyKey)},
		"asymmetric bearer":      {Key: mustKey(t, FastlyKey)},
	} {
		if value, err := p.Authorization(epoch); err == nil || value != "" {
			t.Errorf("%s: authorises with %q", name, value)
		}
	}
}

func TestAuthorizationRefusesATokenThatIsNoHeader(t *testing.T) {
	p, err := ParseURL("http://h?key=hunter2%0D%0AX-Injected:+1")
	if err != nil {
		t.Fatal(err)
	}
	if value, err := p.Authorization(time.Now()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("authorises with %q, error %v", value, err)
	}
}

func TestAProxyWithTwoKeysIsPublishedToOnce(t *testing.T) {
	var proxies []Proxy
	for _, text := range []string{
		"http://127.0.0.1:5561/?iss=a&key=old", "http://127.0.0.1:5562?key=x", "http://127.0.0.1:5561?iss=a&key=new", "http://127.0.0.1:5561/other?key=y",
	} {
		p, err := ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, p)
	}
	var got []string
	for _, p := range ControlPorts(proxies) {
		got = append(got, p.PublishURL())
	}
	if want := []string{"http://127.0.0.1:5561/publish/", "http://127.0.0.1:5562/publish/", "http://127.0.0.1:5561/other/publish/"}; !slices.Equal(got, want) {
		t.Errorf("published to %q, want %q", got, want)
	}
	if first, err := ControlPorts(proxies)[0].Key.Sign("a", epoch); err != nil || NewVerifier(proxies[:1]).Verify(first, epoch.Add(-1)) != nil {
		t.Errorf("the key is not the first one's: %v", err)
	}
}
