package web_test

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/fragments"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// withTemplates gives the hub templates: names and texts in turn.
func withTemplates(t testing.TB, files ...string) func(*web.Options) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	library, err := fragments.Open(dir, fragments.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *web.Options) { o.Fragments = library }
}

func TestAStreamOfHTMLShowsTheSameLiveAndFromTheLog(t *testing.T) {
	for _, form := range []string{"2", "4"} {
		t.Run(form, func(t *testing.T) {
			library := withTemplates(t, "pump/a.html", "{{.ID}} 100% {{.Data.n}}", "pump/b.html", "{{if eq .Data.n 2.0}}two{{end}}")
			h := openHub(t, library)
			var o web.Options
			library(&o)
			target := "/iot/stream/pump/?html=" + form
			v := h.view(target, "X-User", "7")
			if sub, ok := v.in.subscriptions["html"+form+"-iot_pump"]; !ok || sub.prevID != "0" || len(sub.filters) != 2 {
				t.Fatalf("the stream is held on %q", v.in.names)
			}
			for _, data := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
				e := h.device("pump", "p1", data)
				v.deliverItems(o.Fragments.AppendItems(nil, &e, "", anybody))
			}
			fromLog := h.view(target, "X-User", "7", "Last-Event-ID", "iot_pump:0")
			if v.text != fromLog.text || strings.Contains(v.text, `"n"`) || !strings.Contains(v.text, "p1 100% 3") {
				t.Errorf("live:\n%s\nfrom the log:\n%s", v.text, fromLog.text)
			}
			// A gap, and what the proxy then asks for.
			h.device("pump", "p1", `{"n":4}`)
			e := h.device("pump", "p1", `{"n":5}`)
			v.deliverItems(o.Fragments.AppendItems(nil, &e, "", anybody))
			if fromLog := h.view(target, "X-User", "7", "Last-Event-ID", "iot_pump:0"); v.text != fromLog.text || !strings.Contains(v.text, "100% 5") {
				t.Errorf("after a gap:\n%s\nfrom the log:\n%s", v.text, fromLog.text)
			}
		})
	}
}

// deliverItems has the proxy send items, as deliver does with an event's own.
func (v *viewer) deliverItems(items []grip.Item) {
	v.Helper()
	for i := range items {
		v.deliverItem(&items[i])
	}
}

func TestWhoDoesNotAskForHTMLGetsNothingOfIt(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/a.html", "{{.Data.n}}"))
	h.device("pump", "p1", `{"n":1}`)
	v := h.view("/iot/stream/pump/", "X-User", "7", "Last-Event-ID", "iot_pump:0")
	if events := v.events(); v.in.names[0] != "events-iot_pump" || strings.Contains(strings.Join(v.in.names, " "), "html") || len(events) != 2 || !strings.HasPrefix(events[1].Data, `{"event":"data"`) {
		t.Errorf("the stream on %q shows %s", v.in.names, summary(events))
	}
}

func TestOneStreamMayHaveHTMLAndEvents(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/message.html", "{{.Data.n}}"))
	h.device("pump", "p1", `{"n":1}`)
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"room"}, Data: []byte("<b>hello</b>"), Raw: true})
	v := h.view("/events/?channel=iot_pump&channel=room&html=4", "X-User", "7", "Last-Event-ID", "iot_pump:0,room:0")
	events := v.events()
	if len(events) != 3 || events[1].Data != "1" || events[2].Data != "<b>hello</b>" || events[2].ID != "iot_pump:1,room:1" {
		t.Errorf("the stream shows %s", summary(events))
	}
	if !strings.HasPrefix(strings.Join(v.in.names, " "), "html4-iot_pump composite-room") {
		t.Errorf("the stream is held on %q", v.in.names)
	}
}

func TestAKickEndsAStreamOfHTML(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/a.html", "{{.Data.n}}"))
	h.device("pump", "p1", `{"n":1}`)
	v := h.view("/iot/stream/pump/?html=4", "X-User", "7")
	kick, err := channels.ParseKick("7", "iot_pump")
	if err != nil {
		t.Fatal(err)
	}
	v.deliver(h.publishDraft(kick.Draft()))
	if events := v.events(); !v.ended || events[len(events)-1].Type != "stream-error" {
		t.Errorf("the stream shows %s", summary(events))
	}
}

func TestAskingForHTMLThatNobodyMakesIsRefused(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/a.html", "{{.Data.n}}"))
	for target, want := range map[string]string{
		"/iot/stream/valve/?html=2": "there are no templates",
		"/iot/stream/pump/?html=3":  "want 2 or 4",
		"/iot/stream/pump/?html=on": "want 2 or 4",
	} {
		if p := wantProblem(t, h.get(target, "X-User", "7"), http.StatusBadRequest); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %s", target, p.Detail)
		}
	}
	if w := h.get("/events/?channel=room&html=2"); !strings.Contains(w.Body.String(), "there are no templates") {
		t.Errorf("/events/ answers %s", w.Body)
	}
	wantProblem(t, h.get("/iot/stream/pump/?html=2"), http.StatusUnauthorized)
}

func TestAComponentGoesOnWhereItWasRead(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/n.html", `{{stat . "n"}}{{chart . "n"}}`, "pump/message.html", "{{.Status}}"))
	h.device("pump", "p 1", `{"n":1}`)
	h.device("pump", "p 1", `{"n":2}`)
	for _, dialect := range []struct{ version, name, markup string }{
		{"2", "n", `hx-ext="sse" sse-connect="([^"]+)" sse-swap="n"><div class="griphub-stat">`},
		{"4", "n", `hx-sse:connect="([^"]+)" hx-swap="none"><div data-fragment="n"><div class="griphub-stat">`},
		{"4", "message", `hx-sse:connect="([^"]+)">online</div>`},
	} {
		w := h.direct("/components/pump/p%201/"+dialect.name+"/?html="+dialect.version, "X-User", "7")
		found := regexp.MustCompile(dialect.markup).FindStringSubmatch(w.Body.String())
		if w.Code != http.StatusOK || found == nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if dialect.name == "n" && strings.Count(w.Body.String(), "<data ") < 2 {
			t.Errorf("the chart is %s", w.Body)
		}
		wantHeader(t, w, "Content-Type", "text/html; charset=utf-8")
		h.device("pump", "p 1", `{"n":3}`)
		v := h.view(html.UnescapeString(found[1]), "X-User", "7")
		if events := v.events(); len(events) < 2 || !strings.HasSuffix(v.in.names[0], "-iot_pump_p%201") {
			t.Errorf("the stream on %q shows %s", v.in.names, summary(events))
		}
	}
	for target, status := range map[string]int{
		"/components/pump/p1/none?html=2": http.StatusNotFound, "/components/valve/p1/n?html=2": http.StatusNotFound,
		"/components/pump/p1/n": http.StatusBadRequest, "/components/pump/p1/n?html=5": http.StatusBadRequest,
	} {
		wantProblem(t, h.direct(target, "X-User", "7"), status)
	}
	wantProblem(t, h.direct("/components/pump/p1/n?html=2"), http.StatusUnauthorized)
	if w := h.direct("/components/pump/unheard/n?html=2", "X-User", "7"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "lastEventId=iot_pump_unheard%3A0") {
		t.Errorf("a device that has not spoken: %d %s", w.Code, w.Body)
	}
}

func TestAComponentOfAnotherSitesPageNamesTheWholeAddress(t *testing.T) {
	h := openHub(t, withTemplates(t, "pump/n.html", "n"), func(o *web.Options) { o.CORS = web.CORS{Origins: []string{"https://app.example"}} })
	w := h.direct("/components/pump/p1/n?html=2", "X-User", "7", "Origin", "https://app.example")
	if !strings.Contains(w.Body.String(), `sse-connect="//example.com/iot/stream/pump/p1/?`) {
		t.Errorf("the component is %s", w.Body)
	}
	wantHeader(t, w, "Access-Control-Allow-Origin", "https://app.example")
}
