package fanout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fanout/go-gripcontrol"
	"github.com/fanout/go-pubcontrol"
	"github.com/griphub/griphub/grip"
)

// These tests hold grip against the fanout libraries: equal where they are
// right, and right where they are not. Numbers such as G15 name the defects in
// the order in which they were found.

// formatsOf is what an item says of its formats.
func formatsOf(t *testing.T, it grip.Item) map[string]any {
	t.Helper()
	it.Channel = "c"
	wire, err := it.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct{ Formats map[string]any }
	if err := json.Unmarshal(wire, &fields); err != nil {
		t.Fatal(err)
	}
	return fields.Formats
}

// theirs is what the format exports, once it has been through JSON.
func theirs(t *testing.T, f pubcontrol.Formatter) map[string]any {
	t.Helper()
	b, err := json.Marshal(map[string]any{f.Name(): f.Export()})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEncodingEqualsTheirsWhereTheirsIsRight(t *testing.T) {
	for name, c := range map[string]struct {
		theirs pubcontrol.Formatter
		ours   grip.Item
	}{
		"stream": {
			&gripcontrol.HttpStreamFormat{Content: []byte("é\"\n")},
			grip.Item{HTTPStream: &grip.HTTPStream{Content: []byte("é\"\n")}},
		},
		"binary stream": {
			&gripcontrol.HttpStreamFormat{Content: []byte("\xff")},
			grip.Item{HTTPStream: &grip.HTTPStream{Content: []byte("\xff")}},
		},
		"stream close": {
			&gripcontrol.HttpStreamFormat{Close: true},
			grip.Item{HTTPStream: &grip.HTTPStream{Action: grip.ActionClose}},
		},
		"response": {
			&gripcontrol.HttpResponseFormat{Code: 201, Reason: "Made", Body: []byte("é")},
			grip.Item{HTTPResponse: &grip.HTTPResponse{Code: 201, Reason: "Made", Body: []byte("é")}},
		},
		"binary response": {
			&gripcontrol.HttpResponseFormat{Body: []byte("\xff")},
			grip.Item{HTTPResponse: &grip.HTTPResponse{Body: []byte("\xff")}},
		},
		"text message": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("é")},
			grip.Item{WSMessage: &grip.WSMessage{Content: []byte("é")}},
		},
	} {
		if got, want := formatsOf(t, c.ours), theirs(t, c.theirs); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestEncodingIsRightWhereTheirsIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		theirs pubcontrol.Formatter
		ours   grip.Item
		want   map[string]any
	}{
		"G22 binary message without base64": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("\xff"), Binary: true},
			grip.Item{WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("\xff")}},
			map[string]any{"ws-message": map[string]any{"content-bin": "/w=="}},
		},
		"G23 mangled message": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("\xff")},
			grip.Item{WSMessage: &grip.WSMessage{Content: []byte("\xff")}},
			map[string]any{"ws-message": map[string]any{"content-bin": "/w=="}},
		},
		"G24 empty stream": {
			&gripcontrol.HttpStreamFormat{},
			grip.Item{HTTPStream: &grip.HTTPStream{}},
			map[string]any{"http-stream": map[string]any{"content": ""}},
		},
		"G24 empty response": {
			&gripcontrol.HttpResponseFormat{},
			grip.Item{HTTPResponse: &grip.HTTPResponse{}},
			map[string]any{"http-response": map[string]any{"body": ""}},
		},
	} {
		if got := theirs(t, c.theirs); reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: theirs is right: %v", name, got)
		}
		if got := formatsOf(t, c.ours); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestChannelHeader(t *testing.T) {
	header := func(channels ...grip.Channel) string {
		h := http.Header{}
		in := grip.Instruct{Hold: grip.Hold{Mode: grip.HoldResponse}, Channels: channels}
		if err := in.WriteHeader(h); err != nil {
			return ""
		}
		return h.Get(grip.HeaderChannel)
	}
	want := gripcontrol.CreateGripChannelHeader([]*gripcontrol.Channel{{Name: "a", PrevId: "1"}, {Name: "b c"}})
	if got := header(grip.Channel{Name: "a", PrevID: "1"}, grip.Channel{Name: "b c"}); got != want {
		t.Errorf("header is %q, want %q", got, want)
	}
	// G14: theirs writes what a proxy reads as other channels, parameters or headers.
	for _, c := range []grip.Channel{{Name: "a, b"}, {Name: "a", PrevID: "1; filter=x"}, {Name: "a", PrevID: "1\r\nX: y"}} {
		if got := header(c); got != "" {
			t.Errorf("%+v is written as %q", c, got)
		}
	}
}

