package channels

import (
	"encoding/json"
	"time"
)

// A BackendEvent is an event as backends read it, in JSON: subscribers, webhooks, hooks and commands. It is the original,
// whatever viewers are shown, and has what no viewer sees.
type BackendEvent struct {
	// ID is the event's public id, which a replay shares with its original; empty before the event is stored.
	ID string `json:"id"`
	// Cursor is a place in the log: to a subscriber, the one after this event.
	Cursor Cursor `json:"cursor,omitempty"`
	// Channels are where the event is, in its order.
	Channels []Channel `json:"channels"`
	// Event is the type.
	Event string `json:"event"`
	Scope Scope  `json:"scope"`
	User  string `json:"user,omitempty"`
	// Device is {type}/{id}.
	Device string `json:"device,omitempty"`
	// Time is when it happened.
	Time time.Time `json:"time,omitzero"`
	// Data is the event's JSON, or, with Raw, a string.
	Data      json.RawMessage `json:"data"`
	Raw       bool            `json:"raw,omitempty"`
	Private   json.RawMessage `json:"private_data,omitempty"`
	SkipUsers []string        `json:"skip_users,omitempty"`
	// Shown is what viewers get instead; nil for the event itself.
	Shown *Shown `json:"shown,omitempty"`
	// Replay counts the replays of the event: 0 for the event itself.
	Replay int `json:"replay,omitempty"`
}

// Backend returns the event as backends read it, with its own place as the cursor.
func (e *Event) Backend() BackendEvent {
	b := e.Draft.Backend()
	b.ID, b.Cursor = e.PublicID(), e.Cursor()
	return b
}

// Backend returns the draft as hooks read it: it has no id yet.
func (d *Draft) Backend() BackendEvent {
	b := BackendEvent{
		Channels: d.Channels, Event: d.Type, Scope: d.Scope, User: d.User, Time: d.Time,
		Data: d.Data, Raw: d.Raw, Private: d.Private, SkipUsers: d.SkipUsers, Shown: d.Shown, Replay: d.Replay,
	}
	if d.Device != (DeviceRef{}) {
		b.Device = d.Device.Type + "/" + d.Device.ID
	}
	// What is not JSON, though it should be, is shown all the same.
	if d.Raw || !json.Valid(d.Data) {
		b.Data, b.Raw = appendJSONString(nil, string(d.Data)), true
	}
	return b
}
