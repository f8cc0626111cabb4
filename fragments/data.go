package fragments

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Data is what a template sees: one event of a device.
type Data struct {
	// Event is "data", "status", or what the event was published as; "snapshot" where a page asks for what is known now.
	Event string
	// Type and ID name the device.
	Type, ID string
	// Data are the event's fields: numbers as Number, texts, truth values, lists and maps. In a snapshot they are those of State.
	Data map[string]any
	// Value is what an event brings whose data is no object; else nil.
	Value any
	// Status is the device's after the event; empty where the event does not keep it.
	Status string
	// OldStatus is the one before, in an event of that name.
	OldStatus string
	// Time is the event's; in a snapshot that of the device's last word, zero for none.
	Time time.Time
	// State holds the last value of every field that the device ever sent.
	State map[string]any

	// recent are the device's events before a snapshot, oldest first, for charts.
	recent []Data
}

// A Number is shown in full, without an exponent.
type Number float64

// String returns the shortest decimal number that is the same.
func (n Number) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// envelope is the form of device events (package devices).
type envelope struct {
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	Timestamp time.Time       `json:"timestamp"`
}

// dataOf reads a device's event; ok is false for other events.
func dataOf(e *channels.Event) (d Data, ok bool) {
	var in envelope
	_, shown, raw := e.AsShown()
	if raw || e.Device == (channels.DeviceRef{}) || json.Unmarshal(shown, &in) != nil || in.Event == "" {
		return d, false
	}
	d = Data{Event: in.Event, Type: e.Device.Type, ID: e.Device.ID, Time: in.Timestamp.UTC()}
	d.Value = decode(in.Data)
	if fields, ok := d.Value.(map[string]any); ok {
		d.Data, d.Value = fields, nil
	}
	// What a hook keeps from viewers stands in the state, too.
	if state, ok := devices.KeptBy(e); ok && e.Shown == nil {
		d.Status, d.State = string(state.Status), decodeAll(state.Values)
	}
	if d.Event == devices.EventStatus {
		d.OldStatus, _ = d.Data["old_status"].(string)
		if status, ok := d.Data["new_status"].(string); ok {
			d.Status = status
		}
	}
	return d, true
}

// snapshotOf is what is known of a device, with its events before, oldest first.
func snapshotOf(device devices.Device, recent []channels.Event) Data {
	d := Data{
		Event: "snapshot", Type: device.Type, ID: device.ID, Status: string(device.Status), Time: device.LastSeen.UTC(),
		Data: decodeAll(device.Values), State: decodeAll(device.Values),
	}
	for i := range recent {
		if one, ok := dataOf(&recent[i]); ok {
			d.recent = append(d.recent, one)
		}
	}
	return d
}

func decodeAll(values map[string]json.RawMessage) map[string]any {
	all := make(map[string]any, len(values))
	for name, raw := range values {
		all[name] = decode(raw)
	}
	return all
}

// decode reads a JSON value; what is none is nil.
func decode(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return withNumbers(v)
}

func withNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		return Number(v)
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withNumbers(v[name])
		}
	}
	return v
}

// latest is the field's value in the event or, where it has none, the last known.
func (d *Data) latest(field string) (value any, ok bool) {
	if value, ok = d.Data[field]; !ok {
		value, ok = d.State[field]
	}
	return value, ok
}

// A point is one value of a chart.
type point struct {
	Value Number
	Time  time.Time
}

// series are the field's values, oldest first, at most so many.
func (d *Data) series(field string, most int) []point {
	var points []point
	for i := range d.recent {
		if v, ok := d.recent[i].Data[field].(Number); ok {
			points = append(points, point{v, d.recent[i].Time})
		}
	}
	if v, ok := d.Data[field].(Number); ok && len(points) == 0 {
		points = append(points, point{v, d.Time})
	}
	return slices.Clip(points[max(0, len(points)-most):])
}
