package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
)

// countReplays numbers the batch's replays. One whose event was trimmed keeps the number that it came with.
func (w *sqliteWriter) countReplays(batch *numbering) error {
	for i := range batch.events {
		e := &batch.events[i]
		if e.ReplayOf == 0 || !batch.fresh(i) {
			continue
		}
		err := w.query(w.do.countReplay, int64(e.ReplayOf)).Scan(&e.Replay)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("count the replays of %d: %w", e.ReplayOf, err)
		}
	}
	return nil
}

// putRecords writes them in a transaction that has begun.
func (w *sqliteWriter) putRecords(c *recordChange, now time.Time) error {
	for _, a := range c.activities {
		if err := w.exec(w.do.addActivity, int64(a.Event), string(a.Kind), printable(a.Who), orNow(a.Time, now)); err != nil {
			return fmt.Errorf("add activity: %w", err)
		}
	}
	for _, b := range c.bookmarks {
		if err := w.exec(w.do.putBookmark, printable(b.Name), b.Cursor.String(), now.UnixMicro()); err != nil {
			return fmt.Errorf("bookmark %s: %w", b.Name, err)
		}
	}
	for i := range c.undelivered {
		u := &c.undelivered[i]
		var err error
		if u.ID == 0 {
			err = w.exec(w.do.addUndelivered, printable(u.Subscriber), int64(u.Event), printable(u.Message), notNil(u.Body),
				printable(u.Reason), orNow(u.Time, now), u.Requeued)
		} else {
			err = w.exec(w.do.changeUndelivered, u.ID, printable(u.Reason), u.Requeued)
		}
		if err != nil {
			return fmt.Errorf("undelivered of %s: %w", u.Subscriber, err)
		}
	}
	for _, id := range c.settled {
		if err := w.exec(w.do.deleteUndelivered, int64(id)); err != nil {
			return fmt.Errorf("settle %d: %w", id, err)
		}
	}
	return nil
}

// Activities is channels.Records'.
func (s *SQLite) Activities(ctx context.Context, id channels.EventID) ([]channels.Activity, error) {
	all, err := readAll(ctx, s.read.activities, scanActivity, int64(id), channels.MaxActivities)
	if err != nil {
		return nil, fmt.Errorf("read the activities of event %d: %w", id, sqliteError(err))
	}
	for i := range all {
		all[i].Event = id
	}
	return all, nil
}

// Bookmark is channels.Records'.
func (s *SQLite) Bookmark(ctx context.Context, name string) (channels.Cursor, error) {
	var text string
	err := s.read.bookmark.QueryRowContext(ctx, name).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the bookmark %s: %w", name, sqliteError(err))
	}
	return channels.ParseCursor(text)
}

// Undelivered is channels.Records'.
func (s *SQLite) Undelivered(ctx context.Context, q channels.UndeliveredQuery) ([]channels.Undelivered, error) {
	all, err := readAll(ctx, s.read.undelivered, scanUndelivered, q.Subscriber, before(q.Before), q.Requeued, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read what was not delivered: %w", sqliteError(err))
	}
	return all, nil
}

// readAll reads all rows of a query's answer.
func readAll[T any](ctx context.Context, stmt *sql.Stmt, scan func(scanner) (T, error), args ...any) ([]T, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	return scanRows(rows, err, scan)
}

func scanRows[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) (all []T, _ error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
