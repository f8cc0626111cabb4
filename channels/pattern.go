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

// A resumption is where matching goes on after a wildcard has taken one byte more.
type resumption struct {
	pattern string // after the wildcard
	name    string // after what the wildcard has taken
	set     bool
}

// match is greedy in the number of tries: after a mismatch only the last "*", and where that may not grow the last "**",
// takes one byte more. What a wildcard before them takes can be left as small as it was, because the later one can
// take the rest; so the work is bounded by the square of the name's length.
func match(pattern, name string) bool {
	var star, deep resumption
	for {
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = pattern[2:]
			deep, star = resumption{pattern, name, true}, resumption{}
		case strings.HasPrefix(pattern, "*"):
			pattern = pattern[1:]
			star = resumption{pattern, name, true}
		case pattern == "" && name == "":
			return true
		case pattern != "" && name != "" && pattern[0] == name[0]:
			pattern, name = pattern[1:], name[1:]
		case star.set && star.name != "" && star.name[0] != '_' && star.name[0] != '/':
			star.name = star.name[1:]
			pattern, name = star.pattern, star.name
		case deep.set && deep.name != "":
			deep.name = deep.name[1:]
			star = resumption{}
			pattern, name = deep.pattern, deep.name
		default:
			return false
		}
	}
}
