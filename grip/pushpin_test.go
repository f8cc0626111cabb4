package grip

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests hold the package against what a real Pushpin 1.36 sent and made
// of our bytes. testdata/record wrote it down.
const recordings = "testdata/pushpin-1.36"

// recordedKey is the sig_key of the recorded Pushpin.
const recordedKey = "a-key-for-recordings"

func recordedAt(t *testing.T) time.Time {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, "recorded-at"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func recordedRequest(t *testing.T, name string) (*http.Request, []byte) {
	t.Helper()
	f, err := os.Open(filepath.Join(recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := http.ReadRequest(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

type exchange struct {
	Kind, Name, Sent, Got string
	Status                int
}

// recordedText undoes the base64 of texts that are not UTF-8.
func recordedText(t *testing.T, s string) string {
	t.Helper()
	encoded, ok := strings.CutPrefix(s, "base64:")
	if !ok {
		return s
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exchanges(t *testing.T, kind string) []exchange {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, "exchanges.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var found []exchange
	for line := range strings.Lines(string(text)) {
		var e exchange
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == kind {
			e.Name, e.Sent, e.Got = recordedText(t, e.Name), recordedText(t, e.Sent), recordedText(t, e.Got)
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no exchanges of kind %s are recorded", kind)
	}
	return found
}

func TestPushpinsSignaturesAreAccepted(t *testing.T) {
	p, err := ParseURL("http://localhost:5561?key=" + recordedKey + "&verify-iss=pushpin")
	if err != nil {
		t.Fatal(err)
	}
	v, at := NewVerifier([]Proxy{p}), recordedAt(t)
	files, err := filepath.Glob(filepath.Join(recordings, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded requests", err)
	}
	for _, file := range files {
		r, _ := recordedRequest(t, filepath.Base(file))
		sig := r.Header.Get(HeaderSig)
		if err := v.Verify(sig, at); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if v.Proxied(sig, at.Add(2*time.Hour)) {
			t.Errorf("%s: still counts after two hours", file)
		}
		if other, _ := NewSecret([]byte("other")); NewVerifier([]Proxy{{Key: other}}).Proxied(sig, at) {
			t.Errorf("%s: counts with another key", file)
		}
	}
}

func TestPushpinsFeatures(t *testing.T) {
	r, _ := recordedRequest(t, "stream.http")
	f := ParseFeatures(r.Header.Values(HeaderFeature))
	for _, feature := range []string{
		FeatureStatus, FeatureSession, FeatureLinkNext, FeatureFilter(FilterSkipSelf), FeatureFilter(FilterSkipUsers),
		FeatureFilter(FilterRequireSub), FeatureFilter(FilterBuildID), FeatureFilter(FilterVarSubst),
	} {
		if !f.Has(feature) {
			t.Errorf("%s is not among %v", feature, f)
		}
	}
	if f.Has(FeatureLinkGone) {
		t.Error("1.36 names link:gone")
	}
}

func TestPushpinsPositions(t *testing.T) {
	for file, want := range map[string][]Last{
		"stream.http":     nil,
		"poll.http":       nil,
		"next-link.http":  {{"one", "1"}, {"two", "7"}},
		"poll-retry.http": {{"poll", "4"}},
	} {
		r, _ := recordedRequest(t, file)
		got, err := ParseLast(r.Header.Values(HeaderLast))
		slices.SortFunc(got, func(a, b Last) int { return strings.Compare(a.Channel, b.Channel) }) // Pushpin has no order
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", file, got, err, want)
		}
	}
	if r, _ := recordedRequest(t, "next-link.http"); r.Header.Get("Cookie") != "" {
		t.Error("a next link carries the client's cookies, so links need no identity of their own")
	}
}

func TestPushpinsWebSocketEvents(t *testing.T) {
	event := func(kind, content string) []WSEvent {
		return []WSEvent{{Type: kind, Content: []byte(content), HasContent: true}}
	}
	for file, want := range map[string][]WSEvent{
		"websocket-00.http": {OpenEvent()},
		"websocket-01.http": event(EventText, "hello"),
		"websocket-02.http": {{Type: EventText}}, // an empty message has no content
		"websocket-03.http": event(EventText, "Grüße, 世界 🌍\r\nCLOSE\r\n"),
		"websocket-04.http": event(EventBinary, "\x00\xff\r\n\x80"),
		"websocket-05.http": event(EventPing, "1"),
		"websocket-06.http": event(EventClose, "\x0f\xa1bye, Grüße"),
		"websocket-08.http": {{Type: EventClose}},
		"websocket-10.http": {{Type: EventDisconnect}},
	} {
		r, body := recordedRequest(t, file)
		if r.Header.Get("Content-Type") != TypeWSEvents || r.Header.Get(HeaderConnectionID) == "" || r.Header.Get(HeaderWSExtensions) != WSExtension {
			t.Errorf("%s: headers are %v", file, r.Header)
		}
		events, err := DecodeWSEvents(body)
		if err != nil || !reflect.DeepEqual(events, want) {
			t.Errorf("%s: %v, %v, want %v", file, events, err, want)
		}
		if back, err := EncodeWSEvents(events); err != nil || string(back) != string(body) {
			t.Errorf("%s: written back as %q, %v", file, back, err)
		}
	}
	_, body := recordedRequest(t, "websocket-06.http")
	events, err := DecodeWSEvents(body)
	if err != nil {
		t.Fatal(err)
	}
	if code, reason, err := CloseStatus(events[0]); code != 4001 || reason != "bye, Grüße" || err != nil {
		t.Errorf("closed with %d %q, %v", code, reason, err)
	}
}

func TestPushpinTakesEveryItemAsWeWriteIt(t *testing.T) {
	for _, e := range exchanges(t, "item") {
		if e.Status != http.StatusOK {
			t.Errorf("%s: %d %s", e.Name, e.Status, e.Got)
		}
		items, err := ParseItems([]byte(e.Sent))
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if back, err := AppendItems(nil, items); err != nil || string(back) != e.Sent {
			t.Errorf("%s: is written %s, %v\nbut was recorded as %s", e.Name, back, err, e.Sent)
		}
		if want := deliveryOf(e.Name, items[0]); want != e.Got {
			t.Errorf("%s: the client got %q, want %q", e.Name, e.Got, want)
		}
	}
}

// deliveryOf is what the recorded client should have seen of an item.
func deliveryOf(name string, it Item) string {
	switch {
	case name == "stream hint":
		return "<next link>"
	case name == "response hint":
		return "200 OK X-Test=[] <asked again><end>"
	case name == "response status":
		return "404 Not Here X-Test=[] none<end>"
	case name == "response headers":
		return `200 OK X-Test=[a b, "c"] h<end>`
	case name == "response patch":
		return `200 OK X-Test=[] {"held":"new"}<end>`
	case name == "ws close":
		return "<close 1000 >"
	case name == "ws close with code":
		return "<close 4001 Grüße>"
	case it.HTTPStream != nil && it.HTTPStream.Action == ActionClose:
		return "<end>"
	case it.HTTPStream != nil:
		return string(it.HTTPStream.Content)
	case it.HTTPResponse != nil:
		return "200 OK X-Test=[] " + string(it.HTTPResponse.Body) + "<end>"
	case it.WSMessage.Type == WSPing || it.WSMessage.Type == WSPong:
		return "<" + string(it.WSMessage.Type) + " " + string(it.WSMessage.Content) + ">"
	case it.WSMessage.Type == WSBinary:
		return "<binary>" + string(it.WSMessage.Content)
	}
	return "<text>" + string(it.WSMessage.Content)
}

func TestWhatPushpinRefusesCannotBeWritten(t *testing.T) {
	for _, e := range exchanges(t, "refusal") {
		if e.Status != http.StatusBadRequest {
			t.Errorf("%s: Pushpin answered %d %s", e.Name, e.Status, e.Got)
		}
		if e.Name == "ws refresh" {
			continue // later versions take it
		}
		if items, err := ParseItems([]byte(e.Sent)); err == nil {
			t.Errorf("%s: accepted as %+v", e.Name, items)
		}
	}
}

func TestPushpinReadsOurKeepAlives(t *testing.T) {
	for _, e := range exchanges(t, "keep-alive") {
		header, err := KeepAlive{Data: []byte(e.Name), Timeout: time.Second}.Header()
		if err != nil || header != e.Sent {
			t.Errorf("%q is written %q, %v, but was recorded as %q", e.Name, header, err, e.Sent)
		}
		if e.Got == "" || strings.ReplaceAll(e.Got, e.Name, "") != "" {
			t.Errorf("%q arrived as %q", e.Name, e.Got)
		}
	}
}

func TestPushpinReadsOurMeta(t *testing.T) {
	for _, e := range exchanges(t, "meta") {
		header, err := SetMeta(map[string]string{"user": e.Name, "other": "x"})
		if err != nil || header != e.Sent {
			t.Errorf("%q is written %q, %v, but was recorded as %q", e.Name, header, err, e.Sent)
		}
		if e.Got != e.Name {
			t.Errorf("%q arrived as %q", e.Name, e.Got)
		}
	}
}

func TestPushpinReadsOurChannels(t *testing.T) {
	for _, e := range exchanges(t, "channel") {
		if e.Got != "got it\ngot it\n" {
			t.Errorf("%q: two subscriptions brought %q", e.Sent, e.Got)
		}
	}
}

func TestPushpinFollowsOurLinks(t *testing.T) {
	for _, e := range exchanges(t, "link") {
		_, uri, _ := strings.Cut(e.Name, " ")
		header, err := Link{URI: uri, Rel: RelNext, Timeout: time.Hour}.Header()
		if err != nil || header != e.Sent {
			t.Errorf("%q is written %q, %v, but was recorded as %q", uri, header, err, e.Sent)
		}
		followed, _, _ := strings.Cut(escapeLink(uri), "#")
		if e.Got != followed {
			t.Errorf("%q was followed as %q, want %q", uri, e.Got, followed)
		}
	}
}

func TestPushpinRendersOurIDFormats(t *testing.T) {
	for _, e := range exchanges(t, "build-id") {
		if want := "id=" + e.Name + "%:2 100% %I %(x)s"; e.Got != want {
			t.Errorf("%s: rendered %q, want %q", e.Sent, e.Got, want)
		}
	}
}

func TestPushpinFiltersBodiesOfPagesThatNameTheirChannels(t *testing.T) {
	want := map[string]string{
		"escaped percent": "1 100% sure\n2 100% sure\n3 100% sure\n",
		"given position":  "1 id=a:1\n2 id=a:1\n3 id=a:1\n",
		// In a body, %I without an id ends the stream: positions are known only to items.
		"position of the hold": "\n\nfilter error: build-id: No ID specified and no default ID in context at position 6\n<end>",
	}
	for _, e := range exchanges(t, "page") {
		if e.Got != want[e.Name] {
			t.Errorf("%s: got %q, want %q", e.Name, e.Got, want[e.Name])
		}
	}
}

func TestPushpinHoldsByJSON(t *testing.T) {
	for _, e := range exchanges(t, "instruct") {
		const keepAlive, want = "<keep-alive>", "open \xff\n\"7\"\n"
		if e.Status != http.StatusCreated || strings.ReplaceAll(e.Got, keepAlive, "") != want || !strings.Contains(e.Got, keepAlive) {
			t.Errorf("%q: got %d %q, want %q and keep-alives", e.Name, e.Status, e.Got, want)
		}
	}
}

func TestPushpinObeysControlMessages(t *testing.T) {
	want := map[string]string{
		"subscribe":           "<text>hello",
		"unsubscribe":         "",
		"set-meta":            `<text>hello "7", Grüße`,
		"set-meta to nothing": "", // the filter finds no variable and drops the message
		"keep-alive text":     "<text>alive",
		"keep-alive binary":   "<binary>\xff",
		"keep-alive ping":     "<ping >",
		"keep-alive off":      "",
		"send-delayed":        "<text>late",
		"flush-delayed":       "<binary>text",
		"session":             "",
		"detach":              "",
	}
	for _, e := range exchanges(t, "control") {
		got, ok := strings.CutPrefix(e.Got, "<text>open")
		if w := want[e.Name]; !ok || !strings.HasPrefix(got, w) || (w == "") != (got == "") {
			t.Errorf("%s: the client got %q, want %q", e.Name, e.Got, w)
		}
	}
}
