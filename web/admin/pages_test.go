package admin_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web/admin"
)

func TestStrangersSeeNothing(t *testing.T) {
	s := open(t)
	for _, target := range append(s.everything(), "/admin/nowhere") {
		for as, want := range map[string]int{
			"": http.StatusUnauthorized, "forged": http.StatusUnauthorized, "expired": http.StatusUnauthorized,
			"7": http.StatusForbidden, "undecided": http.StatusServiceUnavailable,
		} {
			if target == "/admin/nowhere" {
				want = http.StatusNotFound
			}
			s.as = as
			w := s.get(target)
			if body := w.Body.String(); w.Code != want || strings.Contains(body, "SECRET") || strings.Contains(body, `href="/admin/devices"`) || strings.Contains(body, "room</a>") {
				t.Errorf("%s as %q: %d %s", target, as, w.Code, body)
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (want == http.StatusUnauthorized) {
				t.Errorf("%s as %q: challenged is %t", target, as, challenged)
			}
		}
	}
}

func TestPagesKeepToTheirPolicy(t *testing.T) {
	s := open(t)
	for _, target := range append(s.everything(), "/admin/nowhere", "/admin/events/999", "/admin/?before=-1") {
		w := s.get(target)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		if inline := regexp.MustCompile(`(?i)<script>|<style|\son\w+=|style=|javascript:`).FindString(w.Body.String()); inline != "" {
			t.Errorf("%s holds %q, which its policy refuses", target, inline)
		}
		for _, link := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
			if found := s.get(html.UnescapeString(link[1])); found.Code != http.StatusOK {
				t.Errorf("%s links to %s: %d", target, link[1], found.Code)
			}
		}
	}
	for _, script := range []string{"admin.js", "ask.js", "log.js", "page.js"} {
		if w := s.get("/admin/static/" + script); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: %d %s", script, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestHostileDataStaysText(t *testing.T) {
	s := open(t)
	const hostile = `<img src=x onerror=alert(1)>"'&`
	ref := s.device(hostile, `"><script>alert(2)<i>`)
	name := hostile
	if err := s.store.Edit(t.Context(), []devices.Edit{{DeviceRef: ref, Kind: devices.EditSet, Patch: devices.Patch{Name: &name, Key: &name, Owner: &name}}}); err != nil {
		t.Fatal(err)
	}
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil {
		t.Fatal(err)
	}
	e := s.append(channels.Batch{
		Drafts: []channels.Draft{{
			Channels: []channels.Channel{channel}, Type: hostile, Data: []byte(hostile), Raw: true, Private: []byte(`"` + "</pre><script>" + `"`), Scope: channels.ScopeUser,
			User: hostile, Device: ref, SkipUsers: []string{hostile}, Key: hostile, Shown: &channels.Shown{Type: hostile, Data: []byte(hostile), Raw: true},
		}},
		Refused: []channels.Refusal{{Source: hostile, Reason: hostile, Payload: []byte(hostile)}, {Source: "x", Payload: []byte("\xff\x00<script>")}},
	})[0]
	s.append(channels.Batch{State: []any{channels.Activity{Event: e.ID, Kind: channels.ActivityDead, Who: hostile},
		channels.Undelivered{Subscriber: hostile, Event: e.ID, Message: hostile, Body: []byte(hostile), Reason: hostile}}})
	letter := rowsOf(s.page("/admin/dead"))[0]
	pages := []string{"/admin", fmt.Sprint("/admin/events/", e.ID), "/admin/devices", "/admin/channels", "/admin/dead", "/admin/dead/" + letter, "/admin/refused", "/admin/refused/1", "/admin/refused/2"}
	for _, list := range []string{"/admin/devices", "/admin/channels"} {
		// The links that lists make lead to the things, whatever these are called.
		link := regexp.MustCompile(`<th scope="row"><a href="([^"]*)"`).FindStringSubmatch(s.page(list))
		pages = append(pages, html.UnescapeString(link[1]))
	}
	for _, target := range append(pages, "/admin/?channel=%3Cscript%3E&device=%22%3E%3Cscript%3E&type=%3Cscript%3E", "/admin/device?type=%3Cscript%3E&id=x") {
		body := s.get(target).Body.String()
		for _, tag := range []string{"<script>", "<img src=x", `" onerror`, "</script><", "'><"} {
			if strings.Contains(body, tag) {
				t.Errorf("%s holds %s", target, tag)
			}
		}
	}
	if !strings.Contains(html.UnescapeString(s.page(pages[len(pages)-2])), hostile) || !strings.Contains(s.page("/admin/refused/2"), "ff 00 3c 73") {
		t.Error("hostile things are not shown at all")
	}
	w := s.send("/admin/device/edit", "device_type", ref.Type, "device_id", ref.ID, "name", "<script>", "was_name", hostile, "is_active", "yes", "was_is_active", "true")
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<script>") || !strings.Contains(w.Body.String(), "&lt;script&gt;") {
		t.Errorf("the question is %d %s", w.Code, w.Body)
	}
}

