package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/griphub/griphub/devices"
)

// shelly reads what Shelly devices of the second generation and later publish: PREFIX/online, PREFIX/status/COMPONENT and
// PREFIX/events/rpc (shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt and …/General/Notifications). Readings are named
// COMPONENT.reading, such as switch:0.apower.
type shelly struct{}

// Decode takes a battery's charge as the device's own.
func (shelly) Decode(m devices.Message) ([]devices.Message, error) {
	payload := bytes.TrimSpace(m.Payload)
	switch last := lastLevel(m.Topic); {
	case len(payload) == 0:
		return nil, nil
	case last == "online":
		return available(m, word(payload), "true", "false")
	case strings.HasSuffix(m.Topic, "/events/rpc"):
		return shellyNotification(m, payload)
	case strings.HasSuffix(strings.TrimSuffix(m.Topic, last), "/status/"):
		return shellyStatus(m, fields{last: payload}, nil)
	}
	return nil, nil
}

// shellyNotification reads a JSON-RPC notification.
func shellyNotification(m devices.Message, payload []byte) ([]devices.Message, error) {
	var frame struct {
		Method string `json:"method"`
		Params fields `json:"params"`
	}
	if json.Unmarshal(payload, &frame) != nil {
		return nil, errNotJSON
	}
	at := frame.Params["ts"]
	delete(frame.Params, "ts")
	switch frame.Method {
	case "NotifyStatus", "NotifyFullStatus":
		return shellyStatus(m, frame.Params, at)
	case "NotifyEvent":
		var events []struct {
			Component string          `json:"component"`
			Event     json.RawMessage `json:"event"`
		}
		if json.Unmarshal(frame.Params["events"], &events) != nil {
			return nil, fmt.Errorf("%s without a list of events", frame.Method)
		}
		f := fields{}
		for _, e := range events {
			if e.Component != "" && e.Event != nil {
				if err := f.flatten(join(e.Component, "event"), e.Event, 1); err != nil {
					return nil, err
				}
			}
		}
		return shellyStatus(m, f, at)
	}
	return nil, nil
}

// shellyStatus makes readings of components, and of the time in Unix seconds, if any.
func shellyStatus(m devices.Message, components fields, at json.RawMessage) ([]devices.Message, error) {
	flat := fields{}
	var charge []devices.Message
	for component, v := range components {
		if err := flat.flatten(component, v, 1); err != nil {
			return nil, err
		}
		// A component's number within its kind is in its name already.
		delete(flat, join(component, "id"))
		if level, ok := flat[join(component, "battery.percent")]; ok {
			var err error
			if charge, err = battery(m, level); err != nil {
				return nil, err
			}
		}
	}
	var seconds float64
	if len(flat) > 0 && len(at) > 0 && json.Unmarshal(at, &seconds) == nil && seconds > 0 && seconds < 1<<40 {
		whole, part := math.Modf(seconds)
		text, err := time.Unix(int64(whole), int64(part*1e9)).UTC().Truncate(time.Microsecond).MarshalJSON()
		if err == nil {
			flat["timestamp"] = text
		}
	}
	messages, err := data(m, flat)
	return append(messages, charge...), err
}
