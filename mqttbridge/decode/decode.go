// Package decode reads what devices of other conventions publish: each file knows one of them, and turns its messages into those that
// griphub's own devices send.
package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/griphub/griphub/devices"
)

// makers are the decoders by their names in configurations. "json" is griphub's own form, and needs none.
func makers() map[string]func() devices.Decoder {
	return map[string]func() devices.Decoder{
		"json":          func() devices.Decoder { return nil },
		"value":         func() devices.Decoder { return value{} },
		"homeassistant": func() devices.Decoder { return newHomeAssistant() },
		"zigbee2mqtt":   func() devices.Decoder { return zigbee2MQTT{} },
		"tasmota":       func() devices.Decoder { return tasmota{} },
		"shelly":        func() devices.Decoder { return shelly{} },
	}
}

// Names returns the names of all decoders.
func Names() []string { return slices.Sorted(maps.Keys(makers())) }

// New returns the decoder of that name; nil for "json" and "", which is the same.
func New(name string) (devices.Decoder, error) {
	if name == "" {
		return nil, nil
	}
	maker, ok := makers()[name]
	if !ok {
		return nil, fmt.Errorf("decoder %q: want %s", name, strings.Join(Names(), ", "))
	}
	return maker(), nil
}

// Placing tells whether the decoder tells by itself what a message is about, so that its rules name no kind.
func Placing(name string) bool { return name != "" && name != "json" && name != "value" }

// Remembers tells whether the decoder has to see the messages that a broker retains each time it begins.
func Remembers(name string) bool { return name == "homeassistant" }

// Bounds of what is made of one message.
const (
	maxDepth  = 8
	maxFields = 500
)

var errNotJSON = errors.New("the payload is not a JSON object")

// fields are readings by name.
type fields map[string]json.RawMessage

// object reads a JSON object.
func object(payload []byte) (fields, error) {
	var f fields
	if err := json.Unmarshal(payload, &f); err != nil || f == nil || !utf8.Valid(payload) {
		return nil, errNotJSON
	}
	return f, nil
}

// flatten adds a value: an object's members by themselves, their names joined by dots.
func (f fields) flatten(name string, value json.RawMessage, depth int) error {
	if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		members, err := object(value)
		switch {
		case err != nil:
			return err
		case depth >= maxDepth:
			return fmt.Errorf("the payload is deeper than %d levels", maxDepth)
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			if err := f.flatten(join(name, key), members[key], depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if f[name] = value; len(f) > maxFields {
		return fmt.Errorf("the payload has more than %d fields", maxFields)
	}
	return nil
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// data makes a message of readings; none without any.
func data(m devices.Message, f fields) ([]devices.Message, error) {
	if len(f) == 0 {
		return nil, nil
	}
	payload, err := json.Marshal(f)
	if err != nil {
		return nil, errNotJSON
	}
	m.Kind, m.Payload = devices.KindData, payload
	return []devices.Message{m}, nil
}

// status makes a message of what is known of the device itself: "status", "battery_level", "firmware_version".
func status(m devices.Message, name string, value any) ([]devices.Message, error) {
	payload, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		return nil, err
	}
	m.Kind, m.Payload = devices.KindStatus, payload
	return []devices.Message{m}, nil
}

// available makes a status of a word for being there, or not.
func available(m devices.Message, word, yes, no string) ([]devices.Message, error) {
	switch word {
	case yes:
		return status(m, "status", devices.Online)
	case no:
		return status(m, "status", devices.Offline)
	}
	return nil, fmt.Errorf("%.40q is neither %q nor %q", word, yes, no)
}

// battery makes a status of a charge in percent; none where it is no such thing.
func battery(m devices.Message, level json.RawMessage) ([]devices.Message, error) {
	if percent, err := strconv.ParseFloat(string(level), 64); err == nil && percent >= 0 && percent <= 100 {
		return status(m, "battery_level", percent)
	}
	return nil, nil
}

// word is the payload as text, without blanks around it and the quotes of a JSON string.
func word(payload []byte) string {
	text := strings.TrimSpace(string(payload))
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) == nil && text != "null" {
		return quoted
	}
	return text
}

// lastLevel is what stands after the last "/" of a topic.
func lastLevel(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }
