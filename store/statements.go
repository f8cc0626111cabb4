package store

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed sqlite.sql
var sqliteStatements string

//go:embed postgres.sql
var postgresStatements string

// statements reads a file of SQL in which every statement, or part of one, follows a line "-- name: …". The name of a part
// in braces stands for its text.
type statements map[string]string

func parseStatements(file string) statements {
	parsed := make(statements)
	for _, part := range strings.Split("\n"+file, "\n-- name: ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		parsed[name] = strings.TrimSpace(text)
	}
	for name, text := range parsed {
		if before, rest, found := strings.Cut(text, "{"); found {
			part, after, _ := strings.Cut(rest, "}")
			parsed[name] = before + parsed[part] + after
		}
	}
	return parsed
}

// A prepared is a statement's name in the file and where it goes.
type prepared struct {
	name string
	stmt **sql.Stmt
}

// preparer is what statements are prepared on: one connection, or the database for all of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// prepare prepares all, and fails where the file and the program do not agree.
func (s statements) prepare(ctx context.Context, on preparer, all []prepared) (err error) {
	for _, p := range all {
		text, ok := s[p.name]
		if !ok {
			return fmt.Errorf("no statement %q", p.name)
		}
		if *p.stmt, err = on.PrepareContext(ctx, text); err != nil {
			return fmt.Errorf("prepare %q: %w", p.name, err)
		}
	}
	return nil
}

// closeAll ends the statements. A connection ends only after they have.
func closeAll(all []prepared) error {
	var errs []error
	for _, p := range all {
		if *p.stmt != nil {
			errs = append(errs, (*p.stmt).Close())
		}
	}
	return errors.Join(errs...)
}
