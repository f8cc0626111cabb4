package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// sqliteReads are the statements of the reading connections.
type sqliteReads struct {
	event, heads, jumps, isPosition, page, latest     *sql.Stmt
	beforeTime, fromTime                              *sql.Stmt
	refusals                                          *sql.Stmt
	counted, newestKept, expiredKeys, expiredRefusals *sql.Stmt
	devices, withCodes, silent, mark                  *sql.Stmt
	activities, bookmark, undelivered                 *sql.Stmt
	expiredUndelivered, listChannels                  *sql.Stmt
}

// all names the statements.
func (r *sqliteReads) all() []prepared {
	return []prepared{
		{"event", &r.event}, {"heads", &r.heads}, {"jumps", &r.jumps}, {"is position", &r.isPosition},
		{"page", &r.page}, {"latest", &r.latest}, {"before time", &r.beforeTime}, {"from time", &r.fromTime}, {"refusals", &r.refusals},
		{"counted", &r.counted}, {"newest kept", &r.newestKept},
		{"has expired keys", &r.expiredKeys}, {"has expired refusals", &r.expiredRefusals},
		{"devices", &r.devices}, {"devices with codes", &r.withCodes}, {"silent devices", &r.silent}, {"mark", &r.mark},
		{"activities", &r.activities}, {"bookmark", &r.bookmark}, {"undelivered", &r.undelivered},
		{"has expired undelivered", &r.expiredUndelivered}, {"list channels", &r.listChannels},
	}
}

// snapshot runs do in a transaction that sees one moment.
func (s *SQLite) snapshot(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", sqliteError(err))
	}
	defer func() { _ = tx.Rollback() }()
	return sqliteError(do(tx))
}

// Heads is channels.Log's.
func (s *SQLite) Heads(ctx context.Context, names []channels.Channel) (channels.Cursor, error) {
	if len(names) == 0 {
		return nil, ctx.Err()
	}
	counted, err := scanHeads(ctx, s.read.heads, names)
	if err != nil {
		return nil, fmt.Errorf("read the heads of %d channels: %w", len(names), sqliteError(err))
	}
	return headsOf(names, counted), nil
}

func scanHeads(ctx context.Context, stmt *sql.Stmt, names []channels.Channel) ([]channelState, error) {
	asked, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, string(asked))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	states := make([]channelState, 0, len(names))
	for rows.Next() {
		var c channelState
		if err := rows.Scan(&c.id, &c.head, &c.floor, &c.latest, &c.base); err != nil {
			return nil, err
		}
		states = append(states, c)
	}
	return states, rows.Err()
}

// Read is channels.Log's.
func (s *SQLite) Read(ctx context.Context, after channels.Cursor, limit int) (pages []channels.Page, err error) {
	if len(after) == 0 {
		return nil, ctx.Err()
	}
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		pages, err = s.pages(ctx, tx, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %d channels: %w", len(after), err)
	}
	return pages, nil
}

// pages reads what follows each position, one or more.
func (s *SQLite) pages(ctx context.Context, tx *sql.Tx, after channels.Cursor, limit int) ([]channels.Page, error) {
	names := make([]channels.Channel, len(after))
	for i, p := range after {
		names[i] = p.Channel
	}
	states, err := scanHeads(ctx, tx.StmtContext(ctx, s.read.heads), names)
	if err != nil {
		return nil, err
	}
	var jumps jumps
	if states[0].base > 0 {
		if jumps, err = scanJumps(tx.StmtContext(ctx, s.read.jumps).QueryContext(ctx)); err != nil {
			return nil, err
		}
	}
	pages := make([]channels.Page, len(after))
	for i := range after {
		if pages[i], err = s.page(ctx, tx, after[i], limit, &states[i], jumps); err != nil {
			return nil, fmt.Errorf("channel %s: %w", after[i].Channel, err)
		}
	}
	return pages, nil
}

// scanJumps reads the answer of "jumps".
func scanJumps(rows *sql.Rows, err error) (jumps, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all jumps
	for rows.Next() {
		var seq channels.Seq
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		all = append(all, seq)
	}
	return all, rows.Err()
}