// G25: theirs has no more of a hold than mode, channels and timeout.
func TestHoldAsJSON(t *testing.T) {
	timeout := 30
	want, err := gripcontrol.CreateHold("response",
		[]*gripcontrol.Channel{{Name: "a", PrevId: "1"}},
		&gripcontrol.Response{Code: 200, Body: []byte("x")}, &timeout)
	if err != nil {
		t.Fatal(err)
	}
	in := grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldResponse, Timeout: 30 * time.Second},
		Channels: []grip.Channel{{Name: "a", PrevID: "1"}},
	}
	got, err := in.WriteJSON(http.Header{}, grip.Response{Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	var ours, other any
	if err := json.Unmarshal(got, &ours); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &other); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(ours, other) {
		t.Errorf("hold is %s, want %s", got, want)
	}
}

func TestWebSocketEventsEqualTheirsWhereTheirsIsRight(t *testing.T) {
	const body = "OPEN\r\nTEXT 5\r\nhello\r\nBINARY 1f\r\n0123456789012345678901234567890\r\nDISCONNECT\r\n"
	other, err := gripcontrol.DecodeWebSocketEvents(body)
	if err != nil {
		t.Fatal(err)
	}
	events, err := grip.DecodeWSEvents([]byte(body))
	if err != nil || len(events) != len(other) {
		t.Fatalf("%d events, want %d, %v", len(events), len(other), err)
	}
	for i, e := range events {
		if e.Type != other[i].Type || string(e.Content) != other[i].Content {
			t.Errorf("event %d is %s %q, want %s %q", i, e.Type, e.Content, other[i].Type, other[i].Content)
		}
	}
	got, err := grip.EncodeWSEvents(events)
	if want := gripcontrol.EncodeWebSocketEvents(other); err != nil || string(got) != want || want != body {
		t.Errorf("written %q, %v, want %q", got, err, want)
	}
}

