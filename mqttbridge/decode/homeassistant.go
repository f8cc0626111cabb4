package decode

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// maxEntities bounds what discovery messages may describe. Whoever may publish there could go on for ever.
const maxEntities = 20_000

// homeAssistant reads Home Assistant's MQTT discovery (home-assistant.io/integrations/mqtt/#mqtt-discovery): messages to
// …/config describe entities of devices, where their state is and when they are available; messages to the topics that
// they name are read accordingly. One homeAssistant reads for all rules that name it, so that both meet.
type homeAssistant struct {
	mu sync.Mutex
	// configs are the entities by the topic that describes them, states and availabilities by the topic that they read.
	configs        map[string][]*entity
	states         map[string][]*entity
	availabilities map[string][]*entity
	count          int
}

func newHomeAssistant() *homeAssistant {
	return &homeAssistant{configs: map[string][]*entity{}, states: map[string][]*entity{}, availabilities: map[string][]*entity{}}
}

// An entity is one reading of a device.
type entity struct {
	device     channels.DeviceRef
	field      string
	stateTopic string
	path       []string // into the state's JSON; nil for the whole
	available  []availability
}

// An availability is a topic that tells whether the device is there.
type availability struct {
	topic, yes, no string
	path           []string
}

// Decode tells of a device what the discovery message says of it, or reads what it publishes. What nobody has described is
// refused, since it may be a reading.
func (h *homeAssistant) Decode(m devices.Message) ([]devices.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if lastLevel(m.Topic) == "config" {
		return h.describe(m)
	}
	states, availabilities := h.states[m.Topic], h.availabilities[m.Topic]
	if len(states)+len(availabilities) == 0 {
		return nil, errors.New("no discovery message describes this topic")
	}
	messages, err := readAvailabilities(m, availabilities)
	if err != nil {
		return nil, err
	}
	readings, err := readStates(m, states)
	return append(messages, readings...), err
}

func readStates(m devices.Message, entities []*entity) (messages []devices.Message, err error) {
	byDevice := map[channels.DeviceRef]fields{}
	for _, e := range entities {
		reading, err := at(m.Payload, e.path)
		if err != nil {
			return nil, err
		}
		if reading == nil {
			continue
		}
		if byDevice[e.device] == nil {
			byDevice[e.device] = fields{}
		}
		if err := byDevice[e.device].flatten(e.field, reading, 1); err != nil {
			return nil, err
		}
	}
	for _, ref := range sortedRefs(byDevice) {
		m.Type, m.ID = ref.Type, ref.ID
		one, err := data(m, byDevice[ref])
		if err != nil {
			return nil, err
		}
		messages = append(messages, one...)
	}
	return messages, nil
}

func sortedRefs[V any](all map[channels.DeviceRef]V) []channels.DeviceRef {
	return slices.SortedFunc(maps.Keys(all), func(a, b channels.DeviceRef) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
	})
}

// readAvailabilities makes one status of each device that the topic tells of.
func readAvailabilities(m devices.Message, entities []*entity) (messages []devices.Message, err error) {
	done := map[channels.DeviceRef]bool{}
	for _, e := range entities {
		for _, a := range e.available {
			if a.topic != m.Topic || done[e.device] {
				continue
			}
			found, err := at(m.Payload, a.path)
			if err != nil || found == nil {
				return nil, err
			}
			done[e.device] = true
			m.Type, m.ID = e.device.Type, e.device.ID
			one, err := available(m, word(found), a.yes, a.no)
			if err != nil {
				return nil, err
			}
			messages = append(messages, one...)
		}
	}
	return messages, nil
}

// at returns what stands at the path of a payload; nil for nothing.
func at(payload []byte, path []string) (json.RawMessage, error) {
	found, err := scalar(payload)
	for _, name := range path {
		if err != nil || found == nil {
			return nil, err
		}
		members, err := object(found)
		if err != nil {
			return nil, err
		}
		found = members[name]
	}
	return found, err
}

