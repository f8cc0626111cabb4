package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// errClosed tells that the store was used after Close.
var errClosed = errors.New("the store is closed")

// A sqliteWriter owns the one connection of this process that writes. Transactions take the file's write
// lock as they begin, so whatever one reads stays true until it commits.
type sqliteWriter struct {
	path    string
	options Options
	db      *sql.DB
	conn    *sql.Conn
	do      sqliteWrites
	sidecar sidecar

	// turn holds one token; who has it owns all below it and the connection.
	turn   chan struct{}
	judged bool // the log is known to be complete, or has jumped; before, the mark must not be touched
	closed bool
}

// sqliteWrites are the statements of the writing connection.
type sqliteWrites struct {
	addEvents, addRecent, addSettled, moveCounters, setFloors                                  bulk
	begin, commit, rollback                                                                    *sql.Stmt
	lastEvent, setLastEvent, jump, heads, addChannel                                           *sql.Stmt
	findKey, addKey, event, settle, addRefusal, mark, putMark                                  *sql.Stmt
	newestKept, jumps, oldestSettled, oldestRecent, floor                                      *sql.Stmt
	deleteSettled, deleteRecent, deleteEvents, deleteKeys, deleteRefusals                      *sql.Stmt
	updateDevice, updateStatus, registerDevice                                                 *sql.Stmt
	devices, withCodes, withKeys, putRecord, releaseCodes, removeDevice, leaveGroup, joinGroup *sql.Stmt
	countReplay, addActivity, putBookmark                                                      *sql.Stmt
	addUndelivered, changeUndelivered, deleteUndelivered, expireUndelivered                    *sql.Stmt
}

func newSQLiteWrites() sqliteWrites {
	return sqliteWrites{
		addEvents: bulk{name: "add events"}, addRecent: bulk{name: "add recent positions"},
		addSettled: bulk{name: "add settled positions"}, moveCounters: bulk{name: "move counters"},
		setFloors: bulk{name: "set floors"},
	}
}

