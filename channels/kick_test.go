package channels_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/grip"
)

func mustKick(t testing.TB, user, channel string) channels.Kick {
	t.Helper()
	k, err := channels.ParseKick(user, channel)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKickNamesAUserAndAChannel(t *testing.T) {
	for _, c := range []struct{ user, channel, field string }{
		{"", "foo", "user"},
		{channels.Somebody, "foo", "user"},
		{strings.Repeat("7", channels.MaxNameBytes), "foo", "user"},
		{"7\n", "foo", "user"},
		{"\xff", "foo", "user"},
		{"7", "", "channel"},
		{"7", "@user/7", "channel"},
		{"7", "@kicks", "channel"},
		{"7", "a\x00b", "channel"},
		{"7", strings.Repeat("x", channels.MaxNameBytes+1), "channel"},
	} {
		_, err := channels.ParseKick(c.user, c.channel)
		var invalid *channels.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("user %.20q, channel %.20q: %v, want an error of %s", c.user, c.channel, err, c.field)
		}
	}
}

func TestAKickIsStoredWhereNobodyReads(t *testing.T) {
	draft := mustKick(t, "7", "foo").Draft()
	if err := draft.Validate(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(draft.Channels, []channels.Channel{channels.Kicks}) || !channels.Kicks.Internal() {
		t.Errorf("a kick is stored on %q", draft.Channels)
	}
	rules := channels.Rules{{Match: "**", Read: channels.AccessPublic}}
	admin := channels.Principal{User: "7", Admin: true, Channels: []channels.Pattern{"**", "@**", "@kicks"}}
	if ok, err := rules.MayRead(t.Context(), admin, channels.Kicks); ok || err != nil {
		t.Errorf("an administrator reads the kicks: %t, %v", ok, err)
	}
	if keep := rules.Retention(channels.Kicks); keep.Age < 3*time.Hour || keep.Count != 0 {
		t.Errorf("kicks are kept for %+v, less than a next link may live", keep)
	}
	for _, scope := range []channels.Scope{"", channels.ScopeChannel, channels.ScopeGlobal, channels.ScopeUser} {
		forged := draft
		if forged.Scope = scope; forged.Validate() == nil {
			t.Errorf("an event of scope %q stands among the kicks", scope)
		}
	}
}

// Whatever the names and the prefix, the item names what streams are held on.
func TestAKickReachesEveryKindOfViewer(t *testing.T) {
	for _, c := range []struct{ user, channel, prefix string }{{"7", "foo", ""}, {`ü "8",;`, `50 % "é",;/x`, "v1-"}} {
		k := mustKick(t, c.user, c.channel)
		e := at(4, k.Draft())
		items := e.AppendItems(nil, c.prefix)
		if _, err := grip.AppendItems(nil, items); err != nil {
			t.Fatal(err)
		}
		found, required := map[string]grip.Item{}, []string(nil)
		for _, item := range items {
			if item.ID != "" || item.PrevID != "" {
				t.Errorf("%q: an item with the id %q is taken for a repetition", c.user, item.ID)
			}
			if item.HTTPStream != nil {
				required = append(required, item.Meta[grip.MetaRequireSub])
			}
			found[item.Channel] = item
		}
		name := channels.Channel(c.channel)
		streams := found[c.prefix+"kicks"]
		if streams.HTTPStream == nil || streams.HTTPStream.Action != grip.ActionHint {
			t.Errorf("streams are told %+v", streams)
		}
		for _, form := range channels.StreamForms() {
			if !slices.Contains(required, c.prefix+name.GripIn(form)) {
				t.Errorf("streams of the form %s are told nothing: %q", form, required)
			}
		}
		if polls := found[c.prefix+name.GripKicks()]; polls.HTTPResponse == nil || polls.HTTPResponse.Action != grip.ActionHint {
			t.Errorf("polls are told %+v", polls)
		}
		if ws := found[c.prefix+k.Grip()].WSMessage; ws == nil || ws.Action != grip.ActionClose || ws.Code != 4403 || ws.Reason == "" {
			t.Errorf("WebSockets are told %+v", ws)
		}
	}
}

// A proxy takes names as they are, so two viewers' names must never be one.
func TestKicksOfOthersHaveOtherNames(t *testing.T) {
	seen := map[string]string{}
	for _, user := range []string{"7", "7:events-a", "7%3A", "7:", "user-7", "events-a", "a/b", "a", "b"} {
		for _, channel := range []string{"a", "b", "a:b", "events-a", "a/b", "b/a", "%3A"} {
			of := fmt.Sprintf("%q on %q", user, channel)
			name := mustKick(t, user, channel).Grip()
			if other, twice := seen[name]; twice {
				t.Errorf("%s has the name of %s: %s", of, other, name)
			}
			seen[name] = of
			if _, ok := channels.FromGrip(name); ok {
				t.Errorf("%s is an event channel's name", name)
			}
		}
	}
}

func TestStreamsLearnOfTheKicksAfterTheirPlace(t *testing.T) {
	rules := channels.Rules{{Match: "**", Read: channels.AccessPublic}}
	now := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	log := logtest.NewMemory(func() time.Time { return now }, 0, channels.Retention{})
	r := channels.NewReader(log, rules)
	ctx := t.Context()
	kick := func(user, channel string) {
		t.Helper()
		if _, err := log.Append(ctx, batch(mustKick(t, user, channel).Draft())); err != nil {
			t.Fatal(err)
		}
	}
	kick("7", "a")
	place, err := r.KicksHead(ctx)
	if err != nil || place != 1 {
		t.Fatalf("the newest kick is %d, %v", place, err)
	}
	if _, err := log.Append(ctx, batch(plain("a", 1), plain("b", 2))); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	kick("7", "b")
	for n := range 1200 { // more than are read at once
		kick("8", fmt.Sprint("other", n))
	}
	kick("9", "c")
	chans := []channels.Channel{"a", "b", "c"}
	want := func(what string, kicked channels.Kicked, err error) {
		t.Helper()
		if err != nil || kicked.Lost || kicked.Next != 1203 {
			t.Fatalf("%s: %v, %+v", what, err, kicked.Next)
		}
		for user, want := range map[string]string{"7": "[b]", "8": "[]", "9": "[c]", "": "[]", channels.Somebody: "[b c]"} {
			if got := fmt.Sprint(kicked.From(user, chans)); got != want {
				t.Errorf("%s: user %q was kicked from %s, want %s", what, user, got, want)
			}
		}
		if !kicked.Names("7") || !kicked.Names("8") || kicked.Names("10") {
			t.Errorf("%s: the users are not the right ones", what)
		}
	}
	kicked, err := r.KicksAfter(ctx, place)
	want("kicks alone", kicked, err)
	replay, kicked, err := r.Follow(ctx, chans, channels.Cursor{{Channel: "a"}, {Channel: "b"}}, place, 100)
	want("with the events", kicked, err)
	if len(replay.Steps) != 2 || len(replay.Start) != 3 || len(replay.Lost) != 0 {
		t.Errorf("the replay is %+v", replay)
	}
	if kicked, err = r.KicksAfter(ctx, 5000); err != nil || !kicked.Lost || kicked.Next != 1203 {
		t.Errorf("after no place: %v, %+v", err, kicked)
	}
	if _, kicked, err = r.Follow(ctx, chans, nil, 5000, 100); err != nil || !kicked.Lost {
		t.Errorf("after no place: %v, %+v", err, kicked)
	}
	for moment, want := range map[time.Time]string{now: "[c]", now.Add(time.Microsecond): "[]"} {
		kicked, err := r.KicksSince(ctx, moment)
		if got := fmt.Sprint(kicked.From("9", chans)); err != nil || got != want || kicked.Next != 1203 {
			t.Errorf("since %s: %v, %s, %d", moment, err, got, kicked.Next)
		}
	}
}
