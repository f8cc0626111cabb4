package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// placeholder returns the name in "{name}", if text is that and nothing else.
func placeholder(text string) (name string, ok bool) {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return "", false
	}
	name = text[1 : len(text)-1]
	return name, isName(name)
}

// isName tells whether a word may name a placeholder: a letter or _, then letters, digits or _.
func isName(word string) bool {
	for i, r := range word {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return word != ""
}

// checkTopic checks the syntax of an MQTT topic pattern (MQTT 5, section 4.7, with {name} for a single level).
func checkTopic(pattern string) error {
	if len(pattern) > 65535 {
		return errors.New("is longer than an MQTT topic can be")
	}
	levels := strings.Split(pattern, "/")
	if levels[0] == "$share" {
		return errors.New("is a shared subscription, which would spread a device's messages over several readers and lose their order")
	}
	var names []string
	for i, level := range levels {
		name, named := placeholder(level)
		switch {
		case named && slices.Contains(names, name):
			return fmt.Errorf("names {%s} twice", name)
		case named:
			names = append(names, name)
		case level == "+", level == "#" && i == len(levels)-1:
		case level == "#":
			return errors.New("has # before its end; # is the last level")
		case strings.ContainsAny(level, "+#"):
			return fmt.Errorf("mixes a wildcard with text in the level %s; a wildcard is a whole level", quoted(level))
		case strings.ContainsAny(level, "{}"):
			return fmt.Errorf("has a brace in the level %s; {name} is a whole level, its name letters, digits and _", quoted(level))
		case strings.ContainsFunc(level, unicode.IsControl):
			return errors.New("has a control character")
		}
	}
	return nil
}

// checkChannelPattern checks the syntax of a pattern of channel names.
func checkChannelPattern(pattern string) error {
	switch {
	case strings.Contains(pattern, "***"):
		return errors.New("has three stars in a row; * and ** are the wildcards")
	case strings.ContainsFunc(pattern, unicode.IsControl):
		return errors.New("has a control character")
	}
	return nil
}

// pathNames returns the placeholders of a stream's path.
func pathNames(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("must begin with /")
	}
	var names []string
	for _, segment := range strings.Split(path, "/") {
		name, named := placeholder(segment)
		switch {
		case named && slices.Contains(names, name):
			return nil, fmt.Errorf("names {%s} twice", name)
		case named:
			names = append(names, name)
		case strings.ContainsAny(segment, "{}"):
			return nil, fmt.Errorf("has a brace in the segment %s; {name} is a whole segment, its name letters, digits and _", quoted(segment))
		case strings.ContainsAny(segment, "*:?#%"), strings.ContainsFunc(segment, unicode.IsSpace), strings.ContainsFunc(segment, unicode.IsControl):
			return nil, fmt.Errorf("has a character in the segment %s that a path cannot have here", quoted(segment))
		}
	}
	return names, nil
}

// pathShape is what makes two stream paths the same route: names and the last slash do not count.
func pathShape(path string) string {
	return regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimSuffix(path, "/"), "{}")
}

// checkChannelTemplate checks a stream's channel, in which {name} may stand anywhere.
func checkChannelTemplate(template string, names []string) error {
	if template == "" {
		return errors.New("is empty")
	}
	rest := template
	for {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return errors.New("has a } without its {")
		}
		if !open {
			break
		}
		name, left, closed := strings.Cut(after, "}")
		if !closed {
			return errors.New("has a { without its }")
		}
		if !slices.Contains(names, name) {
			return fmt.Errorf("uses {%s}, which is not in the path", printable(name))
		}
		rest = left
	}
	if strings.ContainsFunc(template, unicode.IsControl) {
		return errors.New("has a control character")
	}
	return nil
}
