package fanout

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/fanout/go-gripcontrol"
	"github.com/fanout/go-pubcontrol"
	"github.com/griphub/griphub/grip"
)

// ownFormat is a format that an application made itself.
type ownFormat struct {
	name  string
	value any
}

func (f ownFormat) Name() string { return f.name }
func (f ownFormat) Export() any  { return f.value }

func TestItemsOfTheFanoutLibraries(t *testing.T) {
	for name, c := range map[string]struct {
		format pubcontrol.Formatter
		want   grip.Item
	}{
		"stream": {
			&gripcontrol.HttpStreamFormat{Content: []byte("Grüße\n")},
			grip.Item{HTTPStream: &grip.HTTPStream{Content: []byte("Grüße\n")}},
		},
		"binary stream": {
			&gripcontrol.HttpStreamFormat{Content: []byte("\xff\x00")},
			grip.Item{HTTPStream: &grip.HTTPStream{Content: []byte("\xff\x00")}},
		},
		"stream close": {
			&gripcontrol.HttpStreamFormat{Close: true},
			grip.Item{HTTPStream: &grip.HTTPStream{Action: grip.ActionClose}},
		},
		"response": {
			&gripcontrol.HttpResponseFormat{Code: 404, Reason: "No", Headers: map[string]string{"A": "1"}, Body: []byte("none")},
			grip.Item{HTTPResponse: &grip.HTTPResponse{Code: 404, Reason: "No", Headers: http.Header{"A": {"1"}}, Body: []byte("none")}},
		},
		"text message": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("hi")},
			grip.Item{WSMessage: &grip.WSMessage{Content: []byte("hi")}},
		},
		"binary message": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("\xff\x00"), Binary: true},
			grip.Item{WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("\xff\x00")}},
		},
		"binary message that looks like base64": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("aGk="), Binary: true},
			grip.Item{WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("aGk=")}},
		},
		"text message that is not UTF-8": {
			&gripcontrol.WebSocketMessageFormat{Content: []byte("\xff")},
			grip.Item{WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("\xff")}},
		},
	} {
		c.want.Channel, c.want.ID, c.want.PrevID = "c", "2", "1"
		got, err := FromItem("c", pubcontrol.NewItem([]pubcontrol.Formatter{c.format}, "2", "1"))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: item %+v, %v", name, got, err)
		}
		got, err = FromFormats("c", "2", "1", c.format)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: formats %+v, %v", name, got, err)
		}
	}
}

func TestFormatsOfAnApplicationAreTakenAsAControlPortDoes(t *testing.T) {
	own := ownFormat{"ws-message", map[string]any{"content-bin": "aGk="}}
	got, err := FromFormats("c", "", "", own, ownFormat{"meta", map[string]string{"sender": "7"}})
	want := grip.Item{
		Channel: "c", Meta: map[string]string{"sender": "7"},
		WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("hi")},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("item %+v, %v", got, err)
	}
	if message := own.value.(map[string]any); len(message) != 1 || message["content-bin"] != "aGk=" {
		t.Errorf("the application's own value became %v", message)
	}
}

func TestItemsThatNoProxyTakes(t *testing.T) {
	var typedNil *gripcontrol.HttpStreamFormat
	stream := &gripcontrol.HttpStreamFormat{Content: []byte("x")}
	for name, formats := range map[string][]pubcontrol.Formatter{
		"none":              nil,
		"nil":               {nil},
		"typed nil":         {typedNil}, // G37
		"without content":   {&gripcontrol.HttpStreamFormat{}},
		"without body":      {&gripcontrol.HttpResponseFormat{}},
		"twice the same":    {stream, stream},
		"that is no JSON":   {ownFormat{"http-stream", func() {}}},
		"that is no object": {ownFormat{"http-stream", 1}},
		"of unknown name":   {ownFormat{"json-object", map[string]any{}}},
	} {
		if it, err := FromFormats("c", "", "", formats...); err == nil {
			t.Errorf("formats %s became %+v", name, it)
		}
	}
	if it, err := FromItem("", pubcontrol.NewItem([]pubcontrol.Formatter{stream}, "", "")); err == nil {
		t.Errorf("an item without channel became %+v", it)
	}
	if it, err := FromItem("c", nil); err == nil {
		t.Errorf("no item became %+v", it)
	}
}

func TestItemsThereAndBack(t *testing.T) {
	for _, it := range []grip.Item{
		{Channel: "c", ID: "2", PrevID: "1", HTTPStream: &grip.HTTPStream{Content: []byte("x"), ContentFilters: []string{"build-id"}}},
		{Channel: "c", HTTPStream: &grip.HTTPStream{Action: grip.ActionHint}},
		{Channel: "c", NoSeq: true, Size: 5, Meta: map[string]string{"a": "b"}, HTTPStream: &grip.HTTPStream{Content: []byte("\xff")}},
		{Channel: "c", HTTPResponse: &grip.HTTPResponse{Headers: http.Header{"A": {"1", "2"}}, Body: []byte("\xff")}},
		{Channel: "c", WSMessage: &grip.WSMessage{Action: grip.ActionClose, Code: 4001, Reason: "x"}},
		{Channel: "c", WSMessage: &grip.WSMessage{Type: grip.WSPing, Content: []byte{}}},
		{Channel: "c", WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("aGk=\xff")}},
		{Channel: "c", WSMessage: &grip.WSMessage{Type: grip.WSPong, Content: []byte("\xff")}},
	} {
		item, err := ToItem(it)
		if err != nil {
			t.Errorf("%+v: %v", it, err)
			continue
		}
		back, err := FromItem(it.Channel, item)
		if err != nil || !reflect.DeepEqual(back, it) {
			t.Errorf("%+v came back as %+v, %v", it, back, err)
		}
	}
	if _, err := ToItem(grip.Item{}); err == nil {
		t.Error("an empty item became one of pubcontrol")
	}
}

// What go-pubcontrol would post of our item is what a control port takes.
func TestItemsExportAsAControlPortTakesThem(t *testing.T) {
	it := grip.Item{
		Channel: "c", ID: "1", Meta: map[string]string{"a": "b"}, NoSeq: true,
		WSMessage: &grip.WSMessage{Type: grip.WSBinary, Content: []byte("\xff")},
	}
	item, err := ToItem(it)
	if err != nil {
		t.Fatal(err)
	}
	exported, err := item.Export()
	if err != nil {
		t.Fatal(err)
	}
	exported["channel"] = "c" // as its client does
	body, err := json.Marshal(map[string]any{"items": []any{exported}})
	if err != nil {
		t.Fatal(err)
	}
	items, err := grip.ParseItems(body)
	if err != nil || !reflect.DeepEqual(items[0], it) {
		t.Errorf("%s was read as %+v, %v", body, items, err)
	}
	if !strings.Contains(string(body), `"content-bin":"/w=="`) {
		t.Errorf("binary content is not base64: %s", body)
	}
}
