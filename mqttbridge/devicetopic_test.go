package mqttbridge_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

func parseRules(t *testing.T, topics ...string) mqttbridge.Rules {
	t.Helper()
	var list []mqttbridge.Rule
	for _, topic := range topics {
		kind := devices.KindData
		if strings.Contains(topic, "{user}") {
			kind = devices.KindState
		}
		list = append(list, mqttbridge.Rule{Topic: topic, Kind: kind})
	}
	rules, err := mqttbridge.ParseRules(list)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestTopicsBesideThoseOfTheRules(t *testing.T) {
	pump := channels.DeviceRef{Type: "pump", ID: "p 1"}
	for rule, want := range map[string]string{
		"things/{device_type}/{device_id}/data":       "things/pump/p 1/cmd",
		"{device_id}/of/{device_type}/tele/x/{field}": "p 1/of/pump/cmd",
		"{device_type}/{device_id}":                   "pump/p 1/cmd",
	} {
		topic, err := parseRules(t, "x/users/{user}/{device_code}", rule).Beside("cmd")
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		got, err := topic.Of(pump)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", rule, got, err, want)
		}
		if device, ok := topic.Device(got); !ok || device != pump {
			t.Errorf("%q is read as %v, %v", got, device, ok)
		}
		for _, other := range []string{"", "x", got + "/x", strings.Replace(got, "cmd", "data", 1)} {
			if _, ok := topic.Device(other); ok {
				t.Errorf("%q is taken for a topic of %v", other, topic)
			}
		}
	}
}

func TestANameThatWouldReachOthersIsNoTopic(t *testing.T) {
	topic, err := parseRules(t, "things/{device_type}/{device_id}/data").Beside("cmd")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []channels.DeviceRef{
		{}, {Type: "pump"}, {ID: "p1"}, {Type: "pump", ID: "+"}, {Type: "#", ID: "p1"}, {Type: "pump", ID: "a/b"},
		{Type: "pump", ID: "a\x00b"}, {Type: "pump", ID: strings.Repeat("x", 70_000)},
	} {
		if got, err := topic.Of(ref); err == nil {
			t.Errorf("%.20q: %.40q", ref.ID, got)
		}
	}
}

func TestWithoutAPlaceForThemThereAreNoTopics(t *testing.T) {
	for _, topics := range [][]string{
		{"users/{user}/{device_code}"},
		{"{site}/{device_type}/{device_id}/data"},
		{"+/{device_type}/{device_id}/data"},
		{"things/{device_type}/{device_id}/data", "things/{device_type}/{device_id}/+"}, // would read commands as data
		{"things/{device_type}/{device_id}/data", "#"},
	} {
		rules, err := mqttbridge.ParseRules(func() (list []mqttbridge.Rule) {
			for _, topic := range topics {
				kind := devices.KindData
				if !strings.Contains(topic, "{device_id}") {
					kind = devices.KindState
				}
				list = append(list, mqttbridge.Rule{Topic: topic, Kind: kind})
			}
			return list
		}())
		if err != nil {
			t.Fatal(err)
		}
		if topic, err := rules.Beside("cmd"); err == nil {
			t.Errorf("%q: %v", topics, topic)
		}
	}
}

func TestWhatIsRetainedIsHeardOnEachConnection(t *testing.T) {
	broker := brokertest.Start(t)
	before := publisher(t, mqttbridge.Config{URL: broker.URL})
	if err := before.Retain(t.Context(), "things/pump/p1/watched", []byte("1")); err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 100)
	p, err := mqttbridge.NewPublisher(mqttbridge.Config{URL: broker.URL})
	if err != nil {
		t.Fatal(err)
	}
	p.Follow([]string{"things/+/+/watched"}, func() { heard <- "renewed" }, func(topic string, payload []byte, retained bool) {
		word := "new"
		if retained {
			word = "retained"
		}
		heard <- word + " " + topic + " " + string(payload)
	})
	running(t, p)
	want := func(words ...string) {
		t.Helper()
		for _, word := range words {
			if got := <-heard; got != word {
				t.Fatalf("heard %q, want %q", got, word)
			}
		}
	}
	want("renewed", "retained things/pump/p1/watched 1")
	if err := p.Retain(t.Context(), "things/pump/p2/watched", []byte("1")); err != nil { // its own it does not hear
		t.Fatal(err)
	}
	if err := before.Retain(t.Context(), "things/pump/p1/watched", []byte("0")); err != nil {
		t.Fatal(err)
	}
	want("new things/pump/p1/watched 0")
	broker.Stop()
	broker.Restart()
	want("renewed")
	if err := before.Publish(t.Context(), "things/pump/p3/watched", []byte("1")); err != nil {
		t.Fatal(err)
	}
}
