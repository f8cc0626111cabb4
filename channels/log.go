package channels

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrNotFound tells that the log holds no such event.
var ErrNotFound = errors.New("not found")

// ErrState is wrapped by errors that are about a batch's State alone. Nothing of the batch was stored, and other batches
// can be.
var ErrState = errors.New("the batch's state is not stored")

// A Batch is what one transaction stores: all of it or nothing.
type Batch struct {
	// Drafts are appended in order.
	Drafts []Draft
	// Refused are messages that could not become events, kept so that they can be looked at.
	Refused []Refusal
	// State is what the layers above want committed together with the events, such as device
	// states. A value that the Log cannot store, such as one of a type that it does not know, fails the batch with
	// ErrState.
	State []any
}

// A Refusal is a message that was received and acknowledged but not turned into an event.
type Refusal struct {
	// ID is given by the log.
	ID int64 `json:"id"`
	// Source is where the message came from, such as an MQTT topic.
	Source string `json:"source"`
	// Reason is one sentence.
	Reason string `json:"reason"`
	// Payload is the message, byte for byte.
	Payload []byte `json:"payload"`
	// Time is when it was received.
	Time time.Time `json:"time"`
}

// A Log keeps events in per-channel order. It is the truth: an event exists once Append has returned.
// Implementations pass the suite of package logtest. All methods may be called concurrently, and other
// processes may write to the same log at any time.
//
// Sequence numbers come from one counter per channel that is changed in the appending transaction, so
// that the order of numbers is the order of commits, with any number of writers. Counters outlive
// trimming. A Log that cannot prove that it is the newest copy of itself (it was restored, moved or rolled
// back) continues far above every number it may have given out before, so that a number from a lost
// history never names another event. Numbers that fall into such a jump are no position.
type Log interface {
	// Append stores the batch in one transaction and returns one event per draft, in order. An error
	// means that nothing was stored. An event whose Key is known comes back Repeated.
	Append(ctx context.Context, batch Batch) ([]Event, error)

	// Heads returns the newest position of each channel, in the order asked. A channel without events
	// stands at the log's starting number, 0 in a log that has never jumped.
	Heads(ctx context.Context, channels []Channel) (Cursor, error)

	// Read returns what follows each position, all from one moment: one Page per position, in order.
	// limit bounds the events per page, 1 or more.
	Read(ctx context.Context, after Cursor, limit int) ([]Page, error)

	// Latest returns the newest events of the channel, at most limit, oldest first, in a Page whose
	// Next is the channel's head.
	Latest(ctx context.Context, channel Channel, limit int) (Page, error)

	// SeqAt returns the position in the channel before the first event whose Time is at or after the
	// moment; the head where there is none.
	SeqAt(ctx context.Context, channel Channel, moment time.Time) (Seq, error)

	// Event returns a stored event, or ErrNotFound.
	Event(ctx context.Context, id EventID) (Event, error)

	// Trim deletes events of channels that match according to keep, oldest first, and returns how many entries went.
	// TrimAtOnce and more mean that there may be more to trim now.
	Trim(ctx context.Context, keep func(Channel) Retention, now time.Time) (int, error)

	// Refusals returns refused messages newest first, with an id below before (0: from the newest).
	Refusals(ctx context.Context, before int64, limit int) ([]Refusal, error)
}

// TrimAtOnce is about how many entries one call of Trim deletes, which bounds how long it keeps others from writing.
const TrimAtOnce = 1000

// A Page is a run of one channel's events.
type Page struct {
	// Channel is whose events they are.
	Channel Channel
	// Events follow the position asked for, oldest first. Event.Seq(Channel) is each one's number.
	Events []Event
	// Next is the position after the last event of the page; where there is none, the position asked
	// for, or the head after a Lost position.
	Next Seq
	// More tells that the channel has events beyond the page.
	More bool
	// Lost tells that the position asked for is no place in this log: trimmed away, ahead of the
	// head, or from another history. Events is empty then and Next is the head.
	Lost bool
}

// Retention bounds what a channel keeps. The zero value keeps everything.
type Retention struct {
	// Age is how long events are kept; 0 for ever.
	Age time.Duration
	// Count is how many events are kept, the newest; 0 for all. Of Age and Count, what trims more wins.
	Count int
}

// MarshalJSON shows a cursor in its text form.
func (c Cursor) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// UnmarshalJSON reads the text form; the empty string is the empty cursor.
func (c *Cursor) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil || s == "" {
		*c = nil
		return err
	}
	cursor, err := ParseCursor(s)
	*c = cursor
	return err
}
