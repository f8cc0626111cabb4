package decode

import (
	"bytes"
	"encoding/json"

	"github.com/griphub/griphub/devices"
)

// tasmota reads tele/DEVICE/SENSOR, STATE, LWT and INFO1 (tasmota.github.io/docs/MQTT). Readings of a sensor are named
// SENSOR.Reading, such as AM2301.Temperature.
type tasmota struct{}

// Decode leaves the device's time out: it is local, and does not say where.
func (tasmota) Decode(m devices.Message) ([]devices.Message, error) {
	payload := bytes.TrimSpace(m.Payload)
	switch lastLevel(m.Topic) {
	case "LWT":
		if len(payload) == 0 {
			return nil, nil
		}
		return available(m, word(payload), "Online", "Offline")
	case "INFO1":
		var info struct {
			Info1 struct{ Version string }
			// Version stands here before Tasmota 9.5.
			Version string
		}
		if json.Unmarshal(payload, &info) != nil {
			return nil, errNotJSON
		}
		if info.Info1.Version != "" {
			info.Version = info.Info1.Version
		}
		if info.Version == "" {
			return nil, nil
		}
		return status(m, "firmware_version", info.Version)
	case "INFO2", "INFO3", "UPTIME", "LOGGING":
		return nil, nil
	}
	f, err := object(payload)
	if err != nil {
		return nil, err
	}
	delete(f, "Time")
	flat := fields{}
	for name, v := range f {
		if err := flat.flatten(name, v, 1); err != nil {
			return nil, err
		}
	}
	return data(m, flat)
}
