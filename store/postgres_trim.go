package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
)

// Trim is channels.Log's. What counts for Retention.Age is when an event was stored, not when it happened:
// devices' clocks err. Besides entries of channels it deletes idempotency keys, refused messages and what subscribers did
// not take that Options do not keep, and counts them too.
func (p *Postgres) Trim(ctx context.Context, keep func(channels.Channel) channels.Retention, now time.Time) (
	int, error) {
	due, err := p.dueChannels(ctx, keep, now)
	if err != nil {
		return 0, fmt.Errorf("trim: %w", postgresError(err))
	}
	n := 0
	if len(due) > 0 {
		if n, err = p.trimChannels(ctx, due); err != nil {
			return 0, fmt.Errorf("trim %d channels: %w", len(due), postgresError(err))
		}
	}
	// Transactions of their own: those that append lock keys before channels.
	keys, err := p.pool.Exec(ctx, p.do["delete keys"], cutoff(p.options.KeyRetention, now), channels.TrimAtOnce)
	if err != nil {
		return 0, fmt.Errorf("trim keys: %w", postgresError(err))
	}
	refusals := int64(math.MaxInt64) // there is no such row
	if p.options.Refusals.Count > 0 {
		refusals = int64(p.options.Refusals.Count)
	}
	refused, err := p.pool.Exec(ctx, p.do["delete refusals"], cutoff(p.options.Refusals.Age, now), refusals, channels.TrimAtOnce)
	if err != nil {
		return 0, fmt.Errorf("trim refusals: %w", postgresError(err))
	}
	undelivered, err := p.pool.Exec(ctx, p.do["delete expired undelivered"], cutoff(p.options.Refusals.Age, now), refusals, channels.TrimAtOnce)
	if err != nil {
		return 0, fmt.Errorf("trim undelivered: %w", postgresError(err))
	}
	return n + int(keys.RowsAffected()+refused.RowsAffected()+undelivered.RowsAffected()), nil
}

// dueChannels finds the channels that have something to trim, as many as one call can serve.
func (p *Postgres) dueChannels(ctx context.Context, keep func(channels.Channel) channels.Retention, now time.Time) (
	[]dueChannel, error) {
	jumps, err := collect(ctx, p, pgx.RowTo[channels.Seq], "jumps")
	if err != nil {
		return nil, err
	}
	rows, err := p.pool.Query(ctx, p.do["counted"])
	if err != nil {
		return nil, err
	}
	var due, uncounted []dueChannel
	var id int64
	var head, floor channels.Seq
	var name string
	var oldest *int64
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &head, &floor, &oldest}, func() error {
		c := newDueChannel(id, channels.Channel(name), keep(channels.Channel(name)), now)
		notKept, counted := c.newestNotKept(head, jumps)
		switch {
		case len(due) == channels.TrimAtOnce:
		case oldest != nil && *oldest < c.before, counted && notKept > floor:
			due = append(due, c)
		case !counted:
			uncounted = append(uncounted, c)
		}
		return nil
	})
	if err != nil || len(uncounted) == 0 {
		return due, err
	}
	notKept, err := newestNotKept(ctx, p.pool, p.do, uncounted)
	if err != nil {
		return nil, err
	}
	for _, c := range uncounted {
		if notKept[c.id] > 0 && len(due) < channels.TrimAtOnce {
			due = append(due, c)
		}
	}
	return due, nil
}

// querier is the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// newestNotKept counts events to find, by the channels' ids, the highest numbers that the channels' counts do not
// keep.
func newestNotKept(ctx context.Context, db querier, do statements, of []dueChannel) (map[int64]channels.Seq, error) {
	var ids, counts []int64
	for _, c := range of {
		ids, counts = append(ids, c.id), append(counts, int64(c.count))
	}
	notKept := make(map[int64]channels.Seq, len(ids))
	rows, err := db.Query(ctx, do["newest kept"], ids, counts)
	if err != nil {
		return nil, err
	}
	var id int64
	var seq channels.Seq
	_, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		notKept[id] = seq
		return nil
	})
	return notKept, err
}

// trimChannels trims channels that are due, each by its share of what one call may delete.
func (p *Postgres) trimChannels(ctx context.Context, due []dueChannel) (n int, err error) {
	err = p.transact(ctx, func(tx pgx.Tx) error {
		t := &trimming{do: p.do, tx: tx, due: make(map[int64]*dueChannel, len(due))}
		for i := range due {
			t.due[due[i].id] = &due[i]
			t.ids = append(t.ids, due[i].id)
		}
		if _, err := tx.Exec(ctx, p.do["trim alone"]); err != nil {
			return err
		}
		if err := t.lock(ctx); err != nil {
			return err
		}
		if err := t.choose(ctx); err != nil {
			return err
		}
		n = len(t.gone.id)
		return t.delete(ctx)
	})
	return n, err
}

// A trimming is one transaction that trims channels.
type trimming struct {
	do  statements
	tx  pgx.Tx
	ids []int64 // of the channels
	due map[int64]*dueChannel

	notKept map[int64]channels.Seq
	head    map[int64]channels.Seq
	floor   map[int64]int64
	oldest  map[int64]*int64 // what stays of those whose floor has moved; nil where nothing does
	gone    goneColumns
}

// goneColumns are entries that go.
type goneColumns struct {
	id, seq   []int64 // of the channel, in the channel
	event     []int64
	positions []string
}

// floorColumns are rows of channels, with what trimming changes.
type floorColumns struct {
	id, floor []int64
	oldest    []*int64
}

