package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
)

// watchEvery is how often SQLite's file is looked at.
const watchEvery = 200 * time.Millisecond

// Watch is Store's. It looks five times a second whether another connection has committed, which reads one number in
// shared memory (PRAGMA data_version).
func (s *SQLite) Watch(ctx context.Context, ring func()) error {
	db, err := sql.Open("sqlite", dsn(s.writer.path, "query_only(1)"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return sqliteError(err)
	}
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for last := int64(-1); ; {
		var version int64
		// A file that cannot be read now may be in a moment; who follows the log is told why there.
		if conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version) == nil && version != last {
			last = version
			ring()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// notifyChannel is where PostgreSQL tells of commits. The payload is the number of the store that committed.
const notifyChannel = "griphub_events"

// listenAgain is the pause before the next try to listen.
const listenAgain = time.Second

// Watch is Store's. PostgreSQL tells of the commits of others (LISTEN); where the connection was lost, whatever was missed
// rings once the next one stands.
func (p *Postgres) Watch(ctx context.Context, ring func()) error {
	for ctx.Err() == nil {
		// Why it failed is told by whoever uses the database; this only hastens them.
		_ = p.listen(ctx, ring)
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
	return nil
}

func (p *Postgres) listen(ctx context.Context, ring func()) error {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaderWaits)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, p.do["lead watched"]); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	ring()
	for {
		told, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if told.Payload != p.self {
			ring()
		}
	}
}