func (s *SQLite) page(ctx context.Context, tx *sql.Tx, after channels.Position, limit int, c *channelState,
	jumps jumps) (channels.Page, error) {
	kind := c.place(after.Seq, jumps)
	switch kind {
	case nowhere:
		return c.lost(after.Channel), nil
	case atTheEnd:
		return channels.Page{Channel: after.Channel, Next: after.Seq}, nil
	}
	rows, err := tx.StmtContext(ctx, s.read.page).QueryContext(ctx, c.id, int64(after.Seq), limit)
	if err != nil {
		return channels.Page{}, err
	}
	run, err := scanRun(rows)
	if err != nil {
		return channels.Page{}, err
	}
	if kind == perhapsAnEvent && !run.follows(after.Seq) {
		var found bool
		if err := tx.StmtContext(ctx, s.read.isPosition).QueryRowContext(ctx, c.id, int64(after.Seq)).
			Scan(&found); err != nil {
			return channels.Page{}, err
		}
		if !found {
			return c.lost(after.Channel), nil
		}
	}
	return c.page(after, run, jumps), nil
}

// Latest is channels.Log's.
func (s *SQLite) Latest(ctx context.Context, channel channels.Channel, limit int) (channels.Page, error) {
	page := channels.Page{Channel: channel}
	err := s.snapshot(ctx, func(tx *sql.Tx) error {
		states, err := scanHeads(ctx, tx.StmtContext(ctx, s.read.heads), []channels.Channel{channel})
		if err != nil {
			return err
		}
		page.Next = states[0].effectiveHead()
		rows, err := tx.StmtContext(ctx, s.read.latest).QueryContext(ctx, states[0].id, limit)
		if err != nil {
			return err
		}
		run, err := scanRun(rows)
		slices.Reverse(run.events)
		page.Events = run.events
		return err
	})
	if err != nil {
		return channels.Page{}, fmt.Errorf("read the latest of %s: %w", channel, err)
	}
	return page, nil
}

// SeqAt is channels.Log's.
func (s *SQLite) SeqAt(ctx context.Context, channel channels.Channel, moment time.Time) (seq channels.Seq, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		states, err := scanHeads(ctx, tx.StmtContext(ctx, s.read.heads), []channels.Channel{channel})
		if err != nil {
			return err
		}
		c := states[0]
		if err := tx.StmtContext(ctx, s.read.beforeTime).QueryRowContext(ctx, c.id, microCeil(moment)).Scan(&seq); err != nil {
			return err
		}
		err = tx.StmtContext(ctx, s.read.fromTime).QueryRowContext(ctx, c.id, int64(seq), microCeil(moment)).Scan(&seq)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			seq = c.effectiveHead()
			return nil
		case err != nil:
			return err
		}
		seq--
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find the place in %s at %s: %w", channel, moment.Format(time.RFC3339), err)
	}
	return seq, nil
}

// Event is channels.Log's.
func (s *SQLite) Event(ctx context.Context, id channels.EventID) (channels.Event, error) {
	e, err := scanEvent(s.read.event.QueryRowContext(ctx, int64(id)))
	if errors.Is(err, sql.ErrNoRows) {
		err = channels.ErrNotFound
	}
	if err != nil {
		return channels.Event{}, fmt.Errorf("event %d: %w", id, sqliteError(err))
	}
	return e, nil
}

// Refusals is channels.Log's.
func (s *SQLite) Refusals(ctx context.Context, before int64, limit int) ([]channels.Refusal, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := s.read.refusals.QueryContext(ctx, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", sqliteError(err))
	}
	defer func() { _ = rows.Close() }()
	var all []channels.Refusal
	for rows.Next() {
		var r channels.Refusal
		var us int64
		if err := rows.Scan(&r.ID, &r.Source, &r.Reason, &r.Payload, &us); err != nil {
			return nil, fmt.Errorf("read refusals: %w", err)
		}
		r.Time = time.UnixMicro(us).UTC()
		all = append(all, r)
	}
	return all, sqliteError(rows.Err())
}

// scanRun reads the rows of a page: each event after its number.
func scanRun(rows *sql.Rows) (run run, err error) {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var seq channels.Seq
		e, err := scanEvent(prefixed{rows, []any{&seq}})
		if err != nil {
			return run, err
		}
		run.seqs, run.events = append(run.seqs, seq), append(run.events, e)
	}
	return run, rows.Err()
}
