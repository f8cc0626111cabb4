package store

import (
	"fmt"
	"strings"
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

// MoveEvery is how many positions of a channel wait until they are settled.
const MoveEvery = moveEvery

// Plans is how SQLite looks for what the statements ask that read positions, by the statements' names.
func Plans(t testing.TB, s *SQLite) map[string]string {
	t.Helper()
	entries := strings.NewReplacer("ENTRIES", s.do["entries of channel"], "PLACE", "p.seq")
	plans := make(map[string]string)
	for name, text := range s.do {
		if text = entries.Replace(text); !strings.Contains(text, "FROM positions") || !strings.Contains(text, "SELECT") {
			continue
		}
		if name == "browse" {
			text += "\n" + entries.Replace(s.do["newest first"])
		}
		args := make([]any, 6)
		if strings.Contains(text, "@") {
			args = named(map[string]any{"channel": 0, "moment": 0, "after": 0, "before": 0, "depth": 0, "limit": 0})
		}
		rows, err := s.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		steps, err := scanRows(rows, rows.Err(), func(row scanner) (step string, err error) {
			var id, parent, unused int
			return step, row.Scan(&id, &parent, &unused, &step)
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plans[name] = strings.Join(steps, "\n")
	}
	return plans
}