func TestEveryListIsReadToItsEnd(t *testing.T) {
	s := open(t)
	const many = 120
	var batch channels.Batch
	for n := range many {
		batch.Drafts = append(batch.Drafts, channels.Draft{Channels: []channels.Channel{channels.Channel(fmt.Sprintf("room-%03d", n)), "all"}, Type: "t", Data: []byte("{}"), Scope: channels.ScopeChannel})
		batch.Refused = append(batch.Refused, channels.Refusal{Source: "x"})
		batch.State = append(batch.State, channels.Undelivered{Subscriber: "crm", Message: "m"},
			devices.Changes{{DeviceRef: channels.DeviceRef{Type: "pump", ID: fmt.Sprintf("p%03d", n)}, Register: true, State: devices.State{Status: devices.Online}}})
	}
	s.append(batch)
	for first, want := range map[string]int{
		"/admin": many, "/admin/?channel=all": many, "/admin/?type=t&scope=channel": many, "/admin/?type=u": 0, "/admin/devices?text=pump&status=online&active=yes": many,
		"/admin/channels": many + 1, "/admin/channels?text=room": many, "/admin/dead?subscriber=crm": many, "/admin/dead?subscriber=erp": 0, "/admin/refused": many,
	} {
		var all []string
		pages := 0
		for target := first; target != ""; pages++ {
			page := s.page(target)
			rows := rowsOf(page)
			if len(rows) > 50 {
				t.Errorf("%s: %d rows", target, len(rows))
			}
			all = append(all, rows...)
			target = ""
			if next := regexp.MustCompile(`href="([^"]*)" rel="next"`).FindStringSubmatch(page); next != nil {
				target = html.UnescapeString(next[1])
			}
		}
		slices.Sort(all)
		if len(all) != want || len(slices.Compact(all)) != want || pages != max(1, (want+49)/50) {
			t.Errorf("%s: %d rows on %d pages, want %d", first, len(all), pages, want)
		}
	}
}

func TestTheLogIsFilteredByTime(t *testing.T) {
	s := open(t)
	old := s.event("t", "1", "a")
	s.now = s.now.Add(time.Hour)
	late := s.event("t", "2", "a")
	for query, want := range map[string][]channels.EventID{
		"": {late.ID, old.ID}, "from=2025-01-15T12:30": {late.ID}, "until=2025-01-15T12:30:00": {old.ID}, "from=2025-01-15T14:00:00%2B01:00": {late.ID},
		"from=2025-01-15T12:00&until=2025-01-15T13:00": {old.ID}, "channel=b": nil, "channel=a&from=2025-01-15T13:00": {late.ID},
	} {
		var ids []string
		for _, id := range want {
			ids = append(ids, id.String())
		}
		if got := rowsOf(s.page("/admin/?" + query)); !slices.Equal(got, ids) {
			t.Errorf("%s: got %v, want %v", query, got, ids)
		}
	}
	for _, bad := range []string{"from=yesterday", "before=x", "before=0", "until=2025"} {
		if w := s.get("/admin/?" + bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	for _, bad := range []string{"/admin/devices?status=odd", "/admin/devices?after=x", "/admin/dead?before=x", "/admin/refused?before=x"} {
		if w := s.get(bad); w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestAChannelIsShownWithItsRule(t *testing.T) {
	s := open(t)
	s.event("t", "1", "short")
	s.event("t", "2", "short")
	page := s.page("/admin/channel?name=short")
	for _, want := range []string{"<dd>2</dd>", "<code>short</code>", "<dd>token</dd>", "1 h, newest 7"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q: %s", want, page)
		}
	}
	if page := s.page("/admin/channel?name=quiet"); !strings.Contains(page, "<dd>nothing</dd>") || !strings.Contains(page, "<dd>2</dd>") {
		t.Errorf("a channel that keeps nothing: %s", page)
	}
	if w := s.get("/admin/channel?name=@nothing"); w.Code != http.StatusNotFound {
		t.Errorf("no channel: %d", w.Code)
	}
	unwatched := open(t, func(o *admin.Options) { o.Audience = nil })
	unwatched.event("t", "1", "short")
	if page := unwatched.page("/admin/channel?name=short"); !strings.Contains(page, "not known") {
		t.Errorf("without an audience: %s", page)
	}
}

func TestTheSystemSaysWhatIsWrong(t *testing.T) {
	s := open(t)
	page := s.page("/admin/system")
	for _, want := range []string{"Not ready: no proxy", "connection refused", `data-status="down"`, "mqtt://broker", "Resets sent", "Events repeated from the log"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q: %s", want, page)
		}
	}
}
