package grip

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func appendItem(t testing.TB, it Item) string {
	t.Helper()
	b, err := it.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestItemOnTheWire(t *testing.T) {
	for want, it := range map[string]Item{
		`{"channel":"c","formats":{"http-stream":{"content":"data: x\n\n"}}}`: {
			Channel: "c", HTTPStream: &HTTPStream{Content: []byte("data: x\n\n")},
		},
		`{"channel":"c","id":"2","prev-id":"1","no-seq":true,"size":7,"meta":{"sender":"","skip_users":"1,2"},"formats":{"http-stream":{"action":"hint"}}}`: {
			Channel: "c", ID: "2", PrevID: "1", NoSeq: true, Size: 7,
			Meta: map[string]string{"skip_users": "1,2", "sender": ""}, HTTPStream: &HTTPStream{Action: ActionHint},
		},
		`{"channel":"c","formats":{"http-stream":{"content-bin":"/w=="},"http-response":{"body-bin":"/w=="},"ws-message":{"content-bin":"/w=="}}}`: {
			Channel: "c", HTTPStream: &HTTPStream{Content: []byte("\xff")},
			HTTPResponse: &HTTPResponse{Body: []byte("\xff")}, WSMessage: &WSMessage{Content: []byte("\xff")},
		},
		`{"channel":"c","formats":{"http-response":{"code":404,"reason":"No","headers":[["A","1"],["A","2"],["B","3"]],"body":"","content-filters":[]}}}`: {
			Channel: "c", HTTPResponse: &HTTPResponse{
				Code: 404, Reason: "No", Headers: http.Header{"B": {"3"}, "A": {"1", "2"}}, ContentFilters: []string{},
			},
		},
		`{"channel":"c","formats":{"http-response":{"body-patch":[{"op":"remove","path":"/a"}],"content-filters":["build-id"]}}}`: {
			Channel: "c", HTTPResponse: &HTTPResponse{
				BodyPatch: json.RawMessage(`[{"op":"remove","path":"/a"}]`), ContentFilters: []string{FilterBuildID},
			},
		},
		`{"channel":"c","formats":{"ws-message":{"content-bin":"aGk="}}}`: {
			Channel: "c", WSMessage: &WSMessage{Type: WSBinary, Content: []byte("hi")},
		},
		`{"channel":"c","formats":{"ws-message":{"type":"ping","content":""}}}`: {
			Channel: "c", WSMessage: &WSMessage{Type: WSPing},
		},
		`{"channel":"c","formats":{"ws-message":{"action":"close","code":4403,"reason":"no"}}}`: {
			Channel: "c", WSMessage: &WSMessage{Action: ActionClose, Code: 4403, Reason: "no"},
		},
		`{"channel":"c","formats":{"ws-message":{"action":"refresh"}}}`: {
			Channel: "c", WSMessage: &WSMessage{Action: ActionRefresh},
		},
	} {
		if got := appendItem(t, it); got != want {
			t.Errorf("wrote %s\nwant  %s", got, want)
		}
	}
}

// Each of these would make a proxy refuse the whole POST, drop the item in
// silence, or do something else than was meant.
func TestItemRefuses(t *testing.T) {
	stream, long := &HTTPStream{}, strings.Repeat("x", 126)
	for name, it := range map[string]Item{
		"no channel":                   {HTTPStream: stream},
		"channel not UTF-8":            {Channel: "\xff", HTTPStream: stream},
		"no format":                    {Channel: "c"},
		"id not UTF-8":                 {Channel: "c", ID: "\xff", HTTPStream: stream},
		"id that breaks Grip-Last":     {Channel: "c", ID: "a\r\nX: y", HTTPStream: stream},
		"prev-id that breaks a list":   {Channel: "c", ID: "b", PrevID: "a,b", HTTPStream: stream},
		"prev-id without id":           {Channel: "c", PrevID: "a", HTTPStream: stream},
		"negative size":                {Channel: "c", Size: -1, HTTPStream: stream},
		"size beyond an int":           {Channel: "c", Size: 1 << 31, HTTPStream: stream},
		"nameless meta":                {Channel: "c", Meta: map[string]string{"": "x"}, HTTPStream: stream},
		"meta not UTF-8":               {Channel: "c", Meta: map[string]string{"x": "\xff"}, HTTPStream: stream},
		"stream unknown action":        {Channel: "c", HTTPStream: &HTTPStream{Action: "open"}},
		"stream refresh":               {Channel: "c", HTTPStream: &HTTPStream{Action: ActionRefresh}},
		"stream close with content":    {Channel: "c", HTTPStream: &HTTPStream{Action: ActionClose, Content: []byte("bye")}},
		"stream hint with filters":     {Channel: "c", HTTPStream: &HTTPStream{Action: ActionHint, ContentFilters: []string{}}},
		"stream empty filter":          {Channel: "c", HTTPStream: &HTTPStream{ContentFilters: []string{""}}},
		"response close":               {Channel: "c", HTTPResponse: &HTTPResponse{Action: ActionClose}},
		"response hint with body":      {Channel: "c", HTTPResponse: &HTTPResponse{Action: ActionHint, Body: []byte("x")}},
		"response code":                {Channel: "c", HTTPResponse: &HTTPResponse{Code: 1000}},
		"response negative code":       {Channel: "c", HTTPResponse: &HTTPResponse{Code: -1}},
		"response reason with newline": {Channel: "c", HTTPResponse: &HTTPResponse{Reason: "OK\r\nX: y"}},
		"response header name":         {Channel: "c", HTTPResponse: &HTTPResponse{Headers: http.Header{"a b": {"x"}}}},
		"response header value":        {Channel: "c", HTTPResponse: &HTTPResponse{Headers: http.Header{"A": {"x\ny"}}}},
		"response body and patch":      {Channel: "c", HTTPResponse: &HTTPResponse{Body: []byte{}, BodyPatch: []byte("[]")}},
		"response patch not a list":    {Channel: "c", HTTPResponse: &HTTPResponse{BodyPatch: []byte("{}")}},
		"response patch null":          {Channel: "c", HTTPResponse: &HTTPResponse{BodyPatch: []byte("null")}},
		"response patch not JSON":      {Channel: "c", HTTPResponse: &HTTPResponse{BodyPatch: []byte(`[]},"x":{`)}},
		"response patch not UTF-8":     {Channel: "c", HTTPResponse: &HTTPResponse{BodyPatch: []byte("[\"\xff\"]")}},
		"response empty filter":        {Channel: "c", HTTPResponse: &HTTPResponse{ContentFilters: []string{""}}},
		"ws empty filter":              {Channel: "c", WSMessage: &WSMessage{ContentFilters: []string{""}}},
		"ws unknown action":            {Channel: "c", WSMessage: &WSMessage{Action: ActionHint}},
		"ws unknown type":              {Channel: "c", WSMessage: &WSMessage{Type: "texts"}},
		"ws text not UTF-8":            {Channel: "c", WSMessage: &WSMessage{Type: WSText, Content: []byte("\xff")}},
		"ws long ping":                 {Channel: "c", WSMessage: &WSMessage{Type: WSPing, Content: []byte(long)}},
		"ws send with code":            {Channel: "c", WSMessage: &WSMessage{Code: 1000}},
		"ws close with content":        {Channel: "c", WSMessage: &WSMessage{Action: ActionClose, Content: []byte("x")}},
		"ws close reserved code":       {Channel: "c", WSMessage: &WSMessage{Action: ActionClose, Code: 1006}},
		"ws close long reason":         {Channel: "c", WSMessage: &WSMessage{Action: ActionClose, Code: 1000, Reason: long}},
		"ws close reason alone":        {Channel: "c", WSMessage: &WSMessage{Action: ActionClose, Reason: "x"}},
		"ws refresh with content":      {Channel: "c", WSMessage: &WSMessage{Action: ActionRefresh, Content: []byte("x")}},
	} {
		if got, err := it.AppendJSON([]byte("before")); err == nil {
			t.Errorf("%s: wrote %s", name, got)
		} else if string(got) != "before" {
			t.Errorf("%s: the buffer became %q", name, got)
		}
	}
}

func TestItemRefusesABadFormatBesideGoodOnes(t *testing.T) {
	it := Item{Channel: "c", HTTPStream: &HTTPStream{}, HTTPResponse: &HTTPResponse{}, WSMessage: &WSMessage{Type: "?"}}
	if got, err := it.AppendJSON(nil); err == nil || !strings.HasPrefix(err.Error(), "ws-message: ") {
		t.Errorf("wrote %s, error %v", got, err)
	}
}

func TestAppendItems(t *testing.T) {
	good := Item{Channel: "c", HTTPStream: &HTTPStream{Content: []byte("x")}}
	body, err := AppendItems(nil, []Item{good, good})
	if err != nil {
		t.Fatal(err)
	}
	one := appendItem(t, good)
	if want := `{"items":[` + one + "," + one + "]}"; string(body) != want {
		t.Errorf("wrote %s, want %s", body, want)
	}
	if body, _ := AppendItems(nil, nil); string(body) != `{"items":[]}` {
		t.Errorf("no items are %s", body)
	}
	if body, err := AppendItems([]byte("before"), []Item{good, {}}); err == nil || !strings.HasPrefix(err.Error(), "item 1: ") || string(body) != "before" {
		t.Errorf("buffer %s, error %v", body, err)
	}
}

func TestAppendItemDoesNotAllocateIntoARoomyBuffer(t *testing.T) {
	buf := make([]byte, 0, 4096)
	it := Item{
		Channel: "events-pump", ID: "42", PrevID: "41", Meta: map[string]string{"skip_users": "7", "require_sub": "x"},
		HTTPStream: &HTTPStream{Content: []byte("event: message\nid: %I\ndata: {\"a\": \"é\"}\n\n"), ContentFilters: []string{FilterBuildID}},
		WSMessage:  &WSMessage{Content: []byte(`{"a": "é"}`)},
	}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := it.AppendJSON(buf); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations an item", allocs)
	}
}

