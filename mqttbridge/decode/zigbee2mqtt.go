package decode

import (
	"bytes"

	"github.com/griphub/griphub/devices"
)

// zigbee2MQTT reads zigbee2mqtt/FRIENDLY_NAME and zigbee2mqtt/FRIENDLY_NAME/availability
// (zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html).
type zigbee2MQTT struct{}

// Decode takes readings as they are, the battery in percent as the device's own, and availability in both of its forms,
// {"state":"online"} and the word alone.
func (zigbee2MQTT) Decode(m devices.Message) ([]devices.Message, error) {
	payload := bytes.TrimSpace(m.Payload)
	switch {
	case len(payload) == 0, m.ID == "bridge":
		// A retained message that was taken back, or Zigbee2MQTT about itself.
		return nil, nil
	case lastLevel(m.Topic) == "availability":
		if f, err := object(payload); err == nil {
			payload = f["state"]
		}
		return available(m, word(payload), "online", "offline")
	}
	f, err := object(payload)
	if err != nil {
		return nil, err
	}
	messages, err := data(m, f)
	if err != nil {
		return nil, err
	}
	charge, err := battery(m, f["battery"])
	return append(messages, charge...), err
}
