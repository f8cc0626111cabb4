package web_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// A subscription is an element of Grip-Channel.
type subscription struct {
	prevID  string
	filters []string
}

// An instruct is what a proxy understands of a response's headers.
type instruct struct {
	hold          string
	timeout       string
	subscriptions map[string]subscription
	names         []string
	meta          map[string]string
	keepAlive     string
	keepAliveOpts map[string]string
	next          string
	nextTimeout   string
}

// understand reads the GRIP headers the way Pushpin does, which knows no quoting in Grip-Channel and cuts the other
// headers at their first semicolon.
func understand(t testing.TB, h http.Header) instruct {
	t.Helper()
	in := instruct{hold: h.Get(grip.HeaderHold), timeout: h.Get(grip.HeaderTimeout), subscriptions: map[string]subscription{}}
	for element := range strings.SplitSeq(strings.Join(h.Values(grip.HeaderChannel), ","), ",") {
		name, params, _ := strings.Cut(element, ";")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		var sub subscription
		for param := range strings.SplitSeq(params, ";") {
			if params == "" {
				break
			}
			key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
			switch key {
			case "prev-id":
				sub.prevID = value
			case "filter":
				sub.filters = append(sub.filters, value)
			default:
				t.Errorf("%s has the parameter %q", grip.HeaderChannel, param)
			}
		}
		if _, twice := in.subscriptions[name]; twice || len(sub.filters) > 5 {
			t.Errorf("%s is %q", grip.HeaderChannel, h.Values(grip.HeaderChannel))
		}
		in.subscriptions[name] = sub
		in.names = append(in.names, name)
	}
	in.meta = understandMeta(t, h.Get(grip.HeaderSetMeta))
	if value := h.Get(grip.HeaderKeepAlive); value != "" {
		in.keepAlive, in.keepAliveOpts = understandKeepAlive(t, value)
	}
	for _, link := range h.Values(grip.HeaderLink) {
		uri, params, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if !ok || strings.ContainsAny(uri, ",; \"") {
			t.Errorf("%s is %q", grip.HeaderLink, link)
		}
		in.next = uri
		rest, timed := strings.CutPrefix(params, "; rel=next")
		if in.nextTimeout = strings.TrimPrefix(rest, "; timeout="); !timed {
			t.Errorf("%s is %q", grip.HeaderLink, link)
		}
	}
	return in
}

func understandMeta(t testing.TB, value string) map[string]string {
	t.Helper()
	meta := map[string]string{}
	for rest := value; rest != ""; {
		found := regexp.MustCompile(`^([a-z_]+)="((?:[^"\\]|\\.)*)"(?:, |$)`).FindStringSubmatch(rest)
		if found == nil {
			t.Fatalf("%s is %q", grip.HeaderSetMeta, value)
		}
		meta[found[1]] = regexp.MustCompile(`\\(.)`).ReplaceAllString(found[2], "$1")
		rest = rest[len(found[0]):]
	}
	return meta
}

func understandKeepAlive(t testing.TB, value string) (data string, options map[string]string) {
	t.Helper()
	data, params, _ := strings.Cut(value, ";")
	data, options = strings.TrimSpace(data), map[string]string{}
	for param := range strings.SplitSeq(params, ";") {
		key, v, _ := strings.Cut(strings.TrimSpace(param), "=")
		options[key] = v
	}
	switch options["format"] {
	case "cstring":
		data = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(data)
	case "base64":
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			t.Fatalf("%s is %q", grip.HeaderKeepAlive, value)
		}
		data = string(raw)
	}
	return data, options
}

// A viewer is a browser behind a Pushpin 1.36: what it has been sent, and how the proxy holds it.
type viewer struct {
	*hub
	response *httptest.ResponseRecorder // the first
	text     string                     // all bodies, as the browser gets them
	in       instruct                   // the last
	last     map[string]string          // the proxy's position on each channel
	pages    int
	filtered bool // the reply before had a build-id filter
	ended    bool
	between  func() // what happens before the proxy follows a link of a reply that it does not hold; nil for nothing
}

