package mqttbridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge/decode"
)

// A Rule says what the messages of some topics are.
type Rule struct {
	// Topic is a topic in which {name} stands for one level, "+" for one without a name, and "#" at the end
	// for any number. The names {device_type}, {device_id}, {user}, {device_code} and {field} are taken over; others are
	// for the reader.
	Topic string
	// Kind is what the messages are about. A decoder that tells it by itself needs none.
	Kind devices.Kind
	// Type is the type of the devices, where the topic has no {device_type}.
	Type string
	// Decoder is the name of what reads the payloads (package decode); empty for griphub's own form.
	Decoder string
	// ID names the payload's field with the message's own id; empty for none.
	ID string
}

// Rules tell what a message is by its topic. They are made by ParseRules.
type Rules struct {
	patterns []pattern
	filters  []string
	// remembers tells that a decoder has to see what is retained on each connection.
	remembers bool
}

type pattern struct {
	rule   Rule
	levels []level
	filter string
	// decoder is shared by the rules that name it; nil for none.
	decoder devices.Decoder
}

// A level of a pattern is a text, or a wildcard.
type level struct {
	text string
	wild wildcard
}

type wildcard uint8

const (
	literal wildcard = iota
	one              // + and {name}: text is the name
	rest             // #
)

// MaxTopicBytes bounds a topic (MQTT 5, section 1.5.4).
const MaxTopicBytes = 65535

// ParseRules checks the rules. The first that matches a topic decides.
//
// Shared subscriptions ($share/group/topic) are refused: they would spread a device's messages over several readers, and lose
// their order. So are rules of which some topic matches two without one covering the other: the broker may send such a
// message once for each (MQTT 5, section 3.3.4).
func ParseRules(rules []Rule) (Rules, error) {
	if len(rules) == 0 {
		return Rules{}, errors.New("topics: there is no rule")
	}
	parsed := Rules{}
	decoders := make(map[string]devices.Decoder)
	for i, rule := range rules {
		p, err := parsePattern(rule)
		if err != nil {
			return Rules{}, fmt.Errorf("topics[%d] %q: %w", i, rule.Topic, err)
		}
		if _, made := decoders[rule.Decoder]; !made {
			if decoders[rule.Decoder], err = decode.New(rule.Decoder); err != nil {
				return Rules{}, fmt.Errorf("topics[%d] %q: %w", i, rule.Topic, err)
			}
		}
		p.decoder = decoders[rule.Decoder]
		parsed.remembers = parsed.remembers || decode.Remembers(rule.Decoder)
		for j, earlier := range parsed.patterns {
			if overlap(p.levels, earlier.levels) && !covers(p.levels, earlier.levels) && !covers(earlier.levels, p.levels) {
				return Rules{}, fmt.Errorf("topics[%d] %q: it overlaps with topics[%d] %q, and the broker would send some messages twice", i, rule.Topic, j, earlier.rule.Topic)
			}
		}
		parsed.patterns = append(parsed.patterns, p)
	}
	parsed.filters = parsed.subscriptions()
	return parsed, nil
}

func parsePattern(rule Rule) (pattern, error) {
	p := pattern{rule: rule}
	switch {
	case rule.Topic == "":
		return p, errors.New("the topic is empty")
	case len(rule.Topic) > MaxTopicBytes:
		return p, fmt.Errorf("the topic is longer than %d bytes", MaxTopicBytes)
	case !utf8.ValidString(rule.Topic) || strings.IndexFunc(rule.Topic, unicode.IsControl) >= 0:
		return p, errors.New("the topic is not UTF-8 or holds a control character")
	case strings.HasPrefix(rule.Topic, "$share/"):
		return p, errors.New("shared subscriptions lose the order of messages")
	}
	texts := strings.Split(rule.Topic, "/")
	filter := make([]string, len(texts))
	for i, text := range texts {
		l, err := parseLevel(text, i == len(texts)-1)
		if err != nil {
			return p, err
		}
		if l.wild == one && l.text != "" && slices.Contains(p.levels, l) {
			return p, fmt.Errorf("{%s} stands twice", l.text)
		}
		p.levels = append(p.levels, l)
		filter[i] = [...]string{literal: text, one: "+", rest: "#"}[l.wild]
	}
	p.filter = strings.Join(filter, "/")
	return p, p.checkNames()
}

