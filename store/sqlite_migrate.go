package store

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A migration is one step of a schema. Its number is where the schema stands after it.
type migration struct {
	number int
	text   string
}

// readMigrations returns the files of dir, "0001_name.sql" and so on, in order and without a gap.
func readMigrations(files fs.FS, dir string) ([]migration, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(entries))
	for i, entry := range entries {
		prefix, _, _ := strings.Cut(entry.Name(), "_")
		if number, err := strconv.Atoi(prefix); err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s: want the number %04d", entry.Name(), i+1)
		}
		text, err := fs.ReadFile(files, dir+"/"+entry.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{i + 1, string(text)})
	}
	return all, nil
}

// pending returns the steps from version on. It fails where the schema was made by a newer program.
func pending(all []migration, version int) ([]migration, error) {
	if version > len(all) {
		return nil, fmt.Errorf("the schema has version %d and this program knows %d: a newer griphub was here, "+
			"use that one", version, len(all))
	}
	return all[version:], nil
}

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
	// PRAGMA takes no parameters.
	end := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, len(all))
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
		return 0, fmt.Errorf("the database belongs to another program")
	}
	return version, nil
}
