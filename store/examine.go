package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// An Examination is what Examine found.
type Examination struct {
	// Engine is the database's program and its version.
	Engine string
	// Version is where the schema stands, 0 where it is still to be made; Newest is where Open would bring it.
	Version, Newest int
	// Path is SQLite's file, with every link followed; empty with PostgreSQL.
	Path string
	// Settings are PostgreSQL's that decide whether what it confirms is safe, by name: fsync, full_page_writes,
	// synchronous_commit, server_encoding.
	Settings map[string]string
	// Ahead is how far PostgreSQL's clock is ahead of this machine's, give or take half the time of a query.
	Ahead time.Duration
}

// examineLockWait bounds how long Examine waits for SQLite's write lock, which a writer holds for milliseconds.
const examineLockWait = 3 * time.Second

// Examine looks at the database that Open would open, and changes nothing in it: nothing is created or migrated. The error
// is what Open or a write would fail with.
func Examine(ctx context.Context, databaseURL string) (Examination, error) {
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	var e Examination
	var err error
	switch scheme {
	case "sqlite":
		err = e.sqlite(ctx, rest)
	case "postgres", "postgresql":
		err = postgresError(e.postgres(ctx, databaseURL))
	default:
		err = fmt.Errorf("want sqlite:PATH or postgres://USER@HOST/NAME, not %q", scheme+":…")
	}
	if err != nil {
		return e, fmt.Errorf("examine the database: %w", oneLine(err))
	}
	return e, nil
}

func (e *Examination) sqlite(ctx context.Context, path string) error {
	all, err := readMigrations(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	e.Engine, e.Newest = "SQLite", len(all)
	if e.Path, err = resolve(path); err != nil {
		return err
	}
	if err := writableDir(filepath.Dir(e.Path)); err != nil {
		return err
	}
	if _, err := os.Stat(e.Path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// mode=rw: never create the file.
	db, err := sql.Open("sqlite", dsn(e.Path, "busy_timeout(0)")+"&mode=rw")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return sqliteError(err)
	}
	defer conn.Close()
	return sqliteError(e.sqliteFile(ctx, &sqliteWriter{conn: conn, options: Options{LockWait: examineLockWait}}, all))
}

// writableDir checks that files can be made beside the database, as SQLite does.
func writableDir(dir string) error {
	probe, err := os.CreateTemp(dir, ".griphub-doctor-*")
	if err != nil {
		return fmt.Errorf("the directory cannot be written: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (e *Examination) sqliteFile(ctx context.Context, w *sqliteWriter, all []migration) error {
	var number string
	if err := w.conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&number); err != nil {
		return err
	}
	e.Engine += " " + number
	var err error
	if e.Version, err = w.version(ctx); err != nil {
		return err
	}
	if _, err := pending(all, e.Version); err != nil {
		return err
	}
	// The write lock is what a read-only file, or a process that does not let go of it, refuses.
	begin := func() error { _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); return err }
	if err := w.locked(ctx, begin); err != nil {
		return err
	}
	_, err = w.conn.ExecContext(ctx, "ROLLBACK")
	return err
}

// oldestPostgres is the first version that has pg_current_xact_id, as server_version_num has it.
const oldestPostgres = 13_00_00

func (e *Examination) postgres(ctx context.Context, databaseURL string) error {
	all, err := readMigrations(postgresMigrations, "migrations/postgres")
	if err != nil {
		return err
	}
	e.Engine, e.Newest = "PostgreSQL", len(all)
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := e.postgresServer(ctx, conn); err != nil {
		return err
	}
	if err := e.postgresSchema(ctx, conn); err != nil {
		return err
	}
	_, err = pending(all, e.Version)
	return err
}

// postgresServer asks what holds for the whole server.
func (e *Examination) postgresServer(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var name string
	var standby bool
	const about = `SELECT current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery()`
	if err := conn.QueryRow(ctx, about).Scan(&number, &name, &standby); err != nil {
		return err
	}
	e.Engine += " " + name
	switch {
	case number < oldestPostgres:
		return fmt.Errorf("PostgreSQL %s is too old: want 13 or newer", name)
	case standby:
		return errors.New("the server is a standby, which cannot be written; name the primary, or add target_session_attrs=read-write")
	}
	e.Settings = make(map[string]string)
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit", "server_encoding"} {
		var value string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil {
			return err
		}
		e.Settings[setting] = value
	}
	before := time.Now()
	var theirs time.Time
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return err
	}
	e.Ahead = theirs.Sub(before.Add(time.Since(before) / 2))
	return nil
}

// postgresSchema asks where the schema stands, and whether the user may do there what the log does.
func (e *Examination) postgresSchema(ctx context.Context, conn *pgx.Conn) error {
	var schema, table, mayCreate bool
	const there = `SELECT to_regnamespace('griphub') IS NOT NULL, to_regclass('griphub.schema') IS NOT NULL,
		CASE WHEN to_regnamespace('griphub') IS NULL THEN has_database_privilege(current_database(), 'CREATE')
			ELSE has_schema_privilege('griphub', 'CREATE') END`
	if err := conn.QueryRow(ctx, there).Scan(&schema, &table, &mayCreate); err != nil {
		return err
	}
	switch {
	case !schema && !mayCreate:
		return errors.New("permission denied: the user may not create the schema griphub")
	case !table && !mayCreate:
		return errors.New("permission denied: the user may not create tables in the schema griphub")
	case !table:
		return nil
	}
	if err := conn.QueryRow(ctx, "SELECT version FROM griphub.schema").Scan(&e.Version); err != nil {
		return err
	}
	var denied *string
	const tables = `SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
		WHERE c.relnamespace = 'griphub'::regnamespace AND c.relkind = 'r' AND NOT (
			has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'))`
	if err := conn.QueryRow(ctx, tables).Scan(&denied); err != nil {
		return err
	}
	if denied != nil {
		return fmt.Errorf("permission denied: the user may not write to griphub's tables %s", *denied)
	}
	return nil
}
