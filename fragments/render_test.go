package fragments_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func TestATemplateMakesANamedEventForHTMX2AndAPartOfAMessageForHTMX4(t *testing.T) {
	s := open(t, "pump/temperature.html", "<b>{{.Data.temperature}} °C</b>\n", "pump/place.html", "{{.Type}}/{{.ID}} {{.Time.Format \"15:04\"}}")
	e := event(t, "pump", "p1", "data", `{"temperature":25.30}`)
	s.wantSSE(channels.FormHTML2, e,
		":more", "event: place", "data: pump/p1 12:00", "",
		"event: temperature", "id: id", "data: <b>25.3 °C</b>", "", "")
	s.wantSSE(channels.FormHTML4, e, "id: id",
		`data: <hx-partial hx-target="findAll [data-fragment='place'],[data-fragment='pump/p1/place']">pump/p1 12:00</hx-partial>`+
			`<hx-partial hx-target="findAll [data-fragment='temperature'],[data-fragment='pump/p1/temperature']"><b>25.3 °C</b></hx-partial>`, "", "")
}

func TestTheTemplateCalledMessageIsTheMessage(t *testing.T) {
	s := open(t, "pump/message.html", "{{.ID}}:\n{{.Data.n}}")
	e := event(t, "pump", "p1", "data", `{"n":1}`)
	s.wantSSE(channels.FormHTML2, e, "event: message", "id: id", "data: p1:", "data: 1", "", "")
	s.wantSSE(channels.FormHTML4, e, "id: id", "data: p1:", "data: 1", "", "")
}

func TestATemplateThatSaysWhereItsPartsGoIsLeftAsItIs(t *testing.T) {
	s := open(t, "pump/row.html", `<i id="{{.ID}}" hx-swap-oob="true">{{.Data.n}}</i>`, "pump/two.html", `<hx-partial hx-target="#a">1</hx-partial>`)
	s.wantSSE(channels.FormHTML4, event(t, "pump", "p1", "data", `{"n":1}`), "id: id",
		`data: <i id="p1" hx-swap-oob="true">1</i><hx-partial hx-target="#a">1</hx-partial>`, "", "")
}

func TestWhereNoTemplateHasAnythingToShowThereIsOnlyTheID(t *testing.T) {
	s := open(t, "pump/temperature.html", `{{if has .Data "temperature"}}{{.Data.temperature}}{{end}}`)
	for _, form := range channels.HTMLForms() {
		s.wantSSE(form, event(t, "pump", "p1", "data", `{"humidity":80}`), "id: id", "", "")
	}
	items := s.AppendItems(nil, event(t, "pump", "p1", "data", `{"humidity":80}`), "", anybody)
	if len(items) != 4 || string(items[0].HTTPStream.Content) != "id: %I\n\n" {
		t.Errorf("%d items: %+v", len(items), items)
	}
}

func TestItemsAreWhatTheLogShowsOnChannelsOfTheirOwn(t *testing.T) {
	s := open(t, "pump/a.html", "{{.Data.level}}", "pump/b.html", "<p>\n100%</p>")
	e := event(t, "pump", "p1", "data", `{"level":"50%"}`)
	e.SkipUsers = []string{"7", "8"}
	items := s.AppendItems(nil, e, "x-", anybody)
	want := []string{"x-html2-iot_pump 7 6", "x-html2-iot_pump_p1 3 2", "x-html4-iot_pump 7 6", "x-html4-iot_pump_p1 3 2"}
	if len(items) != len(want) {
		t.Fatalf("%d items: %+v", len(items), items)
	}
	for i, item := range items {
		if got := fmt.Sprint(item.Channel, " ", item.ID, " ", item.PrevID); got != want[i] || item.Meta["skip_users"] != "7,8" || item.WSMessage != nil || item.HTTPResponse != nil {
			t.Errorf("item %d is %q: %+v", i, got, item)
		}
		form := channels.HTMLForms()[i/2]
		rendered := strings.ReplaceAll(strings.ReplaceAll(string(item.HTTPStream.Content), "%I", "id"), "%%", "%")
		if rendered != s.sse(form, e) {
			t.Errorf("live:\n%s\nfrom the log:\n%s", rendered, s.sse(form, e))
		}
	}
}

