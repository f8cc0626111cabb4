package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/griphub/griphub/devices"
)

// value reads payloads that are one value: a number, true or false, any JSON, or a word. The reading has the name
// that {field} in the topic stands for, or else "value".
type value struct{}

// Decode leaves statuses as they are: griphub reads those as a word anyway.
func (value) Decode(m devices.Message) ([]devices.Message, error) {
	if m.Kind != devices.KindData {
		return []devices.Message{m}, nil
	}
	name := m.Field
	if name == "" {
		name = "value"
	}
	reading, err := scalar(m.Payload)
	if err != nil || reading == nil {
		return nil, err
	}
	return data(m, fields{name: reading})
}

// scalar is the payload as JSON: what it is, or a string of it. nil for nothing.
func scalar(payload []byte) (json.RawMessage, error) {
	text := bytes.TrimSpace(payload)
	switch {
	case len(text) == 0:
		return nil, nil
	case !utf8.Valid(text):
		return nil, errors.New("the payload is not text")
	case json.Valid(text):
		return text, nil
	}
	return json.Marshal(string(text))
}
