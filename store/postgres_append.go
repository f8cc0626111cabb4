package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Why a transaction is tried again. None of them has stored anything.
var (
	errMoved   = errors.New("the database is another copy than before")
	errKeyGone = errors.New("an idempotency key was forgotten while it was asked for")
	errBroken  = errors.New("the connection was lost")
)

// attempts bounds how often a transaction is tried again. Once is the rule, and rare.
const attempts = 5

// commitWithin bounds how long a commit may take, whatever its caller's context says.
const commitWithin = time.Minute

// Append is channels.Log's. It locks marks, then idempotency keys, then channels, then replayed events, then devices, then
// bookmarks, each in order, so that no two transactions wait for each other.
func (p *Postgres) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	change, err := parseState(batch.State)
	if err != nil {
		return nil, err
	}
	if len(batch.Drafts)+len(batch.Refused) == 0 && change.empty() {
		return nil, ctx.Err()
	}
	for range attempts {
		var events []channels.Event
		events, err = p.tryAppend(ctx, batch, change)
		switch {
		case errors.Is(err, errMoved):
			if err := p.jump(ctx, false); err != nil {
				return nil, err
			}
		case errors.Is(err, errBroken):
			// A server that went took all connections along.
			p.pool.Reset()
		case !errors.Is(err, errKeyGone):
			return events, postgresError(err)
		}
	}
	return nil, postgresError(err)
}

// An appending is one transaction that appends, on a connection of its own.
type appending struct {
	do    statements
	conn  *pgx.Conn
	now   time.Time
	batch *numbering
	self  string

	identity    string // of the database
	transaction string
}

func (p *Postgres) tryAppend(ctx context.Context, batch channels.Batch, change stateChange) ([]channels.Event, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	// Where this returns in the middle of a transaction that cannot be rolled back, the pool closes the connection.
	defer conn.Release()
	now := p.options.Now()
	a := &appending{do: p.do, self: p.self, conn: conn.Conn(), now: now, batch: newNumbering(batch.Drafts, now)}
	if err := a.begin(ctx, p.options.LockWait, change.marks); err != nil {
		a.rollback(ctx)
		return nil, broken(ctx, err)
	}
	if err := a.number(ctx); err != nil {
		a.rollback(ctx)
		return nil, broken(ctx, err)
	}
	// From here on the transaction is finished whatever ctx says, as its caller could not tell what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWithin)
	defer cancel()
	if err := a.commit(ctx, batch.Refused, change); err != nil {
		conn.Release()
		if err = p.fate(ctx, a, err); err != nil {
			return nil, err
		}
	}
	return a.batch.finish(), nil
}

// rollback gives the locks back before the caller hears of the failure: who tries again must not meet its own.
func (a *appending) rollback(ctx context.Context) {
	if a.conn.IsClosed() {
		return
	}
	const soon = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), soon)
	defer cancel()
	_, _ = a.conn.Exec(ctx, "ROLLBACK") // where it fails, the connection is closed
}

