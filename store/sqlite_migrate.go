package store

import (
	"context"
	"errors"
	"fmt"
)

// migrate brings the schema up to date. Processes that start at the same time take turns by the write lock.
func (w *sqliteWriter) migrate(ctx context.Context) (err error) {
	all, err := readMigrations(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	begin := func() error { _, err := w.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); return err }
	if err := w.locked(ctx, begin); err != nil {
		return sqliteError(err)
	}
	defer func() {
		if err != nil {
			_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK")
			err = fmt.Errorf("migrate: %w", sqliteError(err))
		}
	}()
	version, err := w.version(ctx)
	if err != nil {
		return err
	}
	steps, err := pending(all, version)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if _, err := w.conn.ExecContext(ctx, step.text); err != nil {
			return fmt.Errorf("to version %d: %w", step.number, err)
		}
	}
	end := "COMMIT"
	if len(steps) > 0 {
		// PRAGMA takes no parameters.
		end = fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, len(all))
	}
	_, err = w.conn.ExecContext(ctx, end)
	return err
}

// version returns where the file's schema stands, 0 for an empty file.
func (w *sqliteWriter) version(ctx context.Context) (int, error) {
	var version, application, tables int
	const query = `SELECT (SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`
	if err := w.conn.QueryRowContext(ctx, query).Scan(&version, &application, &tables); err != nil {
		return 0, err
	}
	if tables > 0 && application != applicationID {
		return 0, errors.New("the database belongs to another program")
	}
	return version, nil
}
