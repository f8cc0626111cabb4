package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
)

// snapshot runs do in a transaction that sees one moment.
func (p *Postgres) snapshot(ctx context.Context, do func(tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return p.again(ctx, func() error { return pgx.BeginTxFunc(ctx, p.pool, options, do) })
}

// again does what only reads, and once more where the connection was lost: a server that went took all along.
func (p *Postgres) again(ctx context.Context, do func() error) error {
	err := do()
	if err != nil && errors.Is(broken(ctx, err), errBroken) {
		p.pool.Reset()
		err = do()
	}
	return postgresError(err)
}

// collect reads the rows of a query.
func collect[T any](ctx context.Context, p *Postgres, scan func(pgx.CollectableRow) (T, error), statement string,
	args ...any) (all []T, err error) {
	err = p.again(ctx, func() error {
		rows, err := p.pool.Query(ctx, p.do[statement], args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	return all, err
}

// Heads is channels.Log's.
func (p *Postgres) Heads(ctx context.Context, names []channels.Channel) (channels.Cursor, error) {
	if len(names) == 0 {
		return nil, ctx.Err()
	}
	states, err := collect(ctx, p, scanState, "heads", texts(names))
	if err != nil {
		return nil, fmt.Errorf("read the heads of %d channels: %w", len(names), err)
	}
	return headsOf(names, states), nil
}

func texts(names []channels.Channel) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = printable(string(name))
	}
	return all
}

func scanState(row pgx.CollectableRow) (c channelState, err error) {
	err = row.Scan(&c.id, &c.head, &c.floor, &c.base)
	return c, err
}

// states reads what the counters say, and where the log jumped to.
func (p *Postgres) states(ctx context.Context, tx pgx.Tx, names []channels.Channel) (
	states []channelState, jumps jumps, err error) {
	batch := &pgx.Batch{}
	batch.Queue(p.do["heads"], texts(names)).Query(func(rows pgx.Rows) (err error) {
		states, err = pgx.CollectRows(rows, scanState)
		return err
	})
	batch.Queue(p.do["jumps"]).Query(func(rows pgx.Rows) (err error) {
		jumps, err = pgx.CollectRows(rows, pgx.RowTo[channels.Seq])
		return err
	})
	err = tx.SendBatch(ctx, batch).Close()
	return states, jumps, err
}

// Read is channels.Log's.
func (p *Postgres) Read(ctx context.Context, after channels.Cursor, limit int) (pages []channels.Page, err error) {
	if len(after) == 0 {
		return nil, ctx.Err()
	}
	err = p.snapshot(ctx, func(tx pgx.Tx) error {
		pages, err = p.pages(ctx, tx, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %d channels: %w", len(after), err)
	}
	return pages, nil
}

// pages reads what follows each position, one or more.
func (p *Postgres) pages(ctx context.Context, tx pgx.Tx, after channels.Cursor, limit int) ([]channels.Page, error) {
	names := make([]channels.Channel, len(after))
	for i, position := range after {
		names[i] = position.Channel
	}
	states, jumps, err := p.states(ctx, tx, names)
	if err != nil {
		return nil, err
	}
	pages := make([]channels.Page, len(after))
	batch := &pgx.Batch{}
	for i := range after {
		p.queuePage(batch, &pages[i], after[i], limit, &states[i], jumps)
	}
	if batch.Len() == 0 {
		return pages, nil
	}
	return pages, tx.SendBatch(ctx, batch).Close()
}

// queuePage asks for the page that follows a position, unless that is known already.
func (p *Postgres) queuePage(batch *pgx.Batch, page *channels.Page, after channels.Position, limit int, c *channelState,
	jumps jumps) {
	kind := c.place(after.Seq, jumps)
	switch kind {
	case nowhere:
		*page = c.lost(after.Channel)
		return
	case atTheEnd:
		*page = channels.Page{Channel: after.Channel, Next: after.Seq}
		return
	}
	isEvent := true
	if kind == perhapsAnEvent {
		batch.Queue(p.do["is position"], c.id, int64(after.Seq)).QueryRow(func(row pgx.Row) error {
			return row.Scan(&isEvent)
		})
	}
	batch.Queue(p.do["page"], c.id, int64(after.Seq), limit).Query(func(rows pgx.Rows) error {
		found, err := collectRun(rows)
		if err != nil {
			return fmt.Errorf("channel %s: %w", after.Channel, err)
		}
		if isEvent || found.follows(after.Seq) {
			*page = c.page(after, found, jumps)
		} else {
			*page = c.lost(after.Channel)
		}
		return nil
	})
}

// collectRun reads the rows of a page: each event after its number.
func collectRun(rows pgx.Rows) (found run, err error) {
	defer rows.Close()
	for rows.Next() {
		var seq channels.Seq
		e, err := scanEvent(prefixed{rows, []any{&seq}})
		if err != nil {
			return found, err
		}
		found.seqs, found.events = append(found.seqs, seq), append(found.events, e)
	}
	return found, rows.Err()
}

// Latest is channels.Log's.
func (p *Postgres) Latest(ctx context.Context, channel channels.Channel, limit int) (channels.Page, error) {
	page := channels.Page{Channel: channel}
	err := p.snapshot(ctx, func(tx pgx.Tx) error {
		states, _, err := p.states(ctx, tx, []channels.Channel{channel})
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, p.do["latest"], states[0].id, limit)
		if err != nil {
			return err
		}
		found, err := collectRun(rows)
		slices.Reverse(found.events)
		page.Events, page.Next = found.events, states[0].effectiveHead()
		return err
	})
	if err != nil {
		return channels.Page{}, fmt.Errorf("read the latest of %s: %w", channel, err)
	}
	return page, nil
}

// SeqAt is channels.Log's.
func (p *Postgres) SeqAt(ctx context.Context, channel channels.Channel, moment time.Time) (
	seq channels.Seq, err error) {
	err = p.snapshot(ctx, func(tx pgx.Tx) error {
		states, _, err := p.states(ctx, tx, []channels.Channel{channel})
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, p.do["seq at"], states[0].id, microCeil(moment)).Scan(&seq)
		if errors.Is(err, pgx.ErrNoRows) {
			seq = states[0].effectiveHead()
			return nil
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find the place in %s at %s: %w", channel, moment.Format(time.RFC3339), err)
	}
	return seq, nil
}

// Event is channels.Log's.
func (p *Postgres) Event(ctx context.Context, id channels.EventID) (channels.Event, error) {
	found, err := collect(ctx, p, func(row pgx.CollectableRow) (channels.Event, error) { return scanEvent(row) },
		"event", int64(id))
	if err == nil && len(found) == 0 {
		err = channels.ErrNotFound
	}
	if err != nil {
		return channels.Event{}, fmt.Errorf("event %d: %w", id, err)
	}
	return found[0], nil
}

// Refusals is channels.Log's.
func (p *Postgres) Refusals(ctx context.Context, before int64, limit int) ([]channels.Refusal, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	all, err := collect(ctx, p, func(row pgx.CollectableRow) (r channels.Refusal, err error) {
		var us int64
		err = row.Scan(&r.ID, &r.Source, &r.Reason, &r.Payload, &us)
		r.Time = time.UnixMicro(us).UTC()
		return r, err
	}, "refusals", before, limit)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	return all, nil
}

// Mark is devices.Marks'.
func (p *Postgres) Mark(ctx context.Context, name string) ([]byte, error) {
	found, err := collect(ctx, p, pgx.RowTo[[]byte], "mark", printable(name))
	if err != nil {
		return nil, fmt.Errorf("read the mark %s: %w", name, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return notNil(found[0]), nil
}
