package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/store"
)

// testOptions are retentions that logtest can reach.
func testOptions() store.Options {
	return store.Options{KeyRetention: 3 * time.Hour, Refusals: channels.Retention{Age: 2 * time.Hour, Count: 20}}
}

// openFile opens the database until the test ends.
func openFile(t testing.TB, path string, options store.Options) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// execute runs SQL on the file behind the store's back.
func execute(t testing.TB, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestSQLite(t *testing.T) {
	var handles []*store.SQLite
	logtest.Run(t, func(t *testing.T) logtest.Harness {
		t.Helper()
		for _, s := range handles {
			_ = s.Close()
		}
		path := filepath.Join(t.TempDir(), "log.db")
		s := openFile(t, path, testOptions())
		handles = []*store.SQLite{s}
		return logtest.Harness{
			Log: s,
			Another: func() logtest.Log {
				other := openFile(t, path, testOptions())
				handles = append(handles, other)
				return other
			},
			Jump: s.Jump,
			DeleteEvents: func() {
				execute(t, path, "DELETE FROM events; DELETE FROM positions_settled; DELETE FROM positions_recent")
			},
			KeyRetention: testOptions().KeyRetention,
			Refusals:     testOptions().Refusals,
		}
	})
}