func openWriter(ctx context.Context, path string, options Options) (_ *sqliteWriter, err error) {
	w := &sqliteWriter{path: path, options: options, do: newSQLiteWrites(), turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	synchronous := "synchronous(FULL)"
	if options.Relaxed {
		synchronous = "synchronous(NORMAL)"
	}
	// No busy_timeout: locked waits by itself, so that a context can end the wait.
	w.db, err = sql.Open("sqlite", dsn(path, "busy_timeout(0)", synchronous, "cache_size(-4096)",
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	if err := w.locked(ctx, func() error { return w.connect(ctx) }); err != nil {
		return nil, sqliteError(err)
	}
	if err := w.migrate(ctx); err != nil {
		return nil, err
	}
	if err := w.do.prepare(ctx, w.conn, parseStatements(sqliteStatements)); err != nil {
		return nil, sqliteError(err)
	}
	if w.sidecar, err = openSidecar(path, options.Relaxed); err != nil {
		return nil, err
	}
	if err := w.judge(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// connect opens the connection and makes readers and the writer independent of each other (WAL). That stays with
// the file.
func (w *sqliteWriter) connect(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = w.db.Conn(ctx); err != nil {
			return err
		}
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not allow SQLite's WAL mode (journal mode is %q)", mode)
	}
	return nil
}

// prepare prepares all statements of the file that the writer has.
func (do *sqliteWrites) prepare(ctx context.Context, on preparer, file statements) error {
	if err := file.prepare(ctx, on, do.all()); err != nil {
		return err
	}
	for _, b := range do.bulks() {
		if err := b.prepare(ctx, on, file); err != nil {
			return err
		}
	}
	return nil
}

// close ends the statements.
func (do *sqliteWrites) close() error {
	errs := []error{closeAll(do.all())}
	for _, b := range do.bulks() {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

func (do *sqliteWrites) bulks() []*bulk {
	return []*bulk{&do.addEvents, &do.addRecent, &do.addSettled, &do.moveCounters, &do.setFloors}
}

// all names the statements but for the bulks.
func (do *sqliteWrites) all() []prepared {
	return []prepared{
		{"begin", &do.begin}, {"commit", &do.commit}, {"rollback", &do.rollback},
		{"last event", &do.lastEvent}, {"set last event", &do.setLastEvent}, {"jump", &do.jump},
		{"heads", &do.heads}, {"add channel", &do.addChannel},
		{"find key", &do.findKey}, {"add key", &do.addKey},
		{"event", &do.event}, {"settle positions", &do.settle}, {"add refusal", &do.addRefusal}, {"mark", &do.mark}, {"put mark", &do.putMark},
		{"update device", &do.updateDevice}, {"update device and status", &do.updateStatus},
		{"register device", &do.registerDevice},
		{"devices", &do.devices}, {"devices with codes", &do.withCodes}, {"devices with keys", &do.withKeys},
		{"put record", &do.putRecord}, {"release codes", &do.releaseCodes}, {"remove device", &do.removeDevice},
		{"leave group", &do.leaveGroup}, {"join group", &do.joinGroup},
		{"newest kept", &do.newestKept}, {"jumps", &do.jumps},
		{"oldest settled", &do.oldestSettled}, {"oldest recent", &do.oldestRecent}, {"floor", &do.floor},
		{"delete settled positions", &do.deleteSettled}, {"delete recent positions", &do.deleteRecent},
		{"delete events", &do.deleteEvents}, {"delete keys", &do.deleteKeys}, {"delete refusals", &do.deleteRefusals},
		{"count replay", &do.countReplay}, {"add activity", &do.addActivity}, {"put bookmark", &do.putBookmark},
		{"add undelivered", &do.addUndelivered}, {"change undelivered", &do.changeUndelivered},
		{"delete undelivered", &do.deleteUndelivered}, {"delete expired undelivered", &do.expireUndelivered},
	}
}

// transact runs do in one transaction that holds the file's write lock. ctx ends the wait for the lock; a
// transaction that has begun is finished whatever ctx says, as nobody could tell otherwise what became of it.
func (w *sqliteWriter) transact(ctx context.Context, do func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.closed {
		return errClosed
	}
	return w.transactInTurn(ctx, do)
}

func (w *sqliteWriter) transactInTurn(ctx context.Context, do func() error) error {
	if err := w.locked(ctx, func() error { return w.exec(w.do.begin) }); err != nil {
		return fmt.Errorf("begin transaction: %w", sqliteError(err))
	}
	err := do()
	if err == nil {
		if err = w.exec(w.do.commit); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite has rolled back by itself after some errors; then this one fails, and nothing is wrong.
	_ = w.exec(w.do.rollback)
	return sqliteError(err)
}

// locked tries do until no other process holds the lock that it needs. Waits are short and random: SQLite has no
// queue, and a writer that sleeps long never meets the gap between two transactions of a busy one.
func (w *sqliteWriter) locked(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(w.options.LockWait)
	for wait := 200 * time.Microsecond; ; wait = min(2*wait, 5*time.Millisecond) {
		err := do()
		if err == nil || !errors.Is(sqliteError(err), ErrLocked) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// exec runs a statement of a transaction that has begun. It takes no context: see transact.
func (w *sqliteWriter) exec(stmt *sql.Stmt, args ...any) error {
	_, err := stmt.ExecContext(context.Background(), args...)
	return err
}

func (w *sqliteWriter) query(stmt *sql.Stmt, args ...any) *sql.Row {
	return stmt.QueryRowContext(context.Background(), args...)
}

// close waits for the transaction under way. The mark is brought up to date, if that is possible at once.
func (w *sqliteWriter) close() error {
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	if w.closed {
		return nil
	}
	w.closed = true
	var errs []error
	if w.conn != nil {
		if w.judged {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			// A mark that lags proves less at the next start, but nothing wrong.
			_ = w.stamp(ctx)
		}
		errs = append(errs, w.do.close(), w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}
