package channels_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

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

// A stream is continued in the name of the reduced principal, which must neither gain nor lose a right by that.
func TestAReducedPrincipalMayReadTheSame(t *testing.T) {
	accesses := rapid.SampledFrom([]channels.Access{"", channels.AccessPublic, channels.AccessAuthenticated, channels.AccessToken, channels.AccessNobody})
	all := []channels.Channel{"a", "b", "c", "x_y", channels.Public, channels.System, "@user/7", "@user/8", "@user/@somebody"}
	rapid.Check(t, func(t *rapid.T) {
		var rules channels.Rules
		for _, match := range []channels.Pattern{"a", "b", "**"} {
			rules = append(rules, channels.Rule{Match: match, Read: accesses.Draw(t, "read"), Shared: rapid.Bool().Draw(t, "shared")})
		}
		p := channels.Principal{
			User:     rapid.SampledFrom([]string{"", "7", "8"}).Draw(t, "user"),
			Channels: rapid.SampledFrom([][]channels.Pattern{nil, {"a"}, {"**"}, {"@**"}}).Draw(t, "patterns"),
			Admin:    rapid.Bool().Draw(t, "admin"),
		}
		chans := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 4, rapid.ID).Draw(t, "channels")
		may := func(p channels.Principal) bool {
			for _, c := range chans {
				if ok, err := rules.MayRead(context.Background(), p, c); err != nil || !ok {
					return false
				}
			}
			return true
		}
		if !may(p) {
			return // such a stream is never held
		}
		reduced := rules.Reduce(p, chans)
		if !may(reduced) {
			t.Fatalf("%+v may read %q, its reduction %+v may not", p, chans, reduced)
		}
		// It is the same under rules that have changed meanwhile: nobody may gain by having been held.
		for i := range rules {
			rules[i].Read = accesses.Draw(t, "read later")
		}
		if may(reduced) && !may(p) {
			t.Fatalf("the reduction %+v may read %q, %+v may not", reduced, chans, p)
		}
	})
}

func TestViewersWithEqualRightsReduceToOne(t *testing.T) {
	rules := channels.Rules{
		{Match: "news", Read: channels.AccessPublic, Shared: true},
		{Match: "iot_**", Read: channels.AccessAuthenticated, Shared: true},
		{Match: "pump_**", Read: channels.AccessToken, Shared: true},
		{Match: "chat", Read: channels.AccessPublic},
	}
	now := time.Date(2025, 1, 15, 12, 0, 10, 0, time.UTC)
	seven := channels.Principal{User: "7", Channels: []channels.Pattern{"pump_1"}, Publish: []channels.Pattern{"x"}, Expires: now}
	eight := channels.Principal{User: "8", Channels: []channels.Pattern{"pump_1"}, Admin: false, Expires: now.Add(20 * time.Second)}
	root := channels.Principal{User: "root", Channels: []channels.Pattern{"**"}, Admin: true, Expires: now}
	for _, c := range []struct {
		channels []channels.Channel
		a, b     channels.Principal
		equal    bool
	}{
		{[]channels.Channel{"news"}, seven, nobody, true},
		{[]channels.Channel{"news"}, root, eight, true},
		{[]channels.Channel{"iot_pump"}, seven, eight, true},
		{[]channels.Channel{"iot_pump", "news"}, root, eight, true},
		{[]channels.Channel{"iot_pump"}, seven, nobody, false},
		{[]channels.Channel{"pump_1"}, seven, eight, true},
		{[]channels.Channel{"pump_1"}, seven, root, false},
		{[]channels.Channel{"chat"}, seven, eight, false},
		{[]channels.Channel{"news", "chat"}, seven, eight, false},
		{[]channels.Channel{"@user/7"}, seven, eight, false},
	} {
		a, b := rules.Reduce(c.a, c.channels), rules.Reduce(c.b, c.channels)
		if reflect.DeepEqual(a, b) != c.equal {
			t.Errorf("%q: users %q and %q reduce to %+v and %+v", c.channels, c.a.User, c.b.User, a, b)
		}
	}
}

func TestAReducedIdentityEndsAtItsTime(t *testing.T) {
	end := time.Date(2025, 1, 15, 12, 0, 1, 0, time.UTC)
	rules := channels.Rules{{Match: "shared", Shared: true}, {Match: "**"}}
	p := channels.Principal{User: "7", Expires: end}
	if reduced := rules.Reduce(p, []channels.Channel{"shared", "foo"}); !reduced.Expires.Equal(end) {
		t.Errorf("the identity of user 7 ends at %s", reduced.Expires)
	}
	// A nameless one is rounded, so that many are alike, and ends less than a minute later.
	if reduced := rules.Reduce(p, []channels.Channel{"shared"}); reduced.Expires.Before(end) || reduced.Expires.Sub(end) >= time.Minute {
		t.Errorf("the identity of somebody ends at %s", reduced.Expires)
	}
	p.Expires = time.Time{}
	if reduced := rules.Reduce(p, []channels.Channel{"foo"}); !reduced.Expires.IsZero() {
		t.Errorf("an identity without an end ends at %s", reduced.Expires)
	}
}
