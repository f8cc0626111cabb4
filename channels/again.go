package channels

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotReplayable tells that an event cannot be sent again as the log no longer has it.
var ErrNotReplayable = errors.New("there is no such event, or it was trimmed")

// An Appender stores a batch and sends its events. A *Publisher is one.
type Appender interface {
	Publish(ctx context.Context, batch Batch) ([]Event, error)
}

// SendAgain stores the events once more, all in one transaction, and sends them: with the same public id, type, scope and
// data, at new places in their channels, so that streams resume as ever. Viewers are told that they may have had the event
// (see Event.AppendSSE). An activity of each is recorded, by who. The error is ErrNotReplayable inside a *ReplayError where the
// log does not have an event; then none is sent.
func SendAgain(ctx context.Context, log Log, publisher Appender, ids []EventID, who string) ([]Event, error) {
	var batch Batch
	for _, id := range ids {
		e, err := log.Event(ctx, id)
		if errors.Is(err, ErrNotFound) {
			err = ErrNotReplayable
		}
		if err != nil {
			return nil, &ReplayError{ID: id, Err: err}
		}
		d := e.Draft
		// What hooks change is decided anew.
		d.ReplayOf, d.Replay, d.Key, d.Shown = e.Original(), e.Replay+1, "", nil
		batch.Drafts = append(batch.Drafts, d)
		batch.State = append(batch.State, Activity{Event: d.ReplayOf, Kind: ActivityReplayed, Who: who})
	}
	return publisher.Publish(ctx, batch)
}

// A ReplayError tells which event cannot be sent again.
type ReplayError struct {
	ID  EventID
	Err error
}

// Error returns "replay event {id}: …".
func (e *ReplayError) Error() string { return fmt.Sprintf("replay event %s: %v", e.ID, e.Err) }

// Unwrap returns Err.
func (e *ReplayError) Unwrap() error { return e.Err }
