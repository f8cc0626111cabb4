package store_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

// server is the PostgreSQL server of all tests of this binary.
var server pgtest.Server

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		os.Exit(runChild(task))
	}
	goleak.VerifyTestMain(server.Main(m))
}

// openDatabase opens the database until the test ends.
func openDatabase(t testing.TB, url string, options store.Options) *store.Postgres {
	t.Helper()
	s, err := store.OpenPostgres(context.Background(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// query runs SQL on the database behind the store's back.
func query(t testing.TB, url, text string) {
	t.Helper()
	ctx := context.Background() // also for cleanups
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatal(err)
	}
}

func TestPostgres(t *testing.T) {
	var handles []*store.Postgres
	url := server.Database(t)
	logtest.Run(t, func(t *testing.T) logtest.Harness {
		t.Helper()
		for _, s := range handles {
			_ = s.Close()
		}
		query(t, url, "DROP SCHEMA IF EXISTS griphub CASCADE")
		s := openDatabase(t, url, testOptions())
		handles = []*store.Postgres{s}
		return logtest.Harness{
			Log: s,
			Another: func() logtest.Log {
				other := openDatabase(t, url, testOptions())
				handles = append(handles, other)
				return other
			},
			Jump: s.Jump,
			DeleteEvents: func() {
				query(t, url, "DELETE FROM griphub.events; DELETE FROM griphub.positions")
			},
			KeyRetention: testOptions().KeyRetention,
			Refusals:     testOptions().Refusals,
		}
	})
}
