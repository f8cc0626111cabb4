package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
)

// queueRecords writes them. There are few in a batch, so each is a statement of its own.
func (a *appending) queueRecords(batch *pgx.Batch, c *recordChange) {
	for _, activity := range c.activities {
		batch.Queue(a.do["add activity"], int64(activity.Event), string(activity.Kind), printable(activity.Who),
			orNow(activity.Time, a.now))
	}
	for _, b := range c.bookmarks {
		batch.Queue(a.do["put bookmark"], printable(b.Name), b.Cursor.String(), a.now.UnixMicro())
	}
	for i := range c.undelivered {
		u := &c.undelivered[i]
		if u.ID == 0 {
			batch.Queue(a.do["add undelivered"], printable(u.Subscriber), int64(u.Event), printable(u.Message),
				notNil(u.Body), printable(u.Reason), orNow(u.Time, a.now), u.Requeued)
		} else {
			batch.Queue(a.do["change undelivered"], u.ID, printable(u.Reason), u.Requeued)
		}
	}
	for _, id := range c.settled {
		batch.Queue(a.do["delete undelivered"], int64(id))
	}
}

// Activities is channels.Records'.
func (p *Postgres) Activities(ctx context.Context, id channels.EventID) ([]channels.Activity, error) {
	all, err := collect(ctx, p, func(row pgx.CollectableRow) (channels.Activity, error) {
		activity, err := scanActivity(row)
		activity.Event = id
		return activity, err
	}, "activities", int64(id), channels.MaxActivities)
	if err != nil {
		return nil, fmt.Errorf("read the activities of event %d: %w", id, err)
	}
	return all, nil
}

// Bookmark is channels.Records'.
func (p *Postgres) Bookmark(ctx context.Context, name string) (channels.Cursor, error) {
	found, err := collect(ctx, p, pgx.RowTo[string], "bookmark", printable(name))
	if err != nil {
		return nil, fmt.Errorf("read the bookmark %s: %w", name, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return channels.ParseCursor(found[0])
}

// Undelivered is channels.Records'.
func (p *Postgres) Undelivered(ctx context.Context, q channels.UndeliveredQuery) ([]channels.Undelivered, error) {
	all, err := collect(ctx, p, func(row pgx.CollectableRow) (channels.Undelivered, error) { return scanUndelivered(row) },
		"undelivered", printable(q.Subscriber), before(q.Before), q.Requeued, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read what was not delivered: %w", err)
	}
	return all, nil
}
