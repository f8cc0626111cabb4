package channels_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
)

func draft(change func(*channels.Draft)) channels.Draft {
	d := channels.Draft{Channels: []channels.Channel{"foo"}, Type: "message", Data: []byte(`{"a":1}`)}
	change(&d)
	return d
}

func names(n int) []channels.Channel {
	list := make([]channels.Channel, n)
	for i := range list {
		list[i] = channels.Channel(fmt.Sprint("c", i))
	}
	return list
}

func users(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return list
}

func text(n int, s string) []byte { return []byte(strings.Repeat(s, n)) }

func TestValidateAcceptsDraftsUpToTheirLimits(t *testing.T) {
	for what, change := range map[string]func(*channels.Draft){
		"a plain event":           func(*channels.Draft) {},
		"the most channels":       func(d *channels.Draft) { d.Channels = names(channels.MaxChannels) },
		"the longest name":        func(d *channels.Draft) { d.Channels[0] = channels.Channel(text(channels.MaxNameBytes, "n")) },
		"no type":                 func(d *channels.Draft) { d.Type = "" },
		"the longest type":        func(d *channels.Draft) { d.Type = strings.Repeat("t", channels.MaxTypeBytes) },
		"a type of many marks":    func(d *channels.Draft) { d.Type = "a:b % ü 日本" },
		"a JSON null":             func(d *channels.Draft) { d.Data = []byte("null") },
		"JSON over several lines": func(d *channels.Draft) { d.Data = []byte("{\r\n \"a\": 1\n}\n") },
		"raw text":                func(d *channels.Draft) { d.Raw, d.Data = true, []byte("<b>100%</b>\r\nü\x01") },
		"empty raw text":          func(d *channels.Draft) { d.Raw, d.Data = true, nil },
		"the most data":           func(d *channels.Draft) { d.Raw, d.Data = true, text(channels.MaxDataBytes, "d") },
		"percent signs, doubled":  func(d *channels.Draft) { d.Raw, d.Data = true, text(channels.MaxDataBytes/2, "%") },
		"the most private data":   func(d *channels.Draft) { d.Private = text(channels.MaxSystemBytes, "7") },
		"the longest key":         func(d *channels.Draft) { d.Key = strings.Repeat("k", channels.MaxKeyBytes) },
		"the most skipped users":  func(d *channels.Draft) { d.SkipUsers = users(channels.MaxSkipUsers) },
		"a scope of its own":      func(d *channels.Draft) { d.Scope = channels.ScopeChannel },
		"an event of a user": func(d *channels.Draft) {
			d.Scope, d.User, d.Channels = channels.ScopeUser, "7", []channels.Channel{"@user/7"}
		},
		"an event for everybody": func(d *channels.Draft) {
			d.Scope, d.Channels, d.Data = channels.ScopeGlobal, []channels.Channel{channels.Public}, []byte(" {} ")
		},
		"raw text for everybody": func(d *channels.Draft) {
			d.Scope, d.Channels, d.Raw, d.Data = channels.ScopeGlobal, []channels.Channel{channels.Public}, true, []byte("<b>")
		},
		"the most data for the backend": func(d *channels.Draft) {
			d.Scope, d.Channels, d.Data = channels.ScopeSystem, []channels.Channel{channels.System}, text(channels.MaxSystemBytes, "7")
		},
	} {
		d := draft(change)
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestValidateNamesTheFieldThatIsWrong(t *testing.T) {
	for what, c := range map[string]struct {
		field  string
		change func(*channels.Draft)
	}{
		"no channel":            {"channel", func(d *channels.Draft) { d.Channels = nil }},
		"an empty name":         {"channel", func(d *channels.Draft) { d.Channels[0] = "" }},
		"a name with a break":   {"channel", func(d *channels.Draft) { d.Channels[0] = "a\nb" }},
		"a name without UTF-8":  {"channel", func(d *channels.Draft) { d.Channels[0] = "\xff" }},
		"a long name":           {"channel", func(d *channels.Draft) { d.Channels[0] = channels.Channel(text(256, "n")) }},
		"too many channels":     {"channels", func(d *channels.Draft) { d.Channels = names(channels.MaxChannels + 1) }},
		"a channel twice":       {"channels", func(d *channels.Draft) { d.Channels = []channels.Channel{"a", "b", "a"} }},
		"an unknown scope":      {"scope", func(d *channels.Draft) { d.Scope = "Public" }},
		"a user without an id":  {"user", func(d *channels.Draft) { d.Scope, d.Channels[0] = channels.ScopeUser, "@user/7" }},
		"a long type":           {"event", func(d *channels.Draft) { d.Type = strings.Repeat("t", channels.MaxTypeBytes+1) }},
		"a line feed in a type": {"event", func(d *channels.Draft) { d.Type = "a\ndata: x" }},
		"a CR in a type":        {"event", func(d *channels.Draft) { d.Type = "a\rb" }},
		"a NUL in a type":       {"event", func(d *channels.Draft) { d.Type = "a\x00" }},
		"a type without UTF-8":  {"event", func(d *channels.Draft) { d.Type = "\xff" }},
		"stream-open":           {"event", func(d *channels.Draft) { d.Type = "stream-open" }},
		"stream-reset":          {"event", func(d *channels.Draft) { d.Type = "stream-reset" }},
		"stream-error":          {"event", func(d *channels.Draft) { d.Type = "stream-error" }},
		"keep-alive":            {"event", func(d *channels.Draft) { d.Type = "keep-alive" }},
		"no data":               {"data", func(d *channels.Draft) { d.Data = nil }},
		"data that is no JSON":  {"data", func(d *channels.Draft) { d.Data = []byte("{") }},
		"two JSON values":       {"data", func(d *channels.Draft) { d.Data = []byte("1 2") }},
		"JSON without UTF-8":    {"data", func(d *channels.Draft) { d.Data = []byte("\"\xff\"") }},
		"text without UTF-8":    {"data", func(d *channels.Draft) { d.Raw, d.Data = true, []byte("\xff") }},
		"too much data":         {"data", func(d *channels.Draft) { d.Raw, d.Data = true, text(channels.MaxDataBytes+1, "d") }},
		"too many percents":     {"data", func(d *channels.Draft) { d.Raw, d.Data = true, text(channels.MaxDataBytes/2+1, "%") }},
		"too many lines":        {"data", func(d *channels.Draft) { d.Raw, d.Data = true, text(channels.MaxDataBytes/7+1, "\n") }},
		"far too much data":     {"data", func(d *channels.Draft) { d.Data = text(channels.MaxSystemBytes+1, "7") }},
		"too much for the backend": {"data", func(d *channels.Draft) {
			d.Scope, d.Channels[0], d.Data = channels.ScopeSystem, channels.System, text(channels.MaxSystemBytes+1, "7")
		}},
		"a list for a user": {"data", func(d *channels.Draft) {
			d.Scope, d.User, d.Channels[0], d.Data = channels.ScopeUser, "7", "@user/7", []byte("[]")
		}},
		"a null for everybody": {"data", func(d *channels.Draft) {
			d.Scope, d.Channels[0], d.Data = channels.ScopeGlobal, channels.Public, []byte("null")
		}},
		"private data that is no JSON": {"private_data", func(d *channels.Draft) { d.Private = []byte("x") }},
		"empty private data":           {"private_data", func(d *channels.Draft) { d.Private = []byte{} }},
		"too much private data":        {"private_data", func(d *channels.Draft) { d.Private = text(channels.MaxSystemBytes+1, "7") }},
		"a long key":                   {"id", func(d *channels.Draft) { d.Key = strings.Repeat("k", channels.MaxKeyBytes+1) }},
		"a key with NUL":               {"id", func(d *channels.Draft) { d.Key = "a\x00" }},
		"a key without UTF-8":          {"id", func(d *channels.Draft) { d.Key = "\xff" }},
		"too many skipped users":       {"skip_users", func(d *channels.Draft) { d.SkipUsers = users(channels.MaxSkipUsers + 1) }},
		"an empty user to skip":        {"skip_users", func(d *channels.Draft) { d.SkipUsers = []string{""} }},
		"a comma in a user to skip":    {"skip_users", func(d *channels.Draft) { d.SkipUsers = []string{"7,8"} }},
		"a break in a user to skip":    {"skip_users", func(d *channels.Draft) { d.SkipUsers = []string{"7\r\n"} }},
		"a long user to skip":          {"skip_users", func(d *channels.Draft) { d.SkipUsers = []string{strings.Repeat("u", 256)} }},
	} {
		d := draft(c.change)
		var invalid *channels.InvalidError
		switch err := d.Validate(); {
		case !errors.As(err, &invalid):
			t.Errorf("%s: %v", what, err)
		case invalid.Field != c.field:
			t.Errorf("%s: the field is %q, want %q (%v)", what, invalid.Field, c.field, err)
		case invalid.Reason == "" || len(err.Error()) > 1000:
			t.Errorf("%s: the reason is %.1000q", what, invalid.Reason)
		}
	}
}

// An event whose channels do not agree with its scope would reach whom it is not for.
func TestValidateHoldsTheChannelsAgainstTheScope(t *testing.T) {
	object := []byte("{}")
	for what, d := range map[string]channels.Draft{
		"a system event on a plain channel":       {Scope: channels.ScopeSystem, Channels: []channels.Channel{"foo"}, Data: object},
		"a system event for everybody":            {Scope: channels.ScopeSystem, Channels: []channels.Channel{channels.System, channels.Public}, Data: object},
		"an event of 7 on the channel of 8":       {Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/8"}, Data: object},
		"an event of 7 for everybody":             {Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/7", channels.Public}, Data: object},
		"an event of a plain channel on @public":  {Channels: []channels.Channel{channels.Public}, Data: object},
		"an event of a plain channel on a user's": {Channels: []channels.Channel{"foo", "@user/7"}, Data: object},
		"an unknown internal channel":             {Channels: []channels.Channel{"@x"}, Data: object},
		"a global event on a plain channel":       {Scope: channels.ScopeGlobal, Channels: []channels.Channel{"foo"}, Data: object},
	} {
		if err := d.Validate(); err == nil {
			t.Errorf("%s is valid", what)
		}
	}
}
