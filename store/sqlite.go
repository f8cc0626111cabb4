package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"modernc.org/sqlite"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// applicationID stands in the header of griphub's files (PRAGMA application_id), so that no other
// program's database is taken for one: "grip".
const applicationID = 0x67726970

// SQLite is a Store in one file. Reads have connections of their own; writes take turns, also with other
// processes that have the same file open.
type SQLite struct {
	options Options
	readers *sql.DB
	do      statements
	read    sqliteReads
	writer  *sqliteWriter
	close   sync.Once
}

var _ Store = (*SQLite)(nil)

// OpenSQLite opens the database file at path and creates it where there is none; its directory must exist.
// Beside the file stand SQLite's own "-wal" and "-shm", and "-mark", by which the log knows itself.
func OpenSQLite(ctx context.Context, path string, options Options) (*SQLite, error) {
	s, err := openSQLite(ctx, path, options.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open sqlite:%s: %w", path, err)
	}
	return s, nil
}

func openSQLite(ctx context.Context, path string, options Options) (_ *SQLite, err error) {
	path, err = resolve(path)
	if err != nil {
		return nil, err
	}
	s := &SQLite{options: options, do: parseStatements(sqliteStatements)}
	s.writer, err = openWriter(ctx, path, options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	// A small cache: what it misses the system mostly has, and each reader has its own.
	s.readers, err = sql.Open("sqlite", dsn(path, fmt.Sprintf("busy_timeout(%d)", options.LockWait.Milliseconds()),
		"query_only(1)", "cache_size(-512)"))
	if err != nil {
		return nil, err
	}
	s.readers.SetMaxOpenConns(options.Connections)
	s.readers.SetMaxIdleConns(options.Connections)
	if err := s.do.prepare(ctx, s.readers, s.read.all()); err != nil {
		return nil, sqliteError(err)
	}
	return s, nil
}

// resolve returns the file that path leads to, or is going to be, with every link followed: the files beside
// it are found by its name.
func resolve(path string) (string, error) {
	if path == "" || path == ":memory:" {
		return "", errors.New("want the path of a file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	const mostLinks = 40 // as in Linux
	for range mostLinks {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no directory %s", filepath.Dir(path))
	}
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, filepath.Base(path))
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", errors.New("not a file")
	}
	return path, nil
}

// dsn names the file and what each connection to it begins with.
func dsn(path string, pragmas ...string) string {
	if runtime.GOOS == "windows" {
		path = "/" + filepath.ToSlash(path)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// Close waits for the write that is under way and closes the file.
func (s *SQLite) Close() error {
	var errs []error
	s.close.Do(func() {
		if s.readers != nil {
			errs = append(errs, closeAll(s.read.all()), s.readers.Close())
		}
		errs = append(errs, s.writer.close())
	})
	return errors.Join(errs...)
}

// sqliteError says what SQLite's error means to whoever runs the program.
func sqliteError(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	const (
		busy, locked, readOnly, ioError, full, cantOpen, protocol, notADatabase = 5, 6, 8, 10, 13, 14, 15, 26

		ioErrorShmSize = ioError | 19<<8 // the "-shm" file cannot grow
	)
	switch e.Code() {
	case full, ioErrorShmSize:
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	switch e.Code() & 0xff {
	case busy, locked, protocol: // protocol: others were always faster to lock the "-shm" file
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case readOnly, cantOpen:
		return fmt.Errorf("the file or its directory cannot be written: %w", err)
	case notADatabase:
		return fmt.Errorf("the file is not a SQLite database: %w", err)
	}
	return err
}