// view opens a stream through the proxy, which follows next links until it holds.
func (h *hub) view(target string, fields ...string) *viewer {
	h.Helper()
	return h.viewWhile(nil, target, fields...)
}

// viewWhile is view, and between two replies something happens.
func (h *hub) viewWhile(between func(), target string, fields ...string) *viewer {
	h.Helper()
	v := &viewer{hub: h, last: map[string]string{}, between: between}
	v.response = h.get(target, fields...)
	if v.response.Code != http.StatusOK || v.response.Header().Get("Content-Type") != "text/event-stream" {
		h.Fatalf("GET %s: %d %s: %s", target, v.response.Code, v.response.Header().Get("Content-Type"), v.response.Body)
	}
	wantHeader(h.TB, v.response, "Cache-Control", "no-cache")
	wantHeader(h.TB, v.response, "X-Accel-Buffering", "no")
	v.take(v.response, true)
	return v
}

// take does with a reply what the proxy does.
func (v *viewer) take(w *httptest.ResponseRecorder, first bool) {
	v.Helper()
	v.in = understand(v.TB, w.Header())
	filters := false
	for _, name := range v.in.names {
		sub := v.in.subscriptions[name]
		filters = filters || slices.Contains(sub.filters, grip.FilterBuildID)
		delete(v.last, name)
		if sub.prevID != "" {
			v.last[name] = sub.prevID
		}
		if sub.prevID != "" && v.in.next == "" {
			v.Fatalf("%s is held with a prev-id, without a next link", name)
		}
	}
	body := w.Body.String()
	if first && filters && len(body) > grip.MaxInitialBody {
		v.Fatalf("the first reply has %d bytes, the proxy answers 502", len(body))
	}
	render := v.filtered
	if first {
		render = filters
	}
	if render {
		var err error
		if body, err = buildID(body, ""); err != nil {
			v.Fatalf("the proxy closes the stream: %v in %q", err, w.Body)
		}
	}
	v.filtered = filters
	v.text += body
	v.pages++
	switch {
	case v.in.hold == "stream":
	case v.in.hold != "":
		v.Fatalf("a stream has %s: %s", grip.HeaderHold, v.in.hold)
	case v.in.next != "" && v.pages > 1000:
		v.Fatal("the pages do not end")
	case v.in.next != "":
		if v.between != nil {
			v.between()
		}
		v.follow()
	default:
		v.ended = true
	}
}

// follow has the proxy follow the next link, without the browser's headers.
func (v *viewer) follow() {
	v.Helper()
	if v.ended {
		v.Fatal("the stream has ended")
	}
	r := v.request(http.MethodGet, v.in.next, nil)
	for name, id := range v.last {
		r.Header.Add(grip.HeaderLast, name+"; last-id="+id)
	}
	w := v.do(r)
	if w.Code != http.StatusOK {
		v.Fatalf("the next link %s: %d %s", v.in.next, w.Code, w.Body)
	}
	wantHeader(v.TB, w, "Content-Type", "text/event-stream")
	v.take(w, false)
}

// events are what the browser has dispatched.
func (v *viewer) events() []seen {
	v.Helper()
	events, err := browser(v.text)
	if err != nil {
		v.Fatalf("the stream %q: %v", v.text, err)
	}
	return events
}

// deliver has the proxy send an event that is published, if it fits the positions.
func (v *viewer) deliver(e channels.Event) {
	v.Helper()
	items := e.AppendCompositeItems(e.AppendItems(nil, ""), "", anybody)
	for i := range items {
		v.deliverItem(&items[i])
	}
}

