package channels_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

func TestPatternsMatchWholeNames(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []channels.Channel
	}{
		{"foo", []channels.Channel{"foo"}, []channels.Channel{"", "fo", "fooo", "Foo", "xfoo"}},
		{"*", []channels.Channel{"foo", "a-b", "a.b", "ü", "@public"}, []channels.Channel{"a_b", "a/b", "_", "/"}},
		{"**", []channels.Channel{"foo", "a_b", "a/b/c_d", "_", "日本"}, nil},
		{"iot_*", []channels.Channel{"iot_pump", "iot_"}, []channels.Channel{"iot_pump_p1", "iot", "iot_a/b"}},
		{"iot_**", []channels.Channel{"iot_pump", "iot_pump_p1", "iot_a/b", "iot_"}, []channels.Channel{"iot", "xiot_pump"}},
		{"iot_*_*", []channels.Channel{"iot_pump_p1", "iot__"}, []channels.Channel{"iot_pump", "iot_pump_p1_x"}},
		{"object/*", []channels.Channel{"object/7", "object/"}, []channels.Channel{"object/7/x", "object/7_x"}},
		{"object/*/log", []channels.Channel{"object/7/log", "object//log"}, []channels.Channel{"object/7/8/log", "object/log"}},
		{"**/log", []channels.Channel{"a/b_c/log", "/log"}, []channels.Channel{"log", "a/logs"}},
		{"*a*b", []channels.Channel{"ab", "xaxb", "aabb"}, []channels.Channel{"ba", "a_b"}},
		{"a**b*c", []channels.Channel{"abc", "a_b/bxc", "abbc"}, []channels.Channel{"ab_c", "ac"}},
		{"a[b]?.", []channels.Channel{"a[b]?."}, []channels.Channel{"ab", "abx."}},
		{"ü*", []channels.Channel{"ü", "übung"}, []channels.Channel{"u", "\xc3"}},
	} {
		p, err := channels.ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, name := range c.yes {
			if !p.Match(name) {
				t.Errorf("%s does not match %q", p, name)
			}
		}
		for _, name := range c.no {
			if p.Match(name) {
				t.Errorf("%s matches %q", p, name)
			}
		}
	}
}

func TestTheZeroPatternMatchesNothing(t *testing.T) {
	var p channels.Pattern
	for _, name := range []channels.Channel{"", "foo", "@public"} {
		if p.Match(name) {
			t.Errorf("the zero pattern matches %q", name)
		}
	}
}

func TestParsePatternRefusesWhatHasNoMeaning(t *testing.T) {
	for what, pattern := range map[string]string{
		"nothing":        "",
		"three stars":    "a***b",
		"four stars":     "****",
		"nine stars":     strings.Repeat("*a", 9),
		"nine wildcards": strings.Repeat("**a*b", 4) + "**",
		"too long":       strings.Repeat("a", channels.MaxNameBytes+1),
		"no UTF-8":       "a\xff*",
	} {
		if p, err := channels.ParsePattern(pattern); err == nil {
			t.Errorf("%s: ParsePattern accepted %q", what, p)
		}
	}
	for _, pattern := range []string{strings.Repeat("*a", 8), strings.Repeat("**a", 8), strings.Repeat("a", channels.MaxNameBytes)} {
		if _, err := channels.ParsePattern(pattern); err != nil {
			t.Errorf("ParsePattern(%q): %v", pattern, err)
		}
	}
}

// asRegexp is the plainest reading of a pattern, matched in linear time.
func asRegexp(p channels.Pattern) *regexp.Regexp {
	quoted := regexp.QuoteMeta(string(p)) // "*" becomes `\*`
	quoted = strings.ReplaceAll(quoted, `\*\*`, `(?s:.*)`)
	quoted = strings.ReplaceAll(quoted, `\*`, `[^_/]*`)
	return regexp.MustCompile(`\A` + quoted + `\z`)
}

func TestPatternsMatchWhatTheirPlainestReadingDoes(t *testing.T) {
	letters := rapid.SampledFrom([]string{"a", "b", "_", "/", "*", "**", "a", "b"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(letters, 1, 10).Draw(t, "pattern"), "")
		name := strings.ReplaceAll(strings.Join(rapid.SliceOfN(letters, 0, 14).Draw(t, "name"), ""), "*", "a")
		p, err := channels.ParsePattern(text)
		if err != nil {
			return
		}
		if got, want := p.Match(channels.Channel(name)), asRegexp(p).MatchString(name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", p, name, got, want)
		}
	})
}

// FuzzPattern holds matches against the plainest reading.
func FuzzPattern(f *testing.F) {
	f.Add("iot_**", "iot_pump_p1")
	f.Add("*a*_b**", "xax_b/")
	f.Add("**a**b", "ab\xff")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := channels.ParsePattern(text)
		if err != nil {
			return
		}
		c, err := channels.ParseChannel(name)
		if err != nil {
			return
		}
		if got, want := p.Match(c), asRegexp(p).MatchString(name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", p, name, got, want)
		}
	})
}

// The names come from viewers, so that a pattern which costs much on some name is a way to stop the process.
func TestNoNameIsExpensiveToMatch(t *testing.T) {
	hostile := channels.Channel(strings.Repeat("a", channels.MaxNameBytes))
	for _, pattern := range []channels.Pattern{
		channels.Pattern(strings.Repeat("*a", 8) + "b"),
		channels.Pattern(strings.Repeat("**a", 8) + "b"),
		channels.Pattern(strings.Repeat("**a*a", 4) + "b"),
	} {
		done := make(chan bool, 1)
		start := time.Now()
		go func() { done <- pattern.Match(hostile) }()
		select {
		case matched := <-done:
			if took := time.Since(start); matched || took > 100*time.Millisecond {
				t.Errorf("%s: %v after %s", pattern, matched, took)
			}
		case <-time.After(2 * time.Second):
			t.Fatalf("%s against %d letters has not ended in 2 s", pattern, len(hostile))
		}
	}
}