// describe takes a discovery message, in place of what its topic said before. An empty one takes it back.
func (h *homeAssistant) describe(m devices.Message) ([]devices.Message, error) {
	h.forget(m.Topic)
	if len(bytes.TrimSpace(m.Payload)) == 0 {
		return nil, nil
	}
	config, err := object(m.Payload)
	if err != nil {
		return nil, err
	}
	unabbreviate(config)
	entities, err := entitiesOf(m, config)
	if err != nil {
		return nil, err
	}
	if h.count+len(entities) > maxEntities {
		return nil, fmt.Errorf("more than %d entities are described", maxEntities)
	}
	for _, e := range entities {
		if e.stateTopic != "" {
			h.states[e.stateTopic] = append(h.states[e.stateTopic], e)
		}
		for _, a := range e.available {
			h.availabilities[a.topic] = append(h.availabilities[a.topic], e)
		}
	}
	h.configs[m.Topic] = entities
	h.count += len(entities)
	return introduce(m, entities[0].device, config)
}

func (h *homeAssistant) forget(topic string) {
	for _, e := range h.configs[topic] {
		drop(h.states, e.stateTopic, e)
		for _, a := range e.available {
			drop(h.availabilities, a.topic, e)
		}
		h.count--
	}
	delete(h.configs, topic)
}

func drop(all map[string][]*entity, topic string, e *entity) {
	left := slices.DeleteFunc(all[topic], func(other *entity) bool { return other == e })
	if len(left) == 0 {
		delete(all, topic)
	} else {
		all[topic] = left
	}
}

// introduce registers the device with what is said of it, without an event: it has said nothing yet.
func introduce(m devices.Message, device channels.DeviceRef, config fields) ([]devices.Message, error) {
	about, _ := object(config["device"]) // entitiesOf has read it
	said := fields{}
	for _, name := range []string{"name", "model", "manufacturer", "sw_version"} {
		if v, ok := about[name]; ok {
			if err := said.flatten(name, v, 1); err != nil {
				return nil, err
			}
		}
	}
	if len(said) == 0 {
		said["name"], _ = json.Marshal(device.ID) // a string always has a JSON form
	}
	m.Type, m.ID, m.Retained = device.Type, device.ID, true
	return data(m, said)
}

