package devices

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/griphub/griphub/channels"
)

// EventUserDevice is the type of the events that the owners of devices get.
const EventUserDevice = "device_status"

// ownerMessage is what DeviceRealtimeHub sends to browsers: these keys, in this order. ID is {type}/{id}, which names the
// device everywhere else, too.
type ownerMessage struct {
	ID          string  `json:"id"`
	Key         string  `json:"key"`
	Code        string  `json:"device_code"`
	ProductType string  `json:"product_type"`
	Name        string  `json:"name"`
	Status      Status  `json:"status"`
	LastSeen    *string `json:"last_seen"`
	Active      bool    `json:"is_active"`
	Type        string  `json:"device_type"`
	Firmware    string  `json:"firmware_version"`
	Measures
	Groups []Group `json:"groups"`
}

// tellOwner makes the event for the owner of the device, as it is after the report. found is what the registry has of it;
// nil for a device that is new, which is nobody's.
func (f *folding) tellOwner(i int, r *report, device *known, found *Device) error {
	if found == nil || found.Owner == "" {
		return nil
	}
	message := ownerMessage{
		ID: r.ref.Type + "/" + r.ref.ID, Key: found.Key, Code: found.Code, ProductType: found.ProductType, Name: found.Name,
		Status: device.status, Active: found.Active, Type: r.ref.Type, Firmware: device.firmware,
		Measures: device.told.over(found.Measures), Groups: found.Groups,
	}
	if !device.lastSeen.IsZero() {
		message.LastSeen = new(string(appendTimestamp(nil, device.lastSeen.UTC())))
	}
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		return fmt.Errorf("message to user %q: %w", clip(found.Owner), err)
	}
	draft := channels.Draft{
		Type: EventUserDevice, Data: bytes.TrimSpace(data.Bytes()), Scope: channels.ScopeUser, User: found.Owner,
		Device: r.ref, Time: r.message.Received,
	}
	for _, of := range []func(string) (channels.Channel, error){channels.User, channels.UserDevices} {
		channel, err := of(found.Owner)
		if err != nil {
			return fmt.Errorf("message to user %q: %w", clip(found.Owner), err)
		}
		draft.Channels = append(draft.Channels, channel)
	}
	if r.message.Kind == KindStatus && r.key != "" {
		// A repetition tells the owner as little as the device's viewers.
		draft.Key = shortKey(r.key + "/owner")
	}
	f.draft(i, draft)
	return nil
}
