package devices

import (
	"encoding/json"
	"time"

	"github.com/griphub/griphub/channels"
)

// Broadcast makes an event of a device that the device did not send itself: on the device's channels and in the
// envelope that its viewers know. data is any JSON value; null for none.
func Broadcast(ref channels.DeviceRef, eventType string, data json.RawMessage, at time.Time) (channels.Draft, error) {
	if err := checkRef(ref); err != nil {
		return channels.Draft{}, &channels.InvalidError{Field: "device", Reason: err.Error()}
	}
	if !json.Valid(data) {
		return channels.Draft{}, &channels.InvalidError{Field: "data", Reason: "not JSON"}
	}
	r := report{ref: ref, at: at, message: &Message{Received: at}}
	draft, err := r.draft(eventType, data)
	if err != nil {
		return channels.Draft{}, &channels.InvalidError{Field: "data", Reason: err.Error()}
	}
	return draft, nil
}