func TestWebSocketEventsAreRightWhereTheirsAreNot(t *testing.T) {
	// G15: theirs counts characters and loses what follows text that is not ASCII.
	body := "TEXT 14\r\n" + strings.Repeat("é", 10) + "\r\nCLOSE\r\n"
	if other, err := gripcontrol.DecodeWebSocketEvents(body); err == nil && len(other) == 2 {
		t.Errorf("G15: theirs is right: %v", other)
	}
	if events, err := grip.DecodeWSEvents([]byte(body)); err != nil || len(events) != 2 || events[1].Type != grip.EventClose {
		t.Errorf("G15: %v, %v", events, err)
	}
	for name, body := range map[string]string{
		"G16 length beyond the body": "TEXT ff\r\nhello\r\n",
		"G17 negative length":        "TEXT -5\r\nhello\r\n",
		"G18 no digit":               "TEXT zz\r\nhello\r\n",
		"G19 no line end":            "TEXT 5\r\nhelloXXOPEN\r\n",
		"G20 junk after the length":  "TEXT 5 junk\r\nhello\r\n",
		"G20 no type":                " 5\r\nhello\r\n",
	} {
		if err := failure(func() error { _, err := gripcontrol.DecodeWebSocketEvents(body); return err }); err == "error" {
			t.Errorf("%s: theirs is right", name)
		}
		if events, err := grip.DecodeWSEvents([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %v", name, events)
		}
	}
	// G21: theirs cannot write an empty message, and a type can inject events.
	if got := gripcontrol.EncodeWebSocketEvents([]*gripcontrol.WebSocketEvent{{Type: "TEXT"}}); got != "TEXT\r\n" {
		t.Errorf("G21: theirs writes %q", got)
	}
	if got, err := grip.EncodeWSEvents([]grip.WSEvent{{Type: grip.EventText, HasContent: true}}); err != nil || string(got) != "TEXT 0\r\n\r\n" {
		t.Errorf("G21: wrote %q, %v", got, err)
	}
	if got, err := grip.EncodeWSEvents([]grip.WSEvent{{Type: "PING\r\nCLOSE"}}); err == nil {
		t.Errorf("G21: wrote %q", got)
	}
}

// failure says how f fails: "", "error" or "panic".
func failure(f func() error) (how string) {
	defer func() {
		if recover() != nil {
			how = "panic"
		}
	}()
	if f() != nil {
		return "error"
	}
	return ""
}

func TestGripURLEqualsTheirsWhereTheirsIsRight(t *testing.T) {
	const uri = "http://api.example:5561/path/?a=b&iss=me&key=base64:c2VjcmV0a2V5"
	config, err := gripcontrol.ParseGripUri(uri)
	if err != nil {
		t.Fatal(err)
	}
	p, err := grip.ParseURL(uri)
	if err != nil {
		t.Fatal(err)
	}
	if p.ControlURI != config["control_uri"] || p.Issuer != config["control_iss"] {
		t.Errorf("%s %s, want %v", p.ControlURI, p.Issuer, config)
	}
	token, err := p.Authorization(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !gripcontrol.ValidateSig(strings.TrimPrefix(token, "Bearer "), string(config["key"].([]byte))) {
		t.Error("their library refuses our token")
	}
}

func TestGripURLIsRightWhereTheirsIsNot(t *testing.T) {
	for name, c := range map[string]struct{ uri, publish string }{
		"G1 no path":              {"http://localhost:5561", "http://localhost:5561/publish/"},
		"G2 short key":            {"http://localhost:5561/?key=abc", "http://localhost:5561/publish/"},
		"G3 plus in base64":       {"http://localhost:5561/?key=base64:+/+/", "http://localhost:5561/publish/"},
		"G4 verify parameters":    {"http://localhost:5561/?key=changeme&verify-iss=a&verify-key=b", "http://localhost:5561/publish/"},
		"G5 user and coded slash": {"http://u:p@h/a%2Fb/", "http://h/a%2Fb/publish/"},
		"G27 query of its own":    {"http://h/service?x=y", "http://h/service/publish/?x=y"},
		"G28 trailing slash":      {"http://h/service/", "http://h/service/publish/"},
	} {
		p, err := grip.ParseURL(c.uri)
		if err != nil || p.PublishURL() != c.publish {
			t.Errorf("%s: publishes to %s, %v, want %s", name, p.PublishURL(), err, c.publish)
		}
	}
	for _, uri := range []string{"http://localhost:5561", "http://localhost:5561/?key=abc"} {
		if how := failure(func() error { _, err := gripcontrol.ParseGripUri(uri); return err }); how != "panic" {
			t.Errorf("%s: theirs gives %q", uri, how)
		}
	}
	if _, err := grip.ParseURL("http://h?iss=me"); err == nil {
		t.Error("G26: iss without key is accepted, so it would publish unauthenticated")
	}
	p, err := grip.ParseURL("http://h")
	if err != nil {
		t.Fatal(err)
	}
	if value, err := p.Authorization(time.Now()); value != "" || err != nil {
		t.Errorf("G29: authorises with %q, %v", value, err)
	}
}

// craft makes a token without any library.
func craft(algorithm string, h func() hash.Hash, key, claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+algorithm+`"}`)) +
		"." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignatures(t *testing.T) {
	const publicKey = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECKo5A1ebyFcnmVV8SE5On+8G81Jy\nBjSvcrx4VLetWCjuDAmppTo3xM/zz763COTCgHfp/6lPdCyYjjqc+GM7sw==\n-----END PUBLIC KEY-----\n"
	soon := fmt.Sprintf(`{"iss":"pushpin","exp":%d}`, time.Now().Add(time.Hour).Unix())
	good := craft("HS256", sha256.New, "changeme", soon)
	for name, c := range map[string]struct {
		token, key string
		ours       bool
		theirs     bool
	}{
		"good":                {good, "changeme", true, true},
		"other key":           {good, "other", false, false},
		"G6 no exp":           {craft("HS256", sha256.New, "changeme", `{"iss":"pushpin"}`), "changeme", false, true},
		"G7 HS384":            {craft("HS384", sha512.New384, "changeme", soon), "changeme", false, true},
		"G7 HS512":            {craft("HS512", sha512.New, "changeme", soon), "changeme", false, true},
		"G9 confusion of key": {craft("HS256", sha256.New, publicKey, soon), publicKey, false, true},
		"G12 base64 key":      {good, "base64:" + base64.StdEncoding.EncodeToString([]byte("changeme")), true, false},
	} {
		if got := gripcontrol.ValidateSig(c.token, c.key); got != c.theirs {
			t.Errorf("%s: theirs says %v", name, got)
		}
		key, err := grip.ParseKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		if got := grip.NewVerifier([]grip.Proxy{{VerifyKey: key}}).Proxied(c.token, time.Now()); got != c.ours {
			t.Errorf("%s: ours says %v", name, got)
		}
	}
	// G8: theirs knows no public keys, so that Fastly's signatures never count.
	private, public := ecKeys(t)
	genuine, err := private.Sign("fastly:x", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	key, err := grip.ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if gripcontrol.ValidateSig(genuine, public) {
		t.Error("G8: theirs is right")
	}
	if err := grip.NewVerifier([]grip.Proxy{{VerifyKey: key}}).Verify(genuine, time.Now()); err != nil {
		t.Errorf("G8: %v", err)
	}
	// G10: theirs accepts tokens made with an empty key; ours has no such key.
	if _, err := grip.ParseKey(""); err == nil {
		t.Error("G10: the empty key is a key")
	}
	// G12: theirs checks no issuer.
	if key, err = grip.ParseKey("changeme"); err != nil {
		t.Fatal(err)
	}
	if grip.NewVerifier([]grip.Proxy{{VerifyKey: key, VerifyIssuer: "fastly:x"}}).Proxied(good, time.Now()) {
		t.Error("G12: a token of another issuer counts")
	}
}

// ecKeys is a new pair, the public one as PEM.
func ecKeys(t *testing.T) (private grip.Key, public string) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair)
	if private, err = grip.ParseKey(encode("PRIVATE KEY", der, err)); err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKIXPublicKey(&pair.PublicKey)
	return private, encode("PUBLIC KEY", der, err)
}

// G34: theirs has no field for these, so that ToItem carries them as formats.
func TestItemFieldsThatTheirsLacks(t *testing.T) {
	item, err := ToItem(grip.Item{
		Channel: "c", NoSeq: true, Size: 3, Meta: map[string]string{"a": "b"}, HTTPStream: &grip.HTTPStream{ContentFilters: []string{"build-id"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	exported, err := item.Export()
	if err != nil {
		t.Fatal(err)
	}
	want := "map[http-stream:map[content: content-filters:[build-id]] meta:map[a:b] no-seq:true size:3]"
	if got := fmt.Sprint(exported); got != want {
		t.Errorf("exports %s, want %s", got, want)
	}
}
