package store

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// Postgres is a Store in a PostgreSQL database, in the schema "griphub". Any number of processes may share it.
type Postgres struct {
	options Options
	pool    *pgxpool.Pool
	do      statements
	// self tells this store's commits from those of others.
	self string
}

var _ Store = (*Postgres)(nil)

// OpenPostgres connects to the database at the URL, "postgres://USER:PASSWORD@HOST/NAME" or another form that libpq
// knows, and creates the schema "griphub" where it is missing. The user must own that schema or may create it.
// Options.Connections bounds the connections unless the URL says pool_max_conns.
func OpenPostgres(ctx context.Context, databaseURL string, options Options) (*Postgres, error) {
	p, err := openPostgres(ctx, databaseURL, options.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open the PostgreSQL database: %w", oneLine(err))
	}
	return p, nil
}

func openPostgres(ctx context.Context, databaseURL string, options Options) (_ *Postgres, err error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(databaseURL, "pool_max_conns") {
		config.MaxConns = int32(min(options.Connections, 10_000))
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "griphub"
	}
	noticeLoss(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	p := &Postgres{options: options, pool: pool, do: parseStatements(postgresStatements), self: rand.Text()}
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	if err := p.migrate(ctx); err != nil {
		return nil, postgresError(err)
	}
	if err := p.judge(ctx); err != nil {
		return nil, fmt.Errorf("find out whether the log is complete: %w", err)
	}
	return p, nil
}

// Close waits for the calls under way and closes all connections.
func (p *Postgres) Close() error {
	p.pool.Close()
	return nil
}

// migrate brings the schema up to date. Processes that start at the same time take turns by an advisory lock.
func (p *Postgres) migrate(ctx context.Context) error {
	all, err := readMigrations(postgresMigrations, "migrations/postgres")
	if err != nil {
		return err
	}
	return p.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('griphub migrate', 0))"); err != nil {
			return err
		}
		version, err := p.version(ctx, tx)
		if err != nil {
			return err
		}
		steps, err := pending(all, version)
		if err != nil {
			return err
		}
		for _, step := range steps {
			if _, err := tx.Exec(ctx, step.text); err != nil {
				return fmt.Errorf("migrate to version %d: %w", step.number, err)
			}
		}
		_, err = tx.Exec(ctx, "UPDATE griphub.schema SET version = $1 WHERE version <> $1", len(all))
		return err
	})
}

// transact runs do in a transaction that sees what others commit meanwhile, whatever the database's default is.
func (p *Postgres) transact(ctx context.Context, do func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, do)
}

// version returns where the schema stands; it makes an empty one where there is none.
func (p *Postgres) version(ctx context.Context, tx pgx.Tx) (version int, err error) {
	var schema, table bool
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace('griphub') IS NOT NULL, to_regclass('griphub.schema') IS NOT NULL").
		Scan(&schema, &table); err != nil {
		return 0, err
	}
	create := ""
	if !schema {
		create = "CREATE SCHEMA griphub;"
	}
	if !table {
		create += "CREATE TABLE griphub.schema (version integer NOT NULL); INSERT INTO griphub.schema VALUES (0)"
	}
	if create != "" {
		if _, err := tx.Exec(ctx, create); err != nil {
			return 0, fmt.Errorf("create the schema: %w", err)
		}
	}
	err = tx.QueryRow(ctx, "SELECT version FROM griphub.schema").Scan(&version)
	return version, err
}

// judge jumps if the database is not what it was when a number was last given. It is asked as the store is opened, for
// the readers' sake, and again in every transaction that appends: a replica may take over at any time.
func (p *Postgres) judge(ctx context.Context) error {
	var same bool
	if err := p.pool.QueryRow(ctx, p.do["identity"]).Scan(&same, nil, nil); err != nil {
		return postgresError(err)
	}
	if same {
		return nil
	}
	return p.jump(ctx, false)
}

// Jump is Store's.
func (p *Postgres) Jump(ctx context.Context) error { return p.jump(ctx, true) }

// jump lets the log continue above every number that another copy may have given out, unless another process has
// just seen to it.
func (p *Postgres) jump(ctx context.Context, anyway bool) error {
	err := p.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, p.do["own log"]); err != nil {
			return err
		}
		var same bool
		if err := tx.QueryRow(ctx, p.do["identity"]).Scan(&same, nil, nil); err != nil || same && !anyway {
			return err
		}
		var newest int64
		if err := tx.QueryRow(ctx, p.do["newest id"]).Scan(&newest); err != nil {
			return err
		}
		now := p.options.Now()
		base := jumpBase(newest, now)
		if _, err := tx.Exec(ctx, p.do["jump"], base, now.UnixMicro()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, p.do["set base"], base); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, p.do["set newest id"], base)
		return err
	})
	if err != nil {
		return fmt.Errorf("jump: %w", postgresError(err))
	}
	return nil
}

// postgresError says what PostgreSQL's error means to whoever runs the program.
func postgresError(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "53100": // disk_full
		return fmt.Errorf("%w: %w", ErrFull, err)
	case "55P03": // lock_not_available
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

// oneLine is the error on one line: those of connecting to several addresses have a line for each.
func oneLine(err error) error {
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return err
	}
	return &foldedError{text: strings.Join(strings.Fields(text), " "), err: err}
}

type foldedError struct {
	text string
	err  error
}

func (e *foldedError) Error() string { return e.text }
func (e *foldedError) Unwrap() error { return e.err }