func TestChannelsWithoutTemplatesHaveNoItems(t *testing.T) {
	s := open(t, "pump/a.html", "a")
	if items := s.AppendItems(nil, event(t, "valve", "p1", "data", `{}`), "", anybody); len(items) != 0 {
		t.Errorf("a valve's event has %+v", items)
	}
	for name, want := range map[channels.Channel]bool{"iot_pump": true, "iot_pump_p1": true, "iot_pump_": false, "iot_pumps": false, "pump": false, "@public": false, "iot_": false} {
		if s.Has(name) != want {
			t.Errorf("Has(%q) is %v", name, !want)
		}
	}
}

func TestWhatIsNoDevicesEventIsShownAsItWasPublished(t *testing.T) {
	s := open(t, "pump/a.html", "a")
	for name, draft := range map[string]channels.Draft{
		"HTML from a shell": {Data: []byte("<b>1</b>"), Raw: true},
		"JSON":              {Type: "note", Data: []byte(`{"event":"x"}`)},
		"of a foreign form": {Type: "data", Data: []byte(`[1]`), Device: channels.DeviceRef{Type: "pump", ID: "p1"}},
	} {
		t.Run(name, func(t *testing.T) {
			draft.Channels = []channels.Channel{"iot_pump"}
			e := &channels.Event{Draft: draft, Positions: []channels.Position{{Channel: "iot_pump", Seq: 1}}}
			for _, form := range channels.HTMLForms() {
				if got := s.sse(form, e); got != string(e.AppendSSE(nil, "id")) {
					t.Errorf("as %s: %s", form, got)
				}
			}
			if items := s.AppendItems(nil, e, "", anybody); len(items) != 2 || string(items[0].HTTPStream.Content) != string(e.AppendCompositeItems(nil, "", anybody)[0].HTTPStream.Content) {
				t.Errorf("items %+v", items)
			}
		})
	}
}

func TestTheStateStandsInTheEventSoThatItIsTheSameLater(t *testing.T) {
	s := open(t, "pump/card.html", `{{.Status}} {{.State.a}} {{.State.b}}`)
	e := event(t, "pump", "p1", "data", `{"a":1}`)
	s.wantSSE(channels.FormHTML2, e, "id: id", "", "")
	e.Private = json.RawMessage(`{"state":{"status":"online","values":{"a":1,"b":2}}}`)
	s.wantSSE(channels.FormHTML2, e, "event: card", "id: id", "data: online 1 2", "", "")
	status := event(t, "pump", "p1", "status", `{"old_status":"online","new_status":"error"}`)
	s = open(t, "pump/card.html", `{{.OldStatus}} → {{.Status}}`)
	s.wantSSE(channels.FormHTML2, status, "event: card", "id: id", "data: online → error", "", "")
}

func TestWhatAHookKeepsFromViewersIsNotInTheirHTMLEither(t *testing.T) {
	s := open(t, "pump/card.html", `{{.Data.a}} {{.Data.secret}} {{.State.secret}}`)
	e := event(t, "pump", "p1", "data", `{"a":1,"secret":"x"}`)
	e.Private = json.RawMessage(`{"state":{"status":"online","values":{"a":1,"secret":"x"}}}`)
	e.Shown = &channels.Shown{Type: "data", Data: event(t, "pump", "p1", "data", `{"a":2}`).Data}
	s.wantSSE(channels.FormHTML2, e, "event: card", "id: id", "data: 2", "", "")
	e.Shown = &channels.Shown{Nobody: true}
	for _, form := range channels.HTMLForms() {
		s.wantSSE(form, e, "id: id", "", "")
	}
	if items := s.AppendItems(nil, e, "", anybody); len(items) != 4 || string(items[0].HTTPStream.Content) != "id: %I\n\n" {
		t.Errorf("items %+v", items)
	}
}

func TestAReplayIsToldInHTMLStreamsToo(t *testing.T) {
	s := open(t, "pump/a.html", "a", "pump/b.html", "b")
	e := event(t, "pump", "p1", "data", `{}`)
	e.ReplayOf, e.Replay = 4, 1
	s.wantSSE(channels.FormHTML2, e, "event: stream-replay", `data: {"event_id":"4","replay":1}`, "", ":more", "event: a", "data: a", "", "event: b", "id: id", "data: b", "", "")
}

