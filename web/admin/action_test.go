package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web/admin"
)

// A deed is an action, and whether it was done.
type deed struct {
	target string
	form   []string
	done   func() bool
}

func (s *scene) deeds() []deed {
	e := s.event("note", `{"n":1}`, "room")
	s.device("pump", "p1")
	letter := s.letter("crm")
	other := s.letter("erp")
	requeued := func(id int64) func() bool {
		return func() bool {
			u, err := channels.FindUndelivered(s.Context(), s.store, id)
			if err != nil {
				s.Fatal(err)
			}
			return u.Requeued
		}
	}
	count := func(channel channels.Channel) channels.Seq {
		heads, err := s.store.Heads(s.Context(), []channels.Channel{channel})
		if err != nil {
			s.Fatal(err)
		}
		return heads[0].Seq
	}
	return []deed{
		{fmt.Sprintf("/admin/events/%d/replay", e.ID), nil, func() bool { return count("room") > 1 }},
		{"/admin/device/edit", []string{"device_type", "pump", "device_id", "p1", "name", "New", "is_active", "yes", "was_is_active", "true"},
			func() bool { return s.registered("p1").Name == "New" }},
		{"/admin/device/command", []string{"device_type", "pump", "device_id", "p1", "command", "restart"}, func() bool { return len(s.sender.sent) > 0 }},
		{"/admin/channel/kick", []string{"user", "7", "channel", "room"}, func() bool { return count(channels.Kicks) > 0 }},
		{fmt.Sprintf("/admin/dead/%d/requeue", letter), nil, requeued(letter)},
		{"/admin/dead/requeue", []string{"subscriber", "erp"}, requeued(other)},
	}
}

func (s *scene) registered(id string) devices.Device {
	s.Helper()
	found, err := s.store.Devices(s.Context(), []channels.DeviceRef{{Type: "pump", ID: id}})
	if err != nil || len(found) != 1 {
		s.Fatal(found, err)
	}
	return found[0]
}

func TestActionsAreAskedForByAPageOfOurs(t *testing.T) {
	s := open(t)
	for _, d := range append(s.deeds(), deed{target: "/admin/sign-in", form: []string{"token", "ops.admin"}}, deed{target: "/admin/sign-out"}) {
		user := "ops"
		if d.target == "/admin/sign-in" {
			user = ""
		}
		form := url.Values{"form": {s.formToken(user)}, "confirmed": {"yes"}}
		for i := 0; i < len(d.form); i += 2 {
			form.Set(d.form[i], d.form[i+1])
		}
		with := func(token string) string {
			changed := url.Values{}
			for name, values := range form {
				changed[name] = values
			}
			changed.Set("form", token)
			return changed.Encode()
		}
		expired, err := s.sealer.Seal("admin-form", user, s.now)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere, err := s.sealer.Seal("next-link", user, s.now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for what, attempt := range map[string]func() int{
			"without a token":    func() int { return s.do(http.MethodPost, d.target, with("")).Code },
			"with a forged one":  func() int { return s.do(http.MethodPost, d.target, with(form.Get("form")+"x")).Code },
			"with another's":     func() int { return s.do(http.MethodPost, d.target, with(s.formToken("7"))).Code },
			"with an old one":    func() int { return s.do(http.MethodPost, d.target, with(expired)).Code },
			"with one of a link": func() int { return s.do(http.MethodPost, d.target, with(elsewhere)).Code },
			"from another site":  func() int { return s.do(http.MethodPost, d.target, form.Encode(), "Sec-Fetch-Site", "cross-site").Code },
			"from a sibling":     func() int { return s.do(http.MethodPost, d.target, form.Encode(), "Sec-Fetch-Site", "same-site").Code },
			"from a friend": func() int {
				return s.do(http.MethodPost, d.target, form.Encode(), "Sec-Fetch-Site", "cross-site", "Origin", "https://friend.test").Code
			},
			"from an old browser": func() int { return s.do(http.MethodPost, d.target, form.Encode(), "Origin", "https://evil.test").Code },
			"with the token in the address": func() int {
				return s.do(http.MethodPost, d.target+"?form="+url.QueryEscape(form.Get("form")), with("")).Code
			},
		} {
			if code := attempt(); code != http.StatusForbidden {
				t.Errorf("%s %s: %d", d.target, what, code)
			}
		}
		if d.done == nil {
			continue
		}
		for as, want := range map[string]int{"": http.StatusUnauthorized, "ops": http.StatusForbidden, "forged": http.StatusUnauthorized} {
			s.as = as
			if w := s.do(http.MethodPost, d.target, form.Encode()); w.Code != want {
				t.Errorf("%s as %q: %d", d.target, as, w.Code)
			}
		}
		s.as = "ops admin"
		if w := s.get(d.target); w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", d.target, w.Code)
		}
		if d.done() {
			t.Fatalf("%s was done", d.target)
		}
		// It asks once, and does it then.
		w := s.send(d.target, d.form...)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `name="confirmed" value="yes"`) || d.done() {
			t.Errorf("%s asks: %d %s", d.target, w.Code, w.Body)
		}
		if w = s.send(d.target, append(d.form, "confirmed", "yes")...); w.Code != http.StatusSeeOther && w.Code != http.StatusOK || !d.done() {
			t.Errorf("%s: %d %s", d.target, w.Code, w.Body)
		}
		if to := w.Header().Get("Location"); to != "" && s.get(to).Code != http.StatusOK {
			t.Errorf("%s leads to %s", d.target, to)
		}
	}
}

