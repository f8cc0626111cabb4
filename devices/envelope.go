package devices

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/griphub/griphub/channels"
)

// Event types of devices, which are also the SSE event names.
const (
	// EventData events carry readings.
	EventData = "data"
	// EventStatus events carry {"old_status","new_status"}.
	EventStatus = "status"
)

// draft makes the event of a report. Its Time is the time of arrival and not the device's own: a device
// with a wrong clock must not have its events trimmed at once, or kept for ever.
func (r *report) draft(eventType string, data []byte) (channels.Draft, error) {
	ofType, err := channels.Device(r.ref.Type, "")
	if err != nil {
		return channels.Draft{}, err
	}
	one, err := channels.Device(r.ref.Type, r.ref.ID)
	if err != nil {
		return channels.Draft{}, err
	}
	envelope := r.envelope(eventType, data)
	if size := len(envelope) + bytes.Count(envelope, []byte{'%'}); size > channels.MaxDataBytes {
		return channels.Draft{}, fmt.Errorf("the event has %d bytes as sent, the most is %d", size, channels.MaxDataBytes)
	}
	return channels.Draft{
		Channels: []channels.Channel{ofType, one},
		Type:     eventType,
		Data:     envelope,
		Scope:    channels.ScopeChannel,
		Device:   r.ref,
		Key:      r.key,
		Time:     r.message.Received,
	}, nil
}

// envelope is what viewers get: five keys, in this order.
func (r *report) envelope(eventType string, data []byte) []byte {
	const frame = len(`{"event":"status","device_type":"","device_id":"","data":,"timestamp":"2025-01-15T12:00:00.000000+00:00"}`)
	b := make([]byte, 0, frame+len(r.ref.Type)+len(r.ref.ID)+len(data)+16)
	b = append(b, `{"event":`...)
	b = appendQuoted(b, eventType)
	b = append(b, `,"device_type":`...)
	b = appendQuoted(b, r.ref.Type)
	b = append(b, `,"device_id":`...)
	b = appendQuoted(b, r.ref.ID)
	b = append(b, `,"data":`...)
	b = append(b, data...)
	b = append(b, `,"timestamp":"`...)
	b = appendTimestamp(b, r.at)
	return append(b, `"}`...)
}

// AppendSnapshot appends the envelope in which viewers get what is known of a device: of type "snapshot", with the Device as
// its data and the time at which anything of it was last written.
func AppendSnapshot(dst []byte, d *Device) ([]byte, error) {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(d); err != nil {
		return nil, fmt.Errorf("device %s/%s: %w", d.Type, d.ID, err)
	}
	r := report{ref: d.DeviceRef, at: d.Updated}
	return append(dst, r.envelope("snapshot", bytes.TrimSpace(data.Bytes()))...), nil
}

// dataDraft makes the event of a data message.
func (r *report) dataDraft() (channels.Draft, error) {
	size := 2
	for i := range r.fields {
		size += len(r.fields[i].literal) + len(r.fields[i].value) + 2
	}
	data := append(make([]byte, 0, size), '{')
	for i := range r.fields {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, r.fields[i].literal...)
		data = append(data, ':')
		data = append(data, r.fields[i].value...)
	}
	return r.draft(EventData, append(data, '}'))
}

// statusDraft makes the event of a status that changes.
func (r *report) statusDraft(before, after Status) (channels.Draft, error) {
	data := appendQuoted([]byte(`{"old_status":`), string(before))
	data = appendQuoted(append(data, `,"new_status":`...), string(after))
	return r.draft(EventStatus, append(data, '}'))
}

// StateKey tells what an event is the state of, for a channels.Conflater: readings are the state of their device, and an event
// without a device is the state of what its type names. Statuses, commands and their answers, and whatever else is said in
// a device's name, happen once and are no state.
func StateKey(e *channels.Event) (key string, ok bool) {
	switch {
	case e.Device == (channels.DeviceRef{}):
		return e.Type, true
	case e.Type == EventData:
		return e.Device.Type + "/" + e.Device.ID, true
	}
	return "", false
}