// entitiesOf are those that a message describes: one, or with "components" any number of a device. They read one template
// language each, of which this is what most of them need.
func entitiesOf(m devices.Message, config fields) ([]*entity, error) {
	levels := strings.Split(m.Topic, "/")
	last := ""
	if len(levels) >= 2 {
		last = levels[len(levels)-2]
	}
	device, err := deviceOf(m, config, last)
	if err != nil {
		return nil, err
	}
	var components map[string]fields
	if raw, ok := config["components"]; ok && json.Unmarshal(raw, &components) != nil {
		return nil, errors.New("components: not an object of objects")
	}
	if components == nil {
		components = map[string]fields{last: {}}
	}
	var list []*entity
	for _, name := range slices.Sorted(maps.Keys(components)) {
		whole := maps.Clone(config)
		unabbreviate(components[name])
		maps.Copy(whole, components[name])
		e, err := entityOf(device, name, whole)
		if err != nil {
			return nil, fmt.Errorf("entity %.60q: %w", name, err)
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return nil, errors.New("components: there is none")
	}
	return list, nil
}

func entityOf(device channels.DeviceRef, field string, config fields) (*entity, error) {
	base := config.text("~")
	e := &entity{device: device, field: cmp.Or(field, "value"), stateTopic: expand(config.text("state_topic"), base)}
	var err error
	if e.path, err = templatePath(config.text("value_template")); err != nil {
		return nil, err
	}
	add := func(a fields, topic, template string) error {
		path, err := templatePath(a.text(template))
		if topic := expand(a.text(topic), base); err == nil && topic != "" {
			e.available = append(e.available, availability{topic, cmp.Or(a.text("payload_available"), "online"), cmp.Or(a.text("payload_not_available"), "offline"), path})
		}
		return err
	}
	if err := add(config, "availability_topic", "availability_template"); err != nil {
		return nil, err
	}
	var several []fields
	if raw, ok := config["availability"]; ok && json.Unmarshal(raw, &several) != nil {
		var one fields
		if json.Unmarshal(raw, &one) != nil {
			return nil, errors.New("availability: not a list of objects")
		}
		several = []fields{one}
	}
	for _, a := range several {
		unabbreviate(a)
		if err := add(a, "topic", "value_template"); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// deviceOf is whom the entity belongs to: by the device's first identifier, or else the first of its connections, or else by the
// name of the discovery topic.
func deviceOf(m devices.Message, config fields, name string) (channels.DeviceRef, error) {
	ref := channels.DeviceRef{Type: cmp.Or(m.Type, "homeassistant"), ID: name}
	if raw, ok := config["device"]; ok {
		about, err := object(raw)
		if err != nil {
			return ref, errors.New("device: not an object")
		}
		unabbreviate(about)
		if config["device"], err = json.Marshal(about); err != nil {
			return ref, err
		}
		var list []string
		if json.Unmarshal(about["identifiers"], &list) == nil && len(list) > 0 {
			ref.ID = list[0]
		} else {
			ref.ID = cmp.Or(about.text("identifiers"), name)
		}
	}
	ref.ID = strings.NewReplacer("/", "_", "+", "_", "#", "_").Replace(ref.ID)
	if ref.ID == "" {
		return ref, errors.New("the device has no identifier")
	}
	return ref, nil
}

// text is a member that is a string; empty where it is none.
func (f fields) text(name string) string {
	var text string
	_ = json.Unmarshal(f[name], &text) // what is none is as good as missing
	return text
}

// expand puts the base topic in the place of "~" at the beginning or the end.
func expand(topic, base string) string {
	if rest, ok := strings.CutPrefix(topic, "~"); ok {
		return base + rest
	}
	if rest, ok := strings.CutSuffix(topic, "~"); ok {
		return rest + base
	}
	return topic
}

// unabbreviate gives members the names that Home Assistant's abbreviations stand for.
func unabbreviate(f fields) {
	for short, long := range map[string]string{
		"avty": "availability", "avty_t": "availability_topic", "avty_tpl": "availability_template", "cmps": "components", "dev": "device",
		"ids": "identifiers", "mdl": "model", "mf": "manufacturer", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available",
		"stat_t": "state_topic", "sw": "sw_version", "t": "topic", "val_tpl": "value_template",
	} {
		if v, ok := f[short]; ok {
			f[long] = v
			delete(f, short)
		}
	}
}

// step is one member of a path in a template: .name, ['name'] or ["name"].
var step = regexp.MustCompile(`^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\['([^'\\]+)'\]|\["([^"\\]+)"\])`)

// templatePath reads the templates that only choose: "", {{ value }}, {{ value_json }}, {{ value_json.a['b'] }}. Others are programs of
// Jinja's.
func templatePath(template string) ([]string, error) {
	text := strings.TrimSpace(template)
	if text == "" {
		return nil, nil
	}
	inner, begins := strings.CutPrefix(text, "{{")
	inner, ends := strings.CutSuffix(inner, "}}")
	rest := strings.TrimSpace(inner)
	if begins && ends && rest == "value" {
		return nil, nil
	}
	rest, isJSON := strings.CutPrefix(rest, "value_json")
	var path []string
	for begins && ends && isJSON && rest != "" && len(path) < maxDepth {
		match := step.FindStringSubmatch(rest)
		if match == nil {
			break
		}
		path = append(path, cmp.Or(match[1], match[2], match[3]))
		rest = rest[len(match[0]):]
	}
	if !begins || !ends || !isJSON || rest != "" {
		return nil, fmt.Errorf("template %.60q: only {{ value }} and {{ value_json.name }} can be read", template)
	}
	return path, nil
}