func (v *viewer) deliverItem(item *grip.Item) {
	v.Helper()
	sub, subscribed := v.in.subscriptions[item.Channel]
	if !subscribed || slices.Contains(strings.Split(item.Meta[grip.MetaSkipUsers], ","), v.in.meta[grip.MetaUser]) && v.in.meta[grip.MetaUser] != "" {
		return
	}
	required := item.Meta[grip.MetaRequireSub]
	if _, holds := v.in.subscriptions[required]; item.HTTPStream == nil || required != "" && !holds && slices.Contains(sub.filters, grip.FilterRequireSub) {
		return
	}
	if item.HTTPStream.Action == grip.ActionHint {
		v.follow()
		return
	}
	if sub.prevID != "" && item.PrevID != v.last[item.Channel] {
		v.follow() // a gap
		return
	}
	body := string(item.HTTPStream.Content)
	if sub.prevID != "" {
		v.last[item.Channel] = item.ID
	}
	if renders := slices.Contains(sub.filters, grip.FilterBuildID); renders != slices.Contains(item.HTTPStream.ContentFilters, grip.FilterBuildID) {
		v.Fatalf("the proxy closes the stream: the item on %s has other content filters than the subscription", item.Channel)
	} else if renders {
		var err error
		if body, err = buildID(body, v.renderID()); err != nil {
			v.Fatalf("the proxy closes the stream: %v in %q", err, body)
		}
	}
	v.text += body
}

// renderID is the id_format with the positions.
func (v *viewer) renderID() string {
	v.Helper()
	return regexp.MustCompile(`%%|%\(((?:[^)\\]|\\.)*)\)s|%`).ReplaceAllStringFunc(v.in.meta[grip.MetaIDFormat], func(part string) string {
		if part == "%%" {
			return "%"
		}
		if part == "%" {
			v.Fatalf("the id format is %q", v.in.meta[grip.MetaIDFormat])
		}
		id, ok := v.last[part[2:len(part)-2]]
		if !ok {
			v.Fatalf("the id format %q names %s, which has no position", v.in.meta[grip.MetaIDFormat], part)
		}
		return id
	})
}

// buildID does what the proxy's filter does to content.
func buildID(content, id string) (string, error) {
	var bad error
	out := regexp.MustCompile(`(?s)%.?`).ReplaceAllStringFunc(content, func(directive string) string {
		switch {
		case directive == "%%":
			return "%"
		case directive == "%I" && id != "":
			return id
		}
		bad = fmt.Errorf("the filter fails at %q", directive)
		return ""
	})
	return out, bad
}

// A seen is one event as a browser dispatches it, and what the stream's last id is then.
type seen struct{ Type, Data, ID string }

// browser reads a stream as the HTML Living Standard, section 9.2.6, has it. What a browser ignores in silence is an error.
func browser(text string) (events []seen, err error) {
	var now seen
	var data []string
	fields := 0
	for text != "" {
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			return events, fmt.Errorf("the stream ends within %q", text)
		}
		line, cr := text[:end], text[end] == '\r'
		if text = text[end+1:]; cr {
			text = strings.TrimPrefix(text, "\n")
		}
		name, value, colon := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data == nil && fields > 0:
			return events, fmt.Errorf("%+v has no data and is not dispatched", now)
		case line == "":
			if data != nil {
				now.Data = strings.Join(data, "\n")
				if now.Type == "" {
					now.Type = "message"
				}
				events = append(events, now)
			}
			now, data, fields = seen{ID: now.ID}, nil, 0
			continue
		case colon && name == "":
			continue
		case name == "event":
			now.Type = value
		case name == "data":
			data = append(data, value)
		case name == "id" && !strings.Contains(value, "\x00"):
			now.ID = value
		default:
			return events, fmt.Errorf("browsers ignore %q", line)
		}
		fields++
	}
	if fields > 0 {
		return events, fmt.Errorf("the stream ends before the blank line of %+v", now)
	}
	return events, nil
}

// summary is the events in one line each: type, id and data.
func summary(events []seen) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Type + " " + strconv.Quote(e.ID) + " " + e.Data + "\n")
	}
	return b.String()
}

// anybody tells of each channel that it may be watched.
func anybody(string) bool { return true }
