package store

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed sqlite.sql
var sqliteStatements string

//go:embed postgres.sql
var postgresStatements string

// statements reads a file of SQL in which every statement follows a line "-- name: {name}".
type statements map[string]string

func parseStatements(file string) statements {
	parsed := make(statements)
	for _, part := range strings.Split("\n"+file, "\n-- name: ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		parsed[name] = strings.TrimSpace(text)
	}
	return parsed
}

// get returns the statement, and an error where the file and the program do not agree.
func (s statements) get(name string) (string, error) {
	text, ok := s[name]
	if !ok {
		return "", fmt.Errorf("no statement %q", name)
	}
	return text, nil
}
