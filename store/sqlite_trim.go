package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/griphub/griphub/channels"
)

// Trim is channels.Log's. What counts for Retention.Age is when an event was stored, not when it happened:
// devices' clocks err. Besides entries of channels it deletes idempotency keys, refused messages and what subscribers did
// not take that Options do not keep, and counts them too. A call that finds nothing to delete does not keep others from
// writing.
func (s *SQLite) Trim(ctx context.Context, keep func(channels.Channel) channels.Retention, now time.Time) (
	n int, err error) {
	due, err := s.dueChannels(ctx, keep, now)
	if err != nil {
		return 0, fmt.Errorf("trim: %w", sqliteError(err))
	}
	keysBefore := cutoff(s.options.KeyRetention, now)
	refusalsBefore, refusals := cutoff(s.options.Refusals.Age, now), s.options.Refusals.Count
	if refusals == 0 {
		refusals = math.MaxInt // there is no such row
	}
	var expiredKeys, expiredRefusals, expiredUndelivered bool
	if err := s.read.expiredKeys.QueryRowContext(ctx, keysBefore).Scan(&expiredKeys); err != nil {
		return 0, fmt.Errorf("trim keys: %w", sqliteError(err))
	}
	if err := s.read.expiredRefusals.QueryRowContext(ctx, refusalsBefore, refusals).Scan(&expiredRefusals); err != nil {
		return 0, fmt.Errorf("trim refusals: %w", sqliteError(err))
	}
	if err := s.read.expiredUndelivered.QueryRowContext(ctx, refusalsBefore, refusals).Scan(&expiredUndelivered); err != nil {
		return 0, fmt.Errorf("trim undelivered: %w", sqliteError(err))
	}
	if len(due) == 0 && !expiredKeys && !expiredRefusals && !expiredUndelivered {
		return 0, nil
	}
	w := s.writer
	err = w.transact(ctx, func() error {
		if n, err = w.trimChannels(due); err != nil {
			return err
		}
		keys, err := w.delete(w.do.deleteKeys, keysBefore, channels.TrimAtOnce)
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		refused, err := w.delete(w.do.deleteRefusals, refusalsBefore, refusals, channels.TrimAtOnce)
		if err != nil {
			return fmt.Errorf("refusals: %w", err)
		}
		undelivered, err := w.delete(w.do.expireUndelivered, refusalsBefore, refusals, channels.TrimAtOnce)
		if err != nil {
			return fmt.Errorf("undelivered: %w", err)
		}
		n += keys + refused + undelivered
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("trim: %w", err)
	}
	return n, nil
}

// dueChannels finds the channels that have something to trim, as many as one call can serve, without the
// write lock.
func (s *SQLite) dueChannels(ctx context.Context, keep func(channels.Channel) channels.Retention, now time.Time) (
	[]dueChannel, error) {
	jumps, err := scanJumps(s.read.jumps.QueryContext(ctx))
	if err != nil {
		return nil, err
	}
	var uncounted []dueChannel
	var due []dueChannel
	rows, err := s.read.counted.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() && len(due) < channels.TrimAtOnce {
		var id int64
		var head, floor channels.Seq
		var name channels.Channel
		var oldest sql.NullInt64
		if err := rows.Scan(&id, &name, &head, &floor, &oldest); err != nil {
			return nil, err
		}
		c := newDueChannel(id, name, keep(name), now)
		notKept, counted := c.newestNotKept(head, jumps)
		switch {
		case oldest.Valid && oldest.Int64 < c.before, counted && notKept > floor:
			due = append(due, c)
		case !counted:
			uncounted = append(uncounted, c)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, c := range uncounted {
		if len(due) == channels.TrimAtOnce {
			break
		}
		notKept, err := scanNewestNotKept(s.read.newestKept.QueryRowContext(ctx, c.id, c.count))
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.name, err)
		}
		if notKept > 0 {
			due = append(due, c)
		}
	}
	return due, nil
}

// scanNewestNotKept reads the answer of "newest kept", 0 for all are kept.
func scanNewestNotKept(row *sql.Row) (channels.Seq, error) {
	var seq channels.Seq
	err := row.Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// A sqliteTrimming is what one call of Trim does to channels.
type sqliteTrimming struct {
	jumps  jumps
	floors floors
	moved  []any   // rows of "set floors"
	gone   []int64 // events that are in no channel any more
}

// trimChannels trims channels that are due until it has deleted channels.TrimAtOnce entries.
func (w *sqliteWriter) trimChannels(due []dueChannel) (n int, err error) {
	t := sqliteTrimming{floors: floors{known: make(map[channels.Channel]channels.Seq), find: w.floor}}
	if t.jumps, err = scanJumps(w.do.jumps.QueryContext(context.Background())); err != nil {
		return 0, err
	}
	names := make([]channels.Channel, len(due))
	for i := range due {
		names[i] = due[i].name
	}
	states, err := scanHeads(context.Background(), w.do.heads, names)
	if err != nil {
		return 0, err
	}
	for i := range states {
		t.floors.known[due[i].name] = states[i].floor
	}
	for i := 0; i < len(due) && n < channels.TrimAtOnce; i++ {
		trimmed, err := w.trimChannel(&due[i], &states[i], channels.TrimAtOnce-n, &t)
		if err != nil {
			return 0, fmt.Errorf("channel %s: %w", due[i].name, err)
		}
		n += trimmed
	}
	if err := w.do.setFloors.write(t.moved); err != nil || len(t.gone) == 0 {
		return n, err
	}
	gone, err := json.Marshal(t.gone)
	if err != nil {
		return 0, err
	}
	return n, w.exec(w.do.deleteEvents, string(gone))
}

func (w *sqliteWriter) trimChannel(c *dueChannel, state *channelState, limit int, t *sqliteTrimming) (int, error) {
	notKept, counted := c.newestNotKept(state.head, t.jumps)
	if !counted {
		var err error
		if notKept, err = scanNewestNotKept(w.query(w.do.newestKept, c.id, c.count)); err != nil {
			return 0, err
		}
	}
	// One more than may go, to know the oldest that stays. Mostly one is due of each of many channels, so few are read at first.
	var entries []trimEntry
	var n int
	for few := 2; ; few *= 8 {
		most := min(few, limit+1)
		var err error
		if entries, err = w.oldest(c.id, state.floor, most); err != nil {
			return 0, err
		}
		n = min(c.trimmed(entries, notKept), limit)
		if n < len(entries) || len(entries) < most || most > limit {
			break
		}
	}
	floor, next := newFloor(state.head, entries, n)
	if floor == 0 {
		return 0, nil
	}
	t.moved = append(t.moved, c.id, int64(floor), next)
	t.floors.known[c.name] = floor
	if next == nil || timeToMove(c.id, int64(state.floor), int64(floor)) {
		if err := w.deletePositions(c.id, floor); err != nil {
			return 0, err
		}
	}
	for _, e := range entries[:n] {
		gone, err := t.covers(e)
		if err != nil {
			return 0, err
		}
		if gone {
			t.gone = append(t.gone, e.event)
		}
	}
	return n, nil
}

// covers tells whether no other channel has the entry's event.
func (t *sqliteTrimming) covers(e trimEntry) (bool, error) {
	if e.positions == "" {
		return false, nil
	}
	positions, err := channels.ParseCursor(e.positions)
	if err != nil {
		return false, fmt.Errorf("event %d: %w", e.event, err)
	}
	return t.floors.covers(positions)
}

// oldest returns the channel's oldest entries above its floor. Those that are settled are older than those that are not.
func (w *sqliteWriter) oldest(channelID int64, floor channels.Seq, limit int) ([]trimEntry, error) {
	entries, err := scanTrimEntries(nil, w.do.oldestSettled, channelID, floor, limit)
	if err == nil && len(entries) < limit {
		entries, err = scanTrimEntries(entries, w.do.oldestRecent, channelID, floor, limit-len(entries))
	}
	return entries, err
}

// scanTrimEntries appends what the statement finds.
func scanTrimEntries(entries []trimEntry, stmt *sql.Stmt, channelID int64, floor channels.Seq, limit int) ([]trimEntry, error) {
	rows, err := stmt.QueryContext(context.Background(), channelID, int64(floor), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e trimEntry
		if err := rows.Scan(&e.seq, &e.event, &e.positions, &e.stored); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// floor returns the floor of a channel, above all numbers for one that is not there.
func (w *sqliteWriter) floor(name channels.Channel) (channels.Seq, error) {
	var floor channels.Seq
	err := w.query(w.do.floor, string(name)).Scan(&floor)
	if errors.Is(err, sql.ErrNoRows) {
		return channels.MaxSeq, nil
	}
	return floor, err
}

// delete runs a statement that deletes and returns how many rows went.
func (w *sqliteWriter) delete(stmt *sql.Stmt, args ...any) (int, error) {
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
