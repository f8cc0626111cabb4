package channels

import (
	"context"
	"time"
)

// What the log knows beside events: what was done with them, how far subscribers have come, and what they did not take.
// Activity, Bookmark, Undelivered and Settled may stand in a Batch's State and are committed with the rest of it.

// An Activity is something that was done with a stored event. It goes when the event is trimmed.
type Activity struct {
	// Event is the event's public id: an activity of a replay is one of the event that it repeats.
	Event EventID `json:"-"`
	// Kind is what was done.
	Kind ActivityKind `json:"kind"`
	// Who did it: a user, an API key, a command, or the subscriber's name.
	Who string `json:"who"`
	// Time is when; zero for the moment of the commit.
	Time time.Time `json:"time"`
}

// An ActivityKind is what was done with an event.
type ActivityKind string

const (
	// ActivityReplayed tells that the event was sent again.
	ActivityReplayed ActivityKind = "replayed"
	// ActivityDelivered tells that a subscriber took the event.
	ActivityDelivered ActivityKind = "delivered"
	// ActivityDead tells that a subscriber did not take the event, and nobody tries any more.
	ActivityDead ActivityKind = "dead"
)

// A Bookmark is how far a subscriber has come, kept under its name.
type Bookmark struct {
	// Name is the subscriber's, 1 to MaxNameBytes bytes of UTF-8.
	Name string
	// Cursor is the place after what the subscriber took.
	Cursor Cursor
}

// An Undelivered is a message that a subscriber did not take, kept so that it can be looked at and sent again.
type Undelivered struct {
	// ID is given by the log; in a batch's State 0 adds an entry, and another number changes that one's Reason and
	// Requeued.
	ID int64 `json:"id"`
	// Subscriber is whose message it is.
	Subscriber string `json:"subscriber"`
	// Event is the event's public id.
	Event EventID `json:"-"`
	// Message is the message's own id, under which it is sent again.
	Message string `json:"message"`
	// Body is what was sent, byte for byte.
	Body []byte `json:"-"`
	// Reason is one sentence.
	Reason string `json:"reason"`
	// Time is when it was given up; zero for the moment of the commit.
	Time time.Time `json:"time"`
	// Requeued tells that it is to be sent again.
	Requeued bool `json:"requeued"`
}

// Settled takes an Undelivered of this ID from the log: the subscriber has it now.
type Settled int64

// An UndeliveredQuery says which Undelivered to read.
type UndeliveredQuery struct {
	// Subscriber is whose; empty for everybody's.
	Subscriber string
	// Before leaves out what has this ID or a higher one; 0 for nothing.
	Before int64
	// Requeued leaves out what is not to be sent again.
	Requeued bool
	// Limit bounds the answer, 1 or more.
	Limit int
}

// Records reads what the log knows beside events. Every store is one.
type Records interface {
	// Activities returns what was done with the event, oldest first, the last MaxActivities of them.
	Activities(ctx context.Context, id EventID) ([]Activity, error)
	// Bookmark returns where the subscriber stands, nil for one that has no bookmark.
	Bookmark(ctx context.Context, name string) (Cursor, error)
	// Undelivered returns what subscribers did not take, newest first.
	Undelivered(ctx context.Context, query UndeliveredQuery) ([]Undelivered, error)
}

// MaxActivities bounds the activities that are read of one event.
const MaxActivities = 1000
