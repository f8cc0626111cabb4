package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// A leader asks the server this often whether it is still there, and gives up where it gets no answer for so long.
// Together they are less than the server takes to notice that a leader's machine is gone ("lead watched"), so that
// there are never two leaders.
const (
	leaderAsks  = 2 * time.Second
	leaderWaits = 4 * time.Second
)

// Lead is Store's. The leader holds an advisory lock on a connection of its own, which must be one to the server
// itself and not to a pooler that shares connections.
func (p *Postgres) Lead(ctx context.Context, name string) (context.Context, func(), error) {
	conn, err := p.lead(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("lead as %s: %w", name, oneLine(postgresError(err)))
	}
	leading, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		for stillLeads(leading, conn) {
			select {
			case <-time.After(leaderAsks):
			case <-leading.Done():
			}
		}
	}()
	release := sync.OnceFunc(func() {
		cancel()
		<-done
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), leaderWaits)
		defer stop()
		_ = conn.Close(closing)
	})
	return leading, release, nil
}

// lead connects and waits for the lock. It asks again and again: a statement that waits would keep the
// server from cleaning up for as long.
func (p *Postgres) lead(ctx context.Context, name string) (_ *pgx.Conn, err error) {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	if _, err := conn.Exec(ctx, p.do["lead watched"]); err != nil {
		return nil, err
	}
	for {
		var leads bool
		if err := conn.QueryRow(ctx, p.do["lead"], name).Scan(&leads); err != nil || leads {
			return conn, err
		}
		select {
		case <-time.After(leadEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func stillLeads(ctx context.Context, conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, leaderWaits)
	defer cancel()
	return conn.Ping(ctx) == nil
}