func parseLevel(text string, last bool) (level, error) {
	switch {
	case text == "+":
		return level{wild: one}, nil
	case text == "#" && last:
		return level{wild: rest}, nil
	case strings.ContainsAny(text, "+#"):
		return level{}, fmt.Errorf(`"+" and "#" do not stand for a whole level, or "#" not for the last, in %q`, text)
	case strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") && isName(text[1:len(text)-1]):
		return level{text: text[1 : len(text)-1], wild: one}, nil
	case strings.ContainsAny(text, "{}"):
		return level{}, fmt.Errorf("{name} does not stand for a whole level in %q; a name has letters, digits and _", text)
	}
	return level{text: text}, nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || s[i] == '_' || i > 0 && '0' <= s[i] && s[i] <= '9') {
			return false
		}
	}
	return s != ""
}

// checkNames demands the names without which a message of the kind could not be placed.
func (p *pattern) checkNames() error {
	if decode.Remembers(p.rule.Decoder) {
		return nil // the messages themselves tell
	}
	var want []string
	switch kind := p.rule.Kind; {
	case kind == 0 && decode.Placing(p.rule.Decoder):
		want = []string{"device_type", "device_id"}
	case kind == devices.KindData || kind == devices.KindStatus || kind == devices.KindResponse:
		want = []string{"device_type", "device_id"}
	case kind == devices.KindState:
	default:
		return errors.New("the kind is none of data, status, state and response")
	}
	for _, name := range want {
		if name == "device_type" && p.rule.Type != "" {
			continue
		}
		if !slices.Contains(p.levels, level{name, one}) {
			return fmt.Errorf("{%s} is missing, which messages of kind %s need", name, p.rule.Kind)
		}
	}
	return nil
}

// overlap tells whether some topic matches both.
func overlap(a, b []level) bool {
	switch {
	case len(a) > 0 && a[0].wild == rest, len(b) > 0 && b[0].wild == rest:
		return true
	case len(a) == 0 || len(b) == 0:
		return len(a) == len(b)
	case a[0].wild == literal && b[0].wild == literal && a[0].text != b[0].text:
		return false
	}
	return overlap(a[1:], b[1:])
}

// covers tells whether a matches every topic that b matches.
func covers(a, b []level) bool {
	switch {
	case len(a) > 0 && a[0].wild == rest:
		return true
	case len(a) == 0 || len(b) == 0:
		return len(a) == len(b)
	case b[0].wild == rest:
		return false
	case a[0].wild == literal && (b[0].wild != literal || a[0].text != b[0].text):
		return false
	}
	return covers(a[1:], b[1:])
}

// subscriptions returns the filters without those that another covers.
func (r *Rules) subscriptions() []string {
	var filters []string
	for i, p := range r.patterns {
		covered := false
		for j, other := range r.patterns {
			// Of two equal ones the first stays.
			if i != j && covers(other.levels, p.levels) && (j < i || !covers(p.levels, other.levels)) {
				covered = true
			}
		}
		if !covered {
			filters = append(filters, p.filter)
		}
	}
	return filters
}

// Filters returns the topic filters to subscribe to. No topic matches two of them.
func (r Rules) Filters() []string { return slices.Clone(r.filters) }

// Message returns the message that a topic announces, without payload and times. ok is false where no rule matches.
func (r Rules) Message(topic string) (m devices.Message, ok bool) {
	if topic == "" || len(topic) > MaxTopicBytes {
		return devices.Message{}, false
	}
	for i := range r.patterns {
		if m, ok := r.patterns[i].match(topic); ok {
			return m, true
		}
	}
	return devices.Message{}, false
}

func (p *pattern) match(topic string) (devices.Message, bool) {
	m := devices.Message{Kind: p.rule.Kind, Type: p.rule.Type, KeyField: p.rule.ID, Topic: topic, Decoder: p.decoder}
	remaining, more := topic, true
	for i, l := range p.levels {
		if l.wild == rest {
			// A "#" also stands for no level at all, and not for topics of the broker's own
			// (MQTT 5, sections 4.7.1.2 and 4.7.2).
			return m, i > 0 || topic[0] != '$'
		}
		if !more {
			return m, false
		}
		var text string
		text, remaining, more = strings.Cut(remaining, "/")
		switch {
		case l.wild == literal && l.text != text:
			return m, false
		case l.wild == one:
			if i == 0 && strings.HasPrefix(topic, "$") {
				return m, false
			}
			setName(&m, l.text, text)
		}
	}
	return m, !more
}

func setName(m *devices.Message, name, text string) {
	switch name {
	case "device_type":
		m.Type = text
	case "device_id":
		m.ID = text
	case "user":
		m.User = text
	case "device_code":
		m.Code = text
	case "field":
		m.Field = text
	}
}
