package mqttbridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A DeviceTopic is a topic that each device has beside those that it sends to, such as
// things/{device_type}/{device_id}/cmd. Rules.Beside makes one.
type DeviceTopic struct{ pattern pattern }

// Beside returns the devices' topics of that name: those of the first rule that names both the type and the id of a device,
// and no other level without a text, with the name in place of what stands after the two. It fails where no rule
// does, and where a rule would take the messages for a device's own.
func (r Rules) Beside(name string) (DeviceTopic, error) {
	for i := range r.patterns {
		beside, ok := r.patterns[i].beside(name)
		if !ok {
			continue
		}
		for j := range r.patterns {
			if kind := r.patterns[j].rule.Kind; kind != devices.KindResponse && overlap(beside.levels, r.patterns[j].levels) {
				return DeviceTopic{}, fmt.Errorf("topics: %q would read %q as %v of the device", r.patterns[j].rule.Topic, beside.rule.Topic, kind)
			}
		}
		return DeviceTopic{beside}, nil
	}
	return DeviceTopic{}, errors.New("topics: no rule names {device_type} and {device_id} alone, so that devices have no topics to be told by")
}

// Responses returns the topics on which devices answer commands: those of the first rule of that kind. It fails where there is
// none, or its topics have levels other than the device's that no text stands for.
func (r Rules) Responses() (DeviceTopic, error) {
	for i := range r.patterns {
		if p := r.patterns[i]; p.rule.Kind == devices.KindResponse && p.namesOnlyDevice() {
			return DeviceTopic{p}, nil
		}
	}
	return DeviceTopic{}, errors.New("topics: no rule of kind response")
}

func (p *pattern) beside(name string) (pattern, bool) {
	last := max(slices.Index(p.levels, level{"device_type", one}), slices.Index(p.levels, level{"device_id", one}))
	if !p.namesDevice() {
		return pattern{}, false
	}
	texts := strings.Split(p.rule.Topic, "/")[:last+1]
	beside, err := parsePattern(Rule{Topic: strings.Join(append(texts, name), "/"), Kind: devices.KindData})
	return beside, err == nil && beside.namesOnlyDevice()
}

// namesOnlyDevice tells whether all levels but the device's names are texts.
func (p *pattern) namesOnlyDevice() bool {
	return !slices.ContainsFunc(p.levels, func(l level) bool {
		return l.wild != literal && l.text != "device_type" && l.text != "device_id"
	})
}

// namesDevice tells whether the topic has both the device's type and its id.
func (p *pattern) namesDevice() bool {
	return slices.Contains(p.levels, level{"device_type", one}) && slices.Contains(p.levels, level{"device_id", one})
}

// Of returns the device's topic. It fails where the device's name cannot stand in one.
func (t DeviceTopic) Of(device channels.DeviceRef) (string, error) {
	texts := make([]string, len(t.pattern.levels))
	for i, l := range t.pattern.levels {
		texts[i] = l.text
		if l.wild == one {
			name := device.Type
			if l.text == "device_id" {
				name = device.ID
			}
			if name == "" || strings.ContainsAny(name, "+#/\x00") {
				return "", fmt.Errorf("device %q/%q: its name cannot stand in a topic", device.Type, device.ID)
			}
			texts[i] = name
		}
	}
	topic := strings.Join(texts, "/")
	if len(topic) > MaxTopicBytes {
		return "", fmt.Errorf("device %.20q…: the topic is longer than %d bytes", device.Type, MaxTopicBytes)
	}
	return topic, nil
}

// Filter returns the topic filter of all devices' topics.
func (t DeviceTopic) Filter() string { return t.pattern.filter }

// Device returns whose topic it is; ok is false where it is no device's.
func (t DeviceTopic) Device(topic string) (device channels.DeviceRef, ok bool) {
	m, ok := t.pattern.match(topic)
	return channels.DeviceRef{Type: m.Type, ID: m.ID}, ok && topic != ""
}

// String returns the topic with its names in braces.
func (t DeviceTopic) String() string { return t.pattern.rule.Topic }
