package grip

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"http://localhost:5561", "http://localhost:5561/?iss=a&key=b", "https://u:p@h:1/a%2Fb/?x=1&key=base64:+/+/&verify-iss=v",
		"http://h?verify-key=" + url.QueryEscape(FastlyKey), "http://[::1", "//h", "http://h?key=", "%",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseURL(s)
		if err != nil {
			return
		}
		for _, endpoint := range []string{p.PublishURL(), p.RecoverURL()} {
			u, err := url.Parse(endpoint)
			if err != nil || u.Host == "" || u.User != nil {
				t.Errorf("%q: endpoint %q, %v", s, endpoint, err)
			}
			for _, own := range []string{"iss", "key", "verify-iss", "verify-key"} {
				if u.Query().Has(own) {
					t.Errorf("%q: endpoint %q still has %s", s, endpoint, own)
				}
			}
		}
		if _, err := p.Authorization(epoch); err == nil && p.Issuer != "" && p.Key.IsZero() {
			t.Errorf("%q: issuer without key", s)
		}
	})
}

func FuzzURLShowsNoKey(f *testing.F) {
	f.Add("hunter2", "pass word")
	f.Add("base64:////", "")
	f.Fuzz(func(t *testing.T, key, password string) {
		const mark = "Zq7Xw"
		s := "http://u:" + url.QueryEscape(mark+password) + "@h?iss=i&key=" + url.QueryEscape(key+mark)
		p, err := ParseURL(s)
		if err != nil && strings.Contains(err.Error(), mark) || strings.Contains(p.String(), mark) {
			t.Errorf("shows a secret: %v, %v", p, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{
		"changeme", "base64:aGk=", FastlyKey, base64.StdEncoding.EncodeToString([]byte(FastlyKey)), ecPEM(f, true), ecPEM(f, false),
		`{"kty":"oct","k":"aGk"}`, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "{}", "-----BEGIN EC PARAMETERS-----\n-----END EC PARAMETERS-----",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParseKey(s)
		if err != nil {
			return
		}
		if key.IsZero() || key.Algorithm() == "" {
			t.Errorf("%q: no key and no error", s)
		}
		if key.Symmetric() {
			token, err := key.Sign("i", epoch.Add(time.Minute))
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if err := NewVerifier([]Proxy{{Key: key, VerifyIssuer: "i"}}).Verify(token, epoch); err != nil {
				t.Errorf("%q: does not verify what it signed: %v", s, err)
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	secret, err := NewSecret([]byte("changeme"))
	if err != nil {
		f.Fatal(err)
	}
	public := mustKey(f, FastlyKey)
	v := NewVerifier([]Proxy{{Key: secret, VerifyIssuer: "pushpin"}, {VerifyKey: public}})
	good := craft(hs256, claimsUntil(time.Hour), hmacOf(sha256.New, "changeme"))
	for _, seed := range []string{good, good[:40], "..", "e30.e30.e30", `{"payload":""}`, "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sig string) {
		if v.Verify(sig, epoch) == nil && !strings.HasPrefix(sig, good[:strings.LastIndex(good, ".")]) {
			t.Errorf("%q counts as signed", sig)
		}
	})
}

func FuzzParseLast(f *testing.F) {
	for _, seed := range []string{"a; last-id=1", "a; last-id=1, b; last-id=2", ";", ",", "a;last-id=;x", "a=b; LAST-ID = c "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		lasts, err := ParseLast([]string{value})
		if err != nil {
			return
		}
		var written []string
		for _, l := range lasts {
			written = append(written, l.Channel+"; last-id="+l.ID)
		}
		for _, values := range [][]string{written, {strings.Join(written, ", ")}} {
			if again, err := ParseLast(values); err != nil || !reflect.DeepEqual(again, lasts) {
				t.Errorf("%q: %v, then %v, %v", value, lasts, again, err)
			}
		}
	})
}

func FuzzParseFeatures(f *testing.F) {
	f.Add("status, link:next,filter:build-id")
	f.Add(",,:")
	f.Fuzz(func(t *testing.T, value string) {
		features := ParseFeatures([]string{value})
		if again := ParseFeatures([]string{strings.Join(features, ",")}); !reflect.DeepEqual(again, features) {
			t.Errorf("%q: %q, then %q", value, features, again)
		}
	})
}

func FuzzDecodeWSEvents(f *testing.F) {
	for _, seed := range []string{
		"OPEN\r\n", "TEXT 5\r\nhello\r\n", "TEXT ff\r\nhello\r\n", "TEXT -5\r\nhello\r\n", "CLOSE 2\r\n\x03\xe8\r\n", "PING\r\nPONG 0\r\n\r\n", "TEXT 5 junk\r\nhello\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := DecodeWSEvents(body)
		if err != nil {
			return
		}
		for _, e := range events {
			if e.Type == EventClose {
				_, _, _ = CloseStatus(e)
			}
		}
		wire, err := EncodeWSEvents(events)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		// Only the digits of lengths may be written differently.
		if len(wire) > len(body) {
			t.Errorf("%q became %q", body, wire)
		}
		if again, err := DecodeWSEvents(wire); err != nil || !reflect.DeepEqual(again, events) {
			t.Errorf("%q: %v, then %v, %v", body, events, again, err)
		}
	})
}

func FuzzParseItems(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"channel":"c","id":"2","prev-id":"1","formats":{"http-stream":{"content":"x"}}}]}`,
		`{"items":[{"channel":"c","http-response":{"code":404,"headers":[["A","1"]],"body-bin":"/w=="},"meta":{"a":"b"}}]}`,
		`{"items":[{"channel":"c","ws-message":{"type":"ping"}},{"channel":"c","ws-message":{"action":"close","code":1000}}]}`,
		`{"items":[{"channel":"c","http-response":{"body-patch":[{}],"headers":{"A":"1"}}}]}`, `{"items":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := ParseItems(body)
		if err != nil {
			return
		}
		wire, err := AppendItems(nil, items)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		again, err := ParseItems(wire)
		if err != nil {
			t.Fatalf("%q: %v", wire, err)
		}
		if back, err := AppendItems(nil, again); err != nil || string(back) != string(wire) {
			t.Errorf("%q, then %q, %v", wire, back, err)
		}
	})
}

