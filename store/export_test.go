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