func TestActionsSayWhatIsWrong(t *testing.T) {
	s := open(t)
	s.deeds()
	for target, c := range map[string]struct {
		form []string
		want int
	}{
		"/admin/events/999/replay": {nil, http.StatusNotFound}, "/admin/events/x/replay": {nil, http.StatusNotFound},
		"/admin/device/edit":     {[]string{"device_type", "pump", "device_id", "p1", "latitude", "north", "is_active", "yes", "was_is_active", "true"}, http.StatusUnprocessableEntity},
		"/admin/device/edit?2":   {[]string{"device_type", "pump", "device_id", "nobody", "name", "x"}, http.StatusNotFound},
		"/admin/device/edit?3":   {[]string{"device_type", "pump", "device_id", "p1", "is_active", "yes", "was_is_active", "true"}, http.StatusBadRequest},
		"/admin/device/edit?4":   {[]string{"device_type", "pump", "device_id", "p1", "attributes", "[]"}, http.StatusUnprocessableEntity},
		"/admin/device/command":  {[]string{"device_type", "pump", "device_id", "p1", "command", "x", "payload", "{"}, http.StatusUnprocessableEntity},
		"/admin/channel/kick":    {[]string{"user", "", "channel", "room"}, http.StatusUnprocessableEntity},
		"/admin/channel/kick?2":  {[]string{"user", "7", "channel", "@x"}, http.StatusUnprocessableEntity},
		"/admin/dead/99/requeue": {nil, http.StatusNotFound}, "/admin/dead/requeue": {nil, http.StatusBadRequest},
	} {
		for _, confirmed := range []string{"", "yes"} {
			w := s.send(target, append(c.form, "confirmed", confirmed)...)
			asked := confirmed == "" || !strings.HasSuffix(target, "?3") // what was confirmed may come to nothing by then
			if asked && w.Code != c.want || w.Code >= http.StatusInternalServerError {
				t.Errorf("%s, confirmed %q: %d, want %d: %s", target, confirmed, w.Code, c.want, w.Body)
			}
		}
	}
	if w := s.do(http.MethodPost, "/admin/sign-out", "form="+strings.Repeat("x", 200_000)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge form: %d", w.Code)
	}
	mute := open(t, func(o *admin.Options) { o.Commander = nil })
	mute.device("pump", "p1")
	if w := mute.send("/admin/device/command", "device_type", "pump", "device_id", "p1", "command", "x"); w.Code != http.StatusNotImplemented {
		t.Errorf("a command without a broker: %d", w.Code)
	}
}

func TestAnEditLeavesAloneWhatTheFormDidNotChange(t *testing.T) {
	s := open(t)
	s.device("pump", "p1")
	name, owner := "Old", "somebody else has set this"
	if err := s.store.Edit(t.Context(), []devices.Edit{{DeviceRef: channels.DeviceRef{Type: "pump", ID: "p1"}, Kind: devices.EditSet,
		Patch: devices.Patch{Name: &name, Owner: &owner}}}); err != nil {
		t.Fatal(err)
	}
	w := s.send("/admin/device/edit", "device_type", "pump", "device_id", "p1", "confirmed", "yes",
		"name", "New", "was_name", "Old", "owner", "", "was_owner", "", "groups", "a Hall A\r\n\r\nb", "was_groups", "", "attributes", "{}", "was_attributes", "{}", "was_is_active", "true")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if d := s.registered("p1"); d.Name != "New" || d.Owner != owner || d.Active || fmt.Sprint(d.Groups) != "[{a Hall A} {b }]" {
		t.Errorf("the device is %+v", d)
	}
}

func TestACommandThatIsSentTwiceIsOne(t *testing.T) {
	s := open(t)
	s.device("pump", "p1")
	form := []string{"device_type", "pump", "device_id", "p1", "command", "restart", "payload", `{"hard":true}`, "command_id", "abcdefgh12345678", "confirmed", "yes"}
	for range 2 {
		if w := s.send("/admin/device/command", form...); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Answers of this device cannot be seen") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	page, err := s.store.Latest(t.Context(), "iot_pump_p1", 10)
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("%d commands, %v", len(page.Events), err)
	}
	if e := page.Events[0]; !strings.Contains(string(e.Private), `"ops"`) {
		t.Errorf("the log does not say by whom: %s", e.Private)
	}
}
