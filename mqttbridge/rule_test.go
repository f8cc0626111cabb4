package mqttbridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/devices"
)

func TestRulesPlaceMessagesByTheirTopic(t *testing.T) {
	rules, err := ParseRules([]Rule{
		{Topic: "things/{device_type}/{device_id}/data", Kind: devices.KindData, ID: "id"},
		{Topic: "things/{device_type}/{device_id}/status", Kind: devices.KindStatus},
		{Topic: "users/{user}/devices/{device_code}/#", Kind: devices.KindState},
	})
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]string{
		"things/pump/p-1/data":             "data pump p-1   id",
		"things/pump/p-1/status":           "status pump p-1   ",
		"things//p-1/data":                 "data  p-1   id",
		"things/pump/p-1":                  "",
		"things/pump/p-1/data/":            "",
		"things/pump/p-1/data/more":        "",
		"/things/pump/p-1/data":            "",
		"users/7/devices/c-1":              "state   7 c-1 ",
		"users/7/devices/c-1/":             "state   7 c-1 ",
		"users/7/devices/c-1/a/b":          "state   7 c-1 ",
		"users/7/devices":                  "",
		"":                                 "",
		strings.Repeat("x", MaxTopicBytes): "",
	} {
		m, ok := rules.Message(topic)
		got := ""
		if ok {
			got = strings.Join([]string{m.Kind.String(), m.Type, m.ID, m.User, m.Code, m.KeyField}, " ")
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", topic, got, want)
		}
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	rules, err := ParseRules([]Rule{
		{Topic: "a/{device_type}/{device_id}", Kind: devices.KindData},
		{Topic: "a/x/{device_id}/{device_type}", Kind: devices.KindData},
		{Topic: "a/{device_type}/{device_id}", Kind: devices.KindStatus},
		{Topic: "a/{device_id}/+/{device_type}/b", Kind: devices.KindStatus},
		{Topic: "a/#", Kind: devices.KindState},
		{Topic: "a/#", Kind: devices.KindState},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := rules.Message("a/x/y"); m.Kind != devices.KindData {
		t.Errorf("kind %v", m.Kind)
	}
	if got := rules.Filters(); !slices.Equal(got, []string{"a/#"}) {
		t.Errorf("filters %q: one that another covers must not be subscribed to", got)
	}
}

func TestWildcardsDoNotMatchTopicsOfTheBroker(t *testing.T) {
	for _, pattern := range []string{"{device_type}/{device_id}", "#", "+/{device_type}/{device_id}"} {
		kind := devices.KindData
		if pattern == "#" {
			kind = devices.KindState
		}
		rules, err := ParseRules([]Rule{{Topic: pattern, Kind: kind}})
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"$SYS/uptime", "$SYS/broker/uptime"} {
			if _, ok := rules.Message(topic); ok {
				t.Errorf("%s matches %s", pattern, topic)
			}
		}
	}
	rules, err := ParseRules([]Rule{{Topic: "$aws/{device_type}/{device_id}", Kind: devices.KindData}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := rules.Message("$aws/pump/p"); !ok {
		t.Error("a topic that is named matches")
	}
}

func TestRulesThatCannotWorkAreRefused(t *testing.T) {
	data := func(topics ...string) (rules []Rule) {
		for _, topic := range topics {
			rules = append(rules, Rule{Topic: topic, Kind: devices.KindData})
		}
		return rules
	}
	for want, rules := range map[string][]Rule{
		`topics: there is no rule`:                             nil,
		`topics[0] "": the topic is empty`:                     data(""),
		`the topic is longer than 65535 bytes`:                 data(strings.Repeat("x", 65536)),
		`not UTF-8 or holds a control character`:               data("a\x00/{device_type}/{device_id}"),
		`not UTF-8`:                                            data("\xff/{device_type}/{device_id}"),
		`shared subscriptions lose the order`:                  data("$share/g/{device_type}/{device_id}"),
		`{device_id} stands twice`:                             data("{device_id}/{device_type}/{device_id}"),
		`"#" not for the last, in "#"`:                         data("{device_id}/#/{device_type}"),
		`do not stand for a whole level`:                       data("a+/{device_id}/{device_type}"),
		`whole level in "x{device_id}"`:                        data("x{device_id}/{device_type}"),
		`whole level in "{}"`:                                  data("{}/{device_id}/{device_type}"),
		`whole level in "{1a}"`:                                data("{1a}/{device_id}/{device_type}"),
		`whole level in "{a b}"`:                               data("{a b}/{device_id}/{device_type}"),
		`{device_type} is missing`:                             data("a/{device_id}"),
		`{device_id} is missing`:                               data("a/{device_type}"),
		`the kind is none of data, status, state and response`: {{Topic: "a"}},
		`topics[1] "+/b/{device_type}/{device_id}": it overlaps with topics[0] "a/+/{device_type}/{device_id}"`: data("a/+/{device_type}/{device_id}", "+/b/{device_type}/{device_id}"),
		`it overlaps`: data("a/+/{device_type}/{device_id}", "+/b/{device_type}/{device_id}/#"),
	} {
		if _, err := ParseRules(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// matches is MQTT's own definition of a filter's matches (MQTT 5, section 4.7), written down plainly.
func matches(filter, topic []string) bool {
	switch {
	case len(filter) == 0:
		return len(topic) == 0
	case filter[0] == "#":
		return true
	case len(topic) == 0:
		return false
	}
	return (filter[0] == "+" || filter[0] == topic[0]) && matches(filter[1:], topic[1:])
}

// What a rule matches, exactly one of the filters brings.
func FuzzRules(f *testing.F) {
	f.Add("things/{device_type}/{device_id}/data", "a/#", "things/pump/p-1/data")
	f.Add("a/+/b", "a/b/#", "a/x/b")
	f.Add("{a}/b", "+/{c}", "$SYS/b")
	f.Add("a/{x}/#", "#", "a/")
	f.Fuzz(func(t *testing.T, first, second, topic string) {
		rules, err := ParseRules([]Rule{{Topic: first, Kind: devices.KindState}, {Topic: second, Kind: devices.KindState}})
		if err != nil {
			return
		}
		_, placed := rules.Message(topic)
		brought := 0
		for _, filter := range rules.Filters() {
			if topic != "" && len(topic) <= MaxTopicBytes &&
				matches(strings.Split(filter, "/"), strings.Split(topic, "/")) &&
				!(topic[0] == '$' && (filter[0] == '+' || filter[0] == '#')) {
				brought++
			}
		}
		if placed != (brought > 0) || brought > 1 {
			t.Fatalf("rules %q and %q place %q: %v; %d of the filters %q match it", first, second, topic, placed, brought, rules.Filters())
		}
	})
}