func TestJSONStringsAreWhatAnyParserReads(t *testing.T) {
	var all strings.Builder
	for r := range rune(0x3000) {
		all.WriteRune(r)
	}
	all.WriteString("\ufffd\ufffe\uffff\U0010ffff</script>\u2028")
	for _, s := range []string{"", "plain", `"\`, all.String()} {
		encoded := appendJSONString(nil, s)
		var back string
		if err := json.Unmarshal(encoded, &back); err != nil || back != s {
			t.Errorf("%q became %q, %v", s, back, err)
		}
	}
}

func TestParseItemsReadsBothPlacesOfFormatsAndBothKindsOfHeaders(t *testing.T) {
	body := `{"items":[
		{"channel":"a","http-stream":{"content":"x"},"unknown":1},
		{"channel":"b","formats":{"http-response":{"headers":{"A":"1"},"body-bin":""},"ws-message":{"type":"ping"}}}
	]}`
	items, err := ParseItems([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{
		{Channel: "a", HTTPStream: &HTTPStream{Content: []byte("x")}},
		{
			Channel: "b", HTTPResponse: &HTTPResponse{Headers: http.Header{"A": {"1"}}, Body: []byte{}},
			WSMessage: &WSMessage{Type: WSPing},
		},
	}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("read %+v", items)
	}
}

func TestParseItemsRefuses(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", "{}", `{"items":null}`, `{"items":[null]}`, `{"items":[1]}`, `{"items":[]} x`, `{"items":[]}{}`,
		`{"items":[{"channel":1,"http-stream":{"content":""}}]}`,
		`{"items":[{"channel":"c","formats":{"http-stream":{"content-bin":"*"}}}]}`,
		`{"items":[{"channel":"c","formats":{"http-response":{"headers":[["a"]],"body":""}}}]}`,
		`{"items":[{"channel":"c","formats":{"http-response":{"headers":"a","body":""}}}]}`,
		`{"items":[{"channel":"c","formats":{"http-stream":{"action":"open"}}}]}`,
		`{"items":[{"channel":"c","formats":{"http-response":{"body-bin":"*"}}}]}`,
		`{"items":[{"channel":"c","formats":{"ws-message":{"content-bin":"*"}}}]}`,
	} {
		if items, err := ParseItems([]byte(body)); err == nil {
			t.Errorf("%s became %+v", body, items)
		}
	}
}

func BenchmarkAppendItem(b *testing.B) {
	content := []byte("event: message\nid: %I\ndata: {\"temperature\": 21.5, \"unit\": \"°C\", \"at\": \"2026-01-01T00:00:00Z\"}\n\n")
	it := Item{Channel: "events-iot_pump", ID: "42", PrevID: "41", HTTPStream: &HTTPStream{Content: content}}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = it.AppendJSON(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
