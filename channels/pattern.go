package channels

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Pattern matches channel names. "*" stands for any run of characters, also none, that holds neither "_"
// nor "/"; "**" for any run at all; everything else for itself. The zero Pattern matches nothing.
type Pattern string

// ParsePattern validates a pattern: 1 to MaxNameBytes bytes of UTF-8 with at most eight wildcards, which
// bounds the work of a match.
func ParsePattern(s string) (Pattern, error) {
	switch {
	case s == "":
		return "", errors.New("pattern: empty")
	case len(s) > MaxNameBytes:
		return "", fmt.Errorf("pattern %q: longer than %d bytes", clip(s), MaxNameBytes)
	case !utf8.ValidString(s):
		return "", fmt.Errorf("pattern %q: not UTF-8", clip(s))
	case strings.Count(strings.ReplaceAll(s, "**", "*"), "*") > 8:
		return "", fmt.Errorf("pattern %q: more than eight wildcards", clip(s))
	case strings.Contains(s, "***"):
		return "", fmt.Errorf(`pattern %q: "***" has no meaning`, clip(s))
	}
	return Pattern(s), nil
}

// Match tells whether the channel's whole name matches.
func (p Pattern) Match(c Channel) bool { return p != "" && match(string(p), string(c)) }

// match backtracks over the last wildcard of each kind; with eight wildcards at most and names of 255
// bytes that stays small.
func match(pattern, name string) bool {
	for pattern != "" {
		if pattern[0] != '*' {
			if name == "" || name[0] != pattern[0] {
				return false
			}
			pattern, name = pattern[1:], name[1:]
			continue
		}
		rest, deep := strings.CutPrefix(pattern, "**")
		if !deep {
			rest = pattern[1:]
		}
		for i := 0; ; i++ {
			if rest == "" && deep {
				return true
			}
			if match(rest, name[i:]) {
				return true
			}
			if i == len(name) || !deep && (name[i] == '_' || name[i] == '/') {
				return false
			}
		}
	}
	return name == ""
}
