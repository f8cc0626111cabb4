package store

import (
	"fmt"
	"testing"
)

// LimitPages bounds the size of the file, as a quota would.
func LimitPages(t testing.TB, s *SQLite, pages int) {
	t.Helper()
	if _, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

// Synchronous is how the connection that writes waits for the disk: 2 for FULL, 1 for NORMAL.
func Synchronous(t testing.TB, s *SQLite) (level int) {
	t.Helper()
	if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&level); err != nil {
		t.Fatal(err)
	}
	return level
}
