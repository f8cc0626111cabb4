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
}

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
}

// PublicID returns the id as publishers get it: empty for an event that is not stored.
func (e *Event) PublicID() string {
	if e.ID == 0 {
		return ""
	}
	return e.ID.String()
}

// Cursor returns the event's place in its channels.
func (e *Event) Cursor() Cursor { return Cursor(e.Positions) }

// Seq returns the event's number in the channel, 0 where it has none.
func (e *Event) Seq(channel Channel) Seq {
	seq, _ := Cursor(e.Positions).Find(channel)
	return seq
}