// What we write into Grip-Channel is what a proxy reads, beside any neighbour.
func FuzzChannelHeader(f *testing.F) {
	f.Add("events-a", "1", "build-id")
	f.Add("a, b", "1; filter=x", "x\r\ny")
	f.Add(`a"b`, `"1`, "")
	f.Fuzz(func(t *testing.T, name, prevID, filter string) {
		channels := []Channel{{Name: name, PrevID: prevID, Filters: []string{filter}}, {Name: "other"}}
		if name == "other" {
			return
		}
		in := Instruct{Hold: Hold{Mode: HoldResponse}, Channels: channels}
		h := http.Header{}
		if in.WriteHeader(h) != nil {
			return
		}
		value := h.Get(HeaderChannel)
		if strings.ContainsAny(value, "\r\n\x00") {
			t.Errorf("%q splits the header", value)
		}
		if got := readChannels(value); !reflect.DeepEqual(got, channels) {
			t.Errorf("%q is read as %+v, want %+v", value, got, channels)
		}
	})
}

func FuzzSetMeta(f *testing.F) {
	f.Add("user", `a "b" \`, "x")
	f.Add("id_format", "a:%(b)s,c", "")
	f.Fuzz(func(t *testing.T, name, value, other string) {
		meta := map[string]string{name: value, "other": other}
		header, err := SetMeta(meta)
		if err != nil {
			return
		}
		if got, ok := readMeta(header); !ok || !reflect.DeepEqual(got, meta) || strings.ContainsAny(header, "\r\n\x00") {
			t.Errorf("%q is read as %v, want %v", header, got, meta)
		}
	})
}

func FuzzKeepAlive(f *testing.F) {
	for _, seed := range []string{".", ":\n\n", "a;b", " a ", `\x41`, "\xff", "\t", "\u0085", "\u00a0x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		header, err := KeepAlive{Data: data}.Header()
		if err != nil {
			if len(data) > 0 {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		if got, ok := readKeepAlive(header); !ok || got != string(data) || strings.ContainsAny(header, "\r\n\x00") {
			t.Errorf("%q is written %q and read %q", data, header, got)
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add("/a?b=c;d,e")
	f.Add("https://h/<>\"\r\n")
	f.Fuzz(func(t *testing.T, uri string) {
		header, err := Link{URI: uri, Rel: RelNext}.Header()
		if err != nil {
			return
		}
		list := readList(header)
		first, params := readElement(list[0])
		if len(list) != 1 || first != "<"+escapeLink(uri)+">" || len(params) != 1 || params[0] != (readParam{"rel", "next"}) {
			t.Errorf("%q is read as %q %v", header, first, params)
		}
	})
}

func FuzzBuildID(f *testing.F) {
	f.Add([]byte("100% %I"))
	f.Fuzz(func(t *testing.T, content []byte) {
		escaped := string(EscapeBuildID(content))
		if strings.ReplaceAll(escaped, "%%", "") != strings.ReplaceAll(string(content), "%", "") {
			t.Errorf("%q became %q", content, escaped)
		}
	})
}
