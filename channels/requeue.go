package channels

import (
	"context"
	"fmt"
)

// A Batcher stores a batch, such as Log.Append or Publisher.Publish does.
type Batcher func(ctx context.Context, batch Batch) ([]Event, error)

// Requeue has messages that subscribers did not take sent again, all of them or none. The error wraps ErrNotFound where there is
// no message of an id. Who runs the subscribers sends them within seconds, the oldest first.
func Requeue(ctx context.Context, records Records, store Batcher, ids ...int64) error {
	var batch Batch
	for _, id := range ids {
		u, err := FindUndelivered(ctx, records, id)
		if err != nil {
			return err
		}
		u.Requeued = true
		batch.State = append(batch.State, u)
	}
	_, err := store(ctx, batch)
	return err
}

// FindUndelivered returns the message of the id. The error wraps ErrNotFound where there is none.
func FindUndelivered(ctx context.Context, records Records, id int64) (Undelivered, error) {
	found, err := records.Undelivered(ctx, UndeliveredQuery{Before: id + 1, Limit: 1})
	if err == nil && (len(found) == 0 || found[0].ID != id) {
		err = fmt.Errorf("undelivered message %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Undelivered{}, err
	}
	return found[0], nil
}

// requeuePage is how many messages are requeued in one transaction.
const requeuePage = 1000

// RequeueAll has all messages sent again that the subscriber did not take.
func RequeueAll(ctx context.Context, records Records, store Batcher, subscriber string) error {
	query := UndeliveredQuery{Subscriber: subscriber, Limit: requeuePage}
	for {
		list, err := records.Undelivered(ctx, query)
		if err != nil || len(list) == 0 {
			return err
		}
		var batch Batch
		for _, u := range list {
			u.Requeued = true
			batch.State = append(batch.State, u)
			query.Before = u.ID
		}
		if _, err := store(ctx, batch); err != nil {
			return err
		}
	}
}