// broken marks an error that is the connection's and not the statement's.
func broken(ctx context.Context, err error) error {
	ours := errors.Is(err, errMoved) || errors.Is(err, errKeyGone) || errors.Is(err, channels.ErrState)
	if ctx.Err() != nil || ours || isAnswer(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

// isAnswer tells whether the server answered with the error, and went on.
func isAnswer(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Severity != "FATAL" && answer.Severity != "PANIC"
}

// begin opens the transaction, makes sure that the log is its own newest copy, moves the marks, and finds out which
// drafts are new.
func (a *appending) begin(ctx context.Context, lockWait time.Duration, marks []devices.Mark) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	batch.Queue(a.do["settings"], lockTimeout(lockWait))
	batch.Queue(a.do["share log"])
	batch.Queue(a.do["identity"]).QueryRow(func(row pgx.Row) error {
		var same bool
		if err := row.Scan(&same, &a.identity, &a.transaction); err != nil {
			return err
		}
		if !same {
			return errMoved
		}
		return nil
	})
	for i := range marks {
		a.queueMark(batch, &marks[i])
	}
	keys := a.keys()
	known := make(map[string]channels.Event)
	claimed := 0
	if len(keys) > 0 {
		batch.Queue(a.do["claim keys"], keys, a.now.UnixMicro()).Exec(func(tag pgconn.CommandTag) error {
			claimed = int(tag.RowsAffected())
			return nil
		})
		batch.Queue(a.do["find keys"], keys).Query(func(rows pgx.Rows) error { return scanKnown(rows, known) })
	}
	if err := a.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if claimed+len(known) != len(keys) {
		return errKeyGone
	}
	return a.batch.recall(func(key string) (channels.Event, bool, error) {
		e, found := known[printable(key)]
		return e, found, nil
	})
}

// queueMark writes a mark over what its writer knows of it. It does not wait for a transaction that writes the same mark, whose
// writer may stand still: others that are committed together with this one have nothing to do with that.
func (a *appending) queueMark(batch *pgx.Batch, m *devices.Mark) {
	name := printable(m.Name)
	isNew := false
	if m.Before == nil {
		batch.Queue(a.do["add mark"], name).Exec(func(tag pgconn.CommandTag) error {
			isNew = tag.RowsAffected() > 0
			return nil
		})
	}
	batch.Queue(a.do["lock mark"], name).Query(func(rows pgx.Rows) error {
		values, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil && isAnswer(err) {
			return fmt.Errorf("%w: lock the mark %s: %w", channels.ErrState, m.Name, err)
		}
		if err != nil {
			return err
		}
		var current []byte
		if len(values) > 0 && !isNew {
			current = notNil(values[0])
		}
		if err := m.Over(current); err != nil {
			return fmt.Errorf("%w: %w", channels.ErrState, err)
		}
		return nil
	})
	batch.Queue(a.do["put mark"], name, notNil(m.Value))
}

// keys returns the batch's idempotency keys in order, each once.
func (a *appending) keys() []string {
	var keys []string
	for i := range a.batch.events {
		if key := a.batch.events[i].Key; key != "" {
			keys = append(keys, printable(key))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// number takes the numbers of the new events. It waits for transactions that take numbers of the same channels.
func (a *appending) number(ctx context.Context) error {
	if len(a.batch.counters) == 0 {
		return nil
	}
	var names []string
	var counts []int64
	for _, c := range a.batch.sortedCounters() {
		names, counts = append(names, string(c.name)), append(counts, c.fresh)
	}
	batch := &pgx.Batch{}
	batch.Queue(a.do["count"], names, counts, a.now.UnixMicro())
	batch.Queue(a.do["counted channels"], names).Query(func(rows pgx.Rows) error {
		var name string
		var id, head, latest int64
		_, err := pgx.ForEachRow(rows, []any{&name, &id, &head, &latest}, func() error {
			c := &a.batch.counters[a.batch.byName[channels.Channel(name)]]
			c.id, c.head, c.latest = id, head, latest
			return nil
		})
		return err
	})
	var ids []int64
	batch.Queue(a.do["new ids"], a.batch.freshEvents).Query(func(rows pgx.Rows) (err error) {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	replays := a.batch.replays()
	if len(replays.ids) > 0 {
		batch.Queue(a.do["count replays"], replays.ids, replays.counts).Query(func(rows pgx.Rows) error {
			var id channels.EventID
			var counted int
			_, err := pgx.ForEachRow(rows, []any{&id, &counted}, func() error {
				a.batch.countedReplays(id, counted)
				return nil
			})
			return err
		})
	}
	if err := a.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("count on %d channels: %w", len(names), err)
	}
	return a.batch.number(func(i int) int64 { return ids[i] })
}

// commit writes everything and commits, in one exchange with the server.
func (a *appending) commit(ctx context.Context, refused []channels.Refusal, change stateChange) error {
	batch := &pgx.Batch{}
	if a.batch.freshEvents > 0 {
		a.queueEvents(batch)
	}
	if len(refused) > 0 {
		a.queueRefusals(batch, refused)
	}
	if len(change.devices) > 0 {
		a.queueDevices(batch, change.devices)
	}
	a.queueRecords(batch, &change.records)
	batch.Queue("COMMIT")
	if err := a.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (a *appending) queueEvents(batch *pgx.Batch) {
	var e eventColumns
	var p positionColumns
	var k keyColumns
	for i := range a.batch.events {
		if !a.batch.fresh(i) {
			continue
		}
		event := &a.batch.events[i]
		positions := event.Cursor().String()
		e.add(event, positions)
		for j, position := range event.Positions {
			p.add(a.batch.counter(i, j), position.Seq, event)
		}
		if event.Key != "" {
			k.add(event, positions)
		}
	}
	batch.Queue(a.do["add events"], e.id, e.positions, e.kind, e.data, e.raw, e.private, e.scope, e.user, e.skip,
		e.deviceType, e.deviceID, e.key, e.shown, e.replayOf, e.replay, e.time, a.now.UnixMicro())
	batch.Queue(a.do["add positions"], p.channel, p.seq, p.event, p.latest)
	if len(k.key) > 0 {
		batch.Queue(a.do["settle keys"], k.key, k.event, k.positions)
	}
	batch.Queue(a.do["notify"], notifyChannel, a.self)
}

func (a *appending) queueRefusals(batch *pgx.Batch, refused []channels.Refusal) {
	var source, reason []string
	var payload [][]byte
	var at []int64
	for i := range refused {
		r := &refused[i]
		source, reason = append(source, printable(r.Source)), append(reason, printable(r.Reason))
		payload, at = append(payload, notNil(r.Payload)), append(at, orNow(r.Time, a.now))
	}
	batch.Queue(a.do["add refusals"], source, reason, payload, at)
}

func (a *appending) queueDevices(batch *pgx.Batch, all []deviceRow) {
	var d deviceColumns
	for i := range all {
		d.add(&all[i])
	}
	batch.Queue(a.do["put devices"], d.kind, d.id, d.status, d.overdue, d.seen, d.firmware, d.battery, d.temperature,
		d.humidity, d.latitude, d.longitude, d.dataTime, d.statusTime, d.values, d.search, d.register, a.now.UnixMicro())
}

// fate finds out what became of a commit whose answer was not received, as with the connection; nil where it stored the
// batch. An error that the server sent is an answer.
func (p *Postgres) fate(ctx context.Context, a *appending, err error) error {
	if isAnswer(err) {
		return err
	}
	unknown := fmt.Errorf("%w; whether it was stored is not known", err)
	for ctx.Err() == nil {
		var status string
		switch asked := p.pool.QueryRow(ctx, p.do["fate"], a.transaction, a.identity).Scan(&status); {
		case asked != nil, status == "in progress":
		case status == "aborted":
			return err
		default:
			// The transaction is over, so that the next statement sees what it stored.
			stored, known, asked := p.proof(ctx, a)
			switch {
			case asked != nil:
			case !known:
				return unknown
			case stored:
				return nil
			default:
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return unknown
}

// proof tells whether the batch's first new event is stored, if that can be known.
func (p *Postgres) proof(ctx context.Context, a *appending) (stored, known bool, err error) {
	i := slices.Index(a.batch.sources, fresh)
	if i < 0 {
		return false, false, nil
	}
	e := &a.batch.events[i]
	first := e.Positions[0]
	var trimmed bool
	err = p.pool.QueryRow(ctx, p.do["proof"], int64(e.ID), a.now.UnixMicro(), e.Cursor().String(), string(first.Channel), int64(first.Seq)).
		Scan(&stored, &trimmed)
	return stored, stored || !trimmed, err
}

// scanKnown reads the events that have keys.
func scanKnown(rows pgx.Rows, known map[string]channels.Event) error {
	defer rows.Close()
	for rows.Next() {
		var key string
		var stored bool
		e, err := scanEvent(prefixed{rows, []any{&key, &stored}})
		if err != nil {
			return err
		}
		if !stored {
			e = channels.Event{Draft: channels.Draft{Channels: e.Channels}, ID: e.ID, Positions: e.Positions}
		}
		known[key] = e
	}
	return rows.Err()
}
