package channels

import (
	"encoding/json"
	"strconv"
	"time"
)

// A Scope tells whom an event is for.
type Scope string

const (
	// ScopeChannel events are for whoever may read one of their channels. The zero Scope means this.
	ScopeChannel Scope = "channel"
	// ScopeUser events are for one user, on all tabs and devices.
	ScopeUser Scope = "user"
	// ScopeGlobal events are for every viewer, anonymous ones included.
	ScopeGlobal Scope = "global"
	// ScopeSystem events are for backend subscribers and never reach a browser.
	ScopeSystem Scope = "system"
)

// An EventID names a stored event, whatever number of channels it is on. IDs rise with the order of
// insertion and are never given twice. 0 means that the event is not stored.
type EventID int64

// String returns the id in decimal, the form in which users meet it.
func (id EventID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseEventID reads what String writes; 0 and negative numbers are refused.
func ParseEventID(s string) (EventID, error) {
	n, err := ParseSeq(s)
	if err != nil || n == 0 {
		return 0, &InvalidError{Field: "id", Reason: "want an event's number"}
	}
	return EventID(n), nil
}

// A DeviceRef names a device. The zero value names none.
type DeviceRef struct {
	Type string `json:"device_type"`
	ID   string `json:"device_id"`
}

// A Draft is an event before it is stored.
type Draft struct {
	// Channels are where the event goes, in order, 1 to MaxChannels of them and none twice.
	Channels []Channel
	// Type is the SSE event name. The empty type sends no "event:" line, which is what htmx 4 swaps.
	Type string
	// Data is what viewers get, as UTF-8 text: JSON unless Raw.
	Data []byte
	// Raw tells that Data is text, such as HTML, and not JSON.
	Raw bool
	// Private is JSON that never leaves the log; nil for none.
	Private json.RawMessage
	// Scope is whom the event is for; Channels agree with it.
	Scope Scope
	// User is the addressee of a user event; informational on a system event; else empty.
	User string
	// SkipUsers are users whose streams do not show the event.
	SkipUsers []string
	// Device is the device that the event is about, if any.
	Device DeviceRef
	// Key makes appending idempotent: a draft whose key was stored before, within the log's retention of keys,
	// yields the first event again. Empty for none.
	Key string
	// Time is when the event happened, to the microsecond; zero for the moment of the commit.
	Time time.Time
	// Shown is what viewers get in place of Type, Data and Raw; nil for these themselves. Subscribers and the log have
	// the original.
	Shown *Shown
	// ReplayOf is the event that this one sends again, 0 for none. Viewers and publishers know this one by that id.
	ReplayOf EventID
	// Replay counts the replays of ReplayOf: 1 for the first. The log counts as it stores.
	Replay int
	// Arrival is how the draft came to this process; zero where the event was read from the log.
	Arrival Arrival
}

// Shown is how viewers see an event that a hook has changed for them.
type Shown struct {
	// Nobody tells that the event is shown to nobody; the rest is empty then.
	Nobody bool
	// Type, Data and Raw are the draft's of these names.
	Type string
	Data []byte
	Raw  bool
}

// shownForm is a Shown in JSON, with its data as text, which it is.
type shownForm struct {
	Nobody bool   `json:"nobody,omitempty"`
	Type   string `json:"event"`
	Data   string `json:"data"`
	Raw    bool   `json:"raw,omitempty"`
}

// MarshalJSON writes the form in which logs keep it.
func (s Shown) MarshalJSON() ([]byte, error) {
	return json.Marshal(shownForm{s.Nobody, s.Type, string(s.Data), s.Raw})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Shown) UnmarshalJSON(text []byte) error {
	var form shownForm
	err := json.Unmarshal(text, &form)
	*s = Shown{form.Nobody, form.Type, []byte(form.Data), form.Raw}
	return err
}

// AsShown returns what viewers get in place of Type, Data and Raw.
func (d *Draft) AsShown() (eventType string, data []byte, raw bool) {
	if d.Shown != nil {
		return d.Shown.Type, d.Shown.Data, d.Shown.Raw
	}
	return d.Type, d.Data, d.Raw
}

// hidden tells that no viewer gets the event.
func (d *Draft) hidden() bool { return d.Shown != nil && d.Shown.Nobody }

// An Event is a stored Draft, or one sent on channels that are not stored.
type Event struct {
	Draft
	// ID is 0 for an event that is not stored.
	ID EventID
	// Positions has one entry per channel of the draft, in its order. Seq is 0 on a channel that is not
	// stored.
	Positions []Position
	// Repeated tells that Key was stored before: this is the first event, which has been sent already.
	Repeated bool
	// Dropped tells that a hook has dropped the draft: there is no such event.
	Dropped bool
	// unshown is how many events directly before this one viewers are not shown, because it stands for them; an event with any
	// has one position.
	unshown Seq
}

// PublicID returns the id as publishers get it: empty for an event that is not stored, and that of the original for
// a replay.
func (e *Event) PublicID() string {
	if e.ID == 0 {
		return ""
	}
	return e.Original().String()
}

// Original returns the id of the event itself, or of the one that it replays.
func (e *Event) Original() EventID {
	if e.ReplayOf != 0 {
		return e.ReplayOf
	}
	return e.ID
}

// Cursor returns the event's place in its channels.
func (e *Event) Cursor() Cursor { return Cursor(e.Positions) }

// before returns the number of the event that this one follows for viewers of the position's channel.
func (e *Event) before(p Position) Seq { return p.Seq - 1 - e.unshown }

// Seq returns the event's number in the channel, 0 where it has none.
func (e *Event) Seq(channel Channel) Seq {
	seq, _ := Cursor(e.Positions).Find(channel)
	return seq
}