func TestHostileDevicesStayText(t *testing.T) {
	s := open(t, "pump/a.html", `<b title="{{.Data.v}}">{{.Data.v}}</b>{{stat . "v" "<u>"}}{{chart . "n"}}`)
	hostile := "<script>alert(1)</script>\" ' onclick=x"
	data, err := json.Marshal(map[string]any{"v": hostile, "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	e := event(t, "pump", `p'"<],*`, "data", string(data))
	for _, form := range channels.HTMLForms() {
		got := s.sse(form, e)
		for _, bad := range []string{"<script", `" onclick`, "<u>", `p'"`, "<]"} {
			if strings.Contains(got, bad) {
				t.Errorf("as %s it holds %s:\n%s", form, bad, got)
			}
		}
	}
	if got := s.sse(channels.FormHTML4, e); !strings.Contains(got, `[data-fragment='pump/p\000027\000022\00003c\00005d\00002c\00002a/a']`) {
		t.Errorf("the target is %s", got)
	}
}

func TestATemplateThatFailsTakesNothingElseDown(t *testing.T) {
	s := open(t,
		"pump/bad.html", `{{index .Data.list 5}}`,
		"pump/good.html", `{{.Data.n}}`,
		"pump/long.html", `{{if has .Data "long"}}{{range .Data.long}}`+strings.Repeat("x", 2000)+`{{end}}{{end}}`,
		"pump/loop.html", `{{define "loop"}}{{template "loop" .}}{{end}}{{if has .Data "loop"}}{{template "loop" .}}{{end}}`)
	s.wantSSE(channels.FormHTML2, event(t, "pump", "p1", "data", `{"n":1,"list":[1]}`), "event: good", "id: id", "data: 1", "", "")
	if log := s.log.String(); !strings.Contains(log, "template=pump/bad.html") || !strings.Contains(log, "event=9") {
		t.Errorf("the log says %s", log)
	}
	for range 100 {
		s.sse(channels.FormHTML2, event(t, "pump", "p1", "data", `{"list":[1]}`))
	}
	if lines := strings.Count(s.log.String(), "\n"); lines > 3 {
		t.Errorf("the log has %d lines", lines)
	}
	long := fmt.Sprintf(`{"n":1,"list":[1,2,3,4,5,6],"long":[%s1]}`, strings.Repeat("1,", 100))
	s.wantSSE(channels.FormHTML2, event(t, "pump", "p1", "data", long), ":more", "event: bad", "data: 6", "", "event: good", "id: id", "data: 1", "", "")
	s.wantSSE(channels.FormHTML2, event(t, "pump", "p1", "data", `{"n":1,"list":[1,2,3,4,5,6],"loop":1}`), ":more", "event: bad", "data: 6", "", "event: good", "id: id", "data: 1", "", "")
}

func TestNoEventOutgrowsAReply(t *testing.T) {
	text := strings.Repeat("%\n", 3000)
	s := open(t, "pump/a.html", text, "pump/b.html", text, "pump/c.html", text, "pump/d.html", text)
	for _, form := range channels.HTMLForms() {
		e := event(t, "pump", "p1", "data", `{}`)
		for _, item := range s.AppendItems(nil, e, "", anybody) {
			if n := len(item.HTTPStream.Content); n > channels.ReplayBytes || n < 10_000 {
				t.Errorf("an item has %d bytes", n)
			}
		}
		if n := len(s.sse(form, e)); n > channels.ReplayBytes {
			t.Errorf("as %s it has %d bytes", form, n)
		}
	}
}

func TestASnapshotShowsWhatIsKnownNow(t *testing.T) {
	s := open(t, "pump/a.html", `{{.Event}} {{.Status}} {{.Data.n}} {{chart . "n"}}`)
	device := devices.Device{DeviceRef: channels.DeviceRef{Type: "pump", ID: "p1"}, State: devices.State{Status: devices.Online, LastSeen: noon,
		Values: map[string]json.RawMessage{"n": json.RawMessage("3"), "text": json.RawMessage(`"x"`)}}}
	recent := []channels.Event{*event(t, "pump", "p1", "data", `{"n":1}`), *event(t, "pump", "p1", "status", `{}`), *event(t, "pump", "p1", "data", `{"n":3}`)}
	html, err := s.Snapshot("a", device, recent)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"snapshot online 3 ", `series="pump/p1/n"`, `<polyline points="0.0,30.0 120.0,2.0 "/>`, `<data value="1" data-time="2025-01-15T12:00:00Z">`} {
		if !strings.Contains(string(html), want) {
			t.Errorf("%s\ndoes not hold %s", html, want)
		}
	}
	if _, err := s.Snapshot("none", device, nil); err == nil {
		t.Error("a template that is not there is shown")
	}
}

// anybody tells of each channel that it may be watched.
func anybody(string) bool { return true }
