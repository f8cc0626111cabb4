package channels

import (
	"context"
	"time"
)

// An Overview looks at all of a log, for administrators. Every store is one.
type Overview interface {
	// Browse returns stored events newest first, a page at a time.
	Browse(ctx context.Context, query EventQuery) (EventPage, error)
	// Channels returns the channels that have ever had a stored event, by name.
	Channels(ctx context.Context, query ChannelQuery) ([]ChannelInfo, error)
}

// BrowseDepth bounds the events that one Browse looks through where nothing but the channel and the time has an index: what is
// rare is found in several pages, and no search holds up the log.
const BrowseDepth = 10_000

// An EventQuery says which events to browse. The zero value of a field leaves nothing out.
type EventQuery struct {
	Channel Channel
	Type    string
	Scope   Scope
	// Device is what the events are about; with an empty ID, any device of the type.
	Device DeviceRef
	// From and Until bound when the events were stored: at or after, and before.
	From, Until time.Time
	// Before continues with the Next of the page before.
	Before int64
	// Limit bounds the page, 1 or more.
	Limit int
}

// Filters tells that events must be looked through one by one.
func (q *EventQuery) Filters() bool {
	return q.Type != "" || q.Scope != "" || q.Device != DeviceRef{}
}

// Meets tells whether the event is of the query's type, scope and device.
func (q *EventQuery) Meets(e *Event) bool {
	return (q.Type == "" || e.Type == q.Type) && (q.Scope == "" || e.Scope == q.Scope) &&
		(q.Device.Type == "" || e.Device.Type == q.Device.Type) && (q.Device.ID == "" || e.Device.ID == q.Device.ID)
}

// An EventPage is a run of events, newest first. It may have none and still not be the last.
type EventPage struct {
	Events []StoredEvent
	// Next is where the page after this one begins; 0 where this is the last.
	Next int64
}

// A StoredEvent is an event with the time of its commit, by the clock of the process that stored it.
type StoredEvent struct {
	Event
	Stored time.Time
}

// MaxRecent bounds the events that are counted of one channel.
const MaxRecent = 60_000

// A ChannelQuery says which channels to list.
type ChannelQuery struct {
	// Name is the only one; empty for any.
	Name Channel
	// Text stands in the name; empty for all.
	Text string
	// After is the last name of the page before.
	After Channel
	// Since is from when on events are counted.
	Since time.Time
	// Limit bounds the answer, 1 or more.
	Limit int
}

// A ChannelInfo is what the log knows of a channel.
type ChannelInfo struct {
	Channel Channel
	// Head is the number of the newest event.
	Head Seq
	// Oldest and Newest are when the oldest and the newest event that is kept were stored; zero where none is.
	Oldest, Newest time.Time
	// Recent counts the events stored since the query's moment, up to MaxRecent.
	Recent int
}
