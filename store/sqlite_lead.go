package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"
)

// leadEvery is how often a process that waits for the leadership asks again.
const leadEvery = 500 * time.Millisecond

// Lead is Store's. The leader holds SQLite's exclusive lock on an empty file beside the database, which the
// system takes back from a process that ends, however it ends.
func (s *SQLite) Lead(ctx context.Context, name string) (context.Context, func(), error) {
	path := s.writer.path + "-lead-" + url.PathEscape(name)
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(0)"))
	if err != nil {
		return nil, nil, fmt.Errorf("lead as %s: %w", name, err)
	}
	conn, err := lockFile(ctx, db)
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("lead as %s: %w", name, sqliteError(err))
	}
	leading, cancel := context.WithCancel(ctx)
	release := sync.OnceFunc(func() {
		cancel()
		_ = conn.Close()
		_ = db.Close()
	})
	return leading, release, nil
}

// lockFile waits for the file's exclusive lock. It is held until the connection is closed.
func lockFile(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "BEGIN EXCLUSIVE")
		if err == nil {
			return conn, nil
		}
		if errors.Is(sqliteError(err), ErrLocked) {
			select {
			case <-time.After(leadEvery):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = conn.Close()
		return nil, err
	}
}