// lock keeps others from adding to the channels, and finds out how far their counts go.
func (t *trimming) lock(ctx context.Context) error {
	var jumps jumps
	batch := &pgx.Batch{}
	t.head, t.floor = make(map[int64]channels.Seq, len(t.ids)), make(map[int64]int64, len(t.ids))
	batch.Queue(t.do["lock channels"], t.ids).Query(func(rows pgx.Rows) error {
		var id, f int64
		var head channels.Seq
		_, err := pgx.ForEachRow(rows, []any{&id, &head, &f}, func() error {
			t.head[id], t.floor[id] = head, f
			return nil
		})
		return err
	})
	batch.Queue(t.do["jumps"]).Query(func(rows pgx.Rows) (err error) {
		jumps, err = pgx.CollectRows(rows, pgx.RowTo[channels.Seq])
		return err
	})
	if err := t.tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	t.notKept = make(map[int64]channels.Seq)
	var uncounted []dueChannel
	for _, id := range t.ids {
		seq, counted := t.due[id].newestNotKept(t.head[id], jumps)
		if t.notKept[id] = seq; !counted {
			uncounted = append(uncounted, *t.due[id])
		}
	}
	if len(uncounted) == 0 {
		return nil
	}
	found, err := newestNotKept(ctx, t.tx, t.do, uncounted)
	maps.Copy(t.notKept, found)
	return err
}

// choose finds the entries that go: of each channel an equal share of what one call may delete, and of those that have more than that
// what the others leave of theirs.
func (t *trimming) choose(ctx context.Context) error {
	t.oldest = make(map[int64]*int64, len(t.ids))
	for more := t.ids; len(more) > 0 && len(t.gone.id) < channels.TrimAtOnce; {
		limit := max(1, (channels.TrimAtOnce-len(t.gone.id))/len(more))
		entries, err := t.readOldest(ctx, more, limit+1) // one more than may go, to know the oldest that stays
		if err != nil {
			return err
		}
		asked := more
		more = nil
		for _, id := range asked {
			n := t.due[id].trimmed(entries[id], t.notKept[id])
			if n > limit {
				n, more = limit, append(more, id)
			}
			t.take(id, entries[id], n)
		}
	}
	return nil
}

// readOldest returns the oldest entries of channels that are above their floors, at most limit of each.
func (t *trimming) readOldest(ctx context.Context, ids []int64, limit int) (map[int64][]trimEntry, error) {
	floors := make([]int64, len(ids))
	for i, id := range ids {
		floors[i] = t.floor[id]
	}
	rows, err := t.tx.Query(ctx, t.do["oldest"], ids, floors, limit)
	if err != nil {
		return nil, err
	}
	entries := make(map[int64][]trimEntry, len(ids))
	var id int64
	var e trimEntry
	_, err = pgx.ForEachRow(rows, []any{&id, &e.seq, &e.event, &e.positions, &e.stored}, func() error {
		entries[id] = append(entries[id], e)
		return nil
	})
	return entries, err
}

// take has the first n of a channel's oldest entries go.
func (t *trimming) take(id int64, entries []trimEntry, n int) {
	floor, oldest := newFloor(t.head[id], entries, n)
	if floor == 0 {
		return
	}
	t.floor[id], t.oldest[id] = int64(floor), oldest
	for _, e := range entries[:n] {
		t.gone.id, t.gone.seq = append(t.gone.id, id), append(t.gone.seq, int64(e.seq))
		t.gone.event, t.gone.positions = append(t.gone.event, e.event), append(t.gone.positions, e.positions)
	}
}

// delete raises the floors and deletes what is below them.
func (t *trimming) delete(ctx context.Context) error {
	var moved floorColumns
	for id, oldest := range t.oldest {
		moved.id, moved.floor, moved.oldest = append(moved.id, id), append(moved.floor, t.floor[id]), append(moved.oldest, oldest)
	}
	batch := &pgx.Batch{}
	batch.Queue(t.do["set floors"], moved.id, moved.floor, moved.oldest)
	batch.Queue(t.do["delete positions"], t.gone.id, t.gone.seq)
	if err := t.tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	cursors := make([]channels.Cursor, len(t.gone.event))
	names := make(map[channels.Channel]bool)
	for i, positions := range t.gone.positions {
		if positions == "" {
			continue
		}
		var err error
		if cursors[i], err = channels.ParseCursor(positions); err != nil {
			return fmt.Errorf("event %d: %w", t.gone.event[i], err)
		}
		for _, position := range cursors[i] {
			names[position.Channel] = true
		}
	}
	floors, err := t.readFloors(ctx, names)
	if err != nil {
		return err
	}
	var events []int64
	for i, id := range t.gone.event {
		covered, err := floors.covers(cursors[i])
		if err != nil {
			return err
		}
		if covered {
			events = append(events, id)
		}
	}
	_, err = t.tx.Exec(ctx, t.do["delete events"], events)
	return err
}

// readFloors returns the floors of the channels. Those that are not there have no events.
func (t *trimming) readFloors(ctx context.Context, names map[channels.Channel]bool) (*floors, error) {
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, string(name))
	}
	f := &floors{
		known: make(map[channels.Channel]channels.Seq, len(names)),
		find:  func(channels.Channel) (channels.Seq, error) { return channels.MaxSeq, nil },
	}
	rows, err := t.tx.Query(ctx, t.do["floors"], all)
	if err != nil {
		return nil, err
	}
	var name string
	var floor channels.Seq
	_, err = pgx.ForEachRow(rows, []any{&name, &floor}, func() error {
		f.known[channels.Channel(name)] = floor
		return nil
	})
	return f, err
}
