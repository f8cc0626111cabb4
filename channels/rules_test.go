package channels_test

import (
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

var (
	nobody = channels.Principal{}
	seven  = channels.Principal{User: "7"}
	tenant = channels.Principal{User: "8", Channels: []channels.Pattern{"iot_pump_*"}}
	greedy = channels.Principal{User: "9", Channels: []channels.Pattern{"**", "@**"}, Publish: []channels.Pattern{"**"}}
	admin  = channels.Principal{User: "root", Admin: true}
)

func mayRead(t *testing.T, rules channels.Rules, p channels.Principal, c channels.Channel) bool {
	t.Helper()
	ok, err := rules.MayRead(t.Context(), p, c)
	if err != nil {
		t.Fatalf("MayRead: %v", err)
	}
	return ok
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	rules := channels.Rules{
		{Match: "news", Read: channels.AccessPublic},
		{Match: "iot_**", Read: channels.AccessToken},
		{Match: "room/*", Read: channels.AccessAuthenticated},
		{Match: "default"},
		{Match: "secret", Read: channels.AccessNobody},
		{Match: "news", Read: channels.AccessNobody},
	}
	for _, c := range []struct {
		channel                              channels.Channel
		nobody, seven, tenant, greedy, admin bool
	}{
		{"news", true, true, true, true, true},
		{"iot_pump_p1", false, false, true, true, true},
		{"iot_pump", false, false, false, true, true},
		{"room/1", false, true, true, true, true},
		{"default", false, true, true, true, true},
		{"secret", false, false, false, false, true},
		{"unruled", false, false, false, false, true},
	} {
		for name, who := range map[string]struct {
			p    channels.Principal
			want bool
		}{
			"nobody": {nobody, c.nobody}, "seven": {seven, c.seven}, "tenant": {tenant, c.tenant},
			"greedy": {greedy, c.greedy}, "admin": {admin, c.admin},
		} {
			if got := mayRead(t, rules, who.p, c.channel); got != who.want {
				t.Errorf("%s may read %s: %v", name, c.channel, got)
			}
		}
	}
}

func TestInternalChannelsFollowNoConfiguredRule(t *testing.T) {
	rules := channels.Rules{
		{Match: "@**", Read: channels.AccessPublic, Unstored: true},
		{Match: "**", Read: channels.AccessPublic, Unstored: true},
	}
	for _, p := range []channels.Principal{nobody, seven, tenant, greedy, admin} {
		if !mayRead(t, rules, p, channels.Public) {
			t.Errorf("user %q may not read the public channel", p.User)
		}
		for _, c := range []channels.Channel{channels.System, "@user/1", "@user/", "@user/7/x", "@", "@Public", "@public/x"} {
			if mayRead(t, rules, p, c) {
				t.Errorf("user %q may read %s", p.User, c)
			}
		}
		if own := mayRead(t, rules, p, "@user/7"); own != (p.User == "7") {
			t.Errorf("user %q may read @user/7: %v", p.User, own)
		}
	}
	for _, c := range []channels.Channel{channels.Public, channels.System, "@user/7"} {
		if !rules.Stored(c) {
			t.Errorf("%s is not stored", c)
		}
	}
}

func TestTheZeroRulesKeepEverythingFromEverybody(t *testing.T) {
	var rules channels.Rules
	if mayRead(t, rules, greedy, "foo") || mayRead(t, rules, nobody, "foo") || !rules.Stored("foo") {
		t.Error("the zero rules let somebody read, or store nothing")
	}
	if got := rules.Retention("foo"); got != (channels.Retention{Age: channels.DefaultRetention}) {
		t.Errorf("the retention is %+v", got)
	}
}

func TestRulesSayWhatIsKept(t *testing.T) {
	kept := channels.Retention{Age: time.Hour, Count: 5}
	rules := channels.Rules{
		{Match: "gauge", Unstored: true},
		{Match: "log/**", Retention: kept},
	}
	if rules.Stored("gauge") || !rules.Stored("log/a") || rules.Retention("log/a") != kept {
		t.Errorf("gauge: %v, log/a: %v, %+v", rules.Stored("gauge"), rules.Stored("log/a"), rules.Retention("log/a"))
	}
}

func TestWhoMayPublishIsSaidByPatternsAlone(t *testing.T) {
	writer := channels.Principal{User: "7", Publish: []channels.Pattern{"room/*", "@user/7"}}
	for c, want := range map[channels.Channel]bool{
		"room/1": true, "room/1/x": false, "foo": false, "@user/7": true, "@user/8": false, "@public": false, "@system": false,
	} {
		if got := writer.MayPublish(c); got != want {
			t.Errorf("may publish to %s: %v", c, got)
		}
	}
	if nobody.MayPublish("room/1") || !admin.MayPublish("@public") {
		t.Error("nobody may publish, or an admin may not")
	}
}

// A pattern for plain channels must not become the right to write to every browser.
func TestInternalChannelsArePublishedToOnlyWhereAPatternNamesThem(t *testing.T) {
	for _, pattern := range []channels.Pattern{"*", "**", "**/7", "**public"} {
		writer := channels.Principal{User: "7", Publish: []channels.Pattern{pattern}}
		for _, c := range []channels.Channel{channels.Public, channels.System, "@user/7"} {
			if writer.MayPublish(c) {
				t.Errorf("%s may publish to %s", pattern, c)
			}
		}
	}
	for _, pattern := range []channels.Pattern{"@user/*", "@**"} {
		if writer := (channels.Principal{User: "7", Publish: []channels.Pattern{pattern}}); !writer.MayPublish("@user/8") {
			t.Errorf("%s may not publish to @user/8", pattern)
		}
	}
}

func TestAnIdentityEndsAtItsMoment(t *testing.T) {
	end := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	p := channels.Principal{User: "7", Expires: end}
	if p.Expired(end.Add(-1)) || !p.Expired(end) || !p.Expired(end.Add(1)) {
		t.Error("the identity does not end at its moment")
	}
	if nobody.Expired(end) || !nobody.Anonymous() || seven.Anonymous() {
		t.Error("the zero principal is somebody, or ends")
	}
}
