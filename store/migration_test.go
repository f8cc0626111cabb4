package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// firstSchema is the schema as the first release made it.
func firstSchema(t *testing.T, dialect string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("migrations", dialect, "0001_log.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantOldEvent demands that the event of an old database is there and can be replayed, at a new number.
func wantOldEvent(t *testing.T, s store.Store) {
	t.Helper()
	e, err := s.Event(t.Context(), 1)
	if err != nil || string(e.Data) != "7" || e.Shown != nil || e.ReplayOf != 0 {
		t.Fatalf("the old event is %+v (%v)", e, err)
	}
	again := e.Draft
	again.ReplayOf = e.ID
	events, err := s.Append(t.Context(), channels.Batch{Drafts: []channels.Draft{again}})
	if err != nil || events[0].Seq("a") < 2 || events[0].Replay != 1 {
		t.Errorf("its replay is %+v (%v)", events, err)
	}
}

// oldFile makes a file of the first schema with the rows.
func oldFile(t *testing.T, path, rows string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	const version = "; PRAGMA application_id = 0x67726970; PRAGMA user_version = 1"
	if _, err := db.ExecContext(t.Context(), firstSchema(t, "sqlite")+rows+version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnOldFileIsBroughtUpToDateWithItsEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	oldFile(t, path, `UPDATE log SET event = 1;
		INSERT INTO channels (id, name, head, oldest) VALUES (1, 'a', 1, 5);
		INSERT INTO events VALUES (1, 'a:1', 't', x'37', 0, NULL, 'channel', '', '', '', '', '', 5, 5);
		INSERT INTO positions VALUES (1, 1, 1, 5)`)
	wantOldEvent(t, openFile(t, path, store.Options{}))
}

func TestAnOldPostgresSchemaIsBroughtUpToDateWithItsEvents(t *testing.T) {
	url := server.Database(t)
	query(t, url, `CREATE SCHEMA griphub; CREATE TABLE griphub.schema (version integer NOT NULL); INSERT INTO griphub.schema VALUES (1);`)
	query(t, url, firstSchema(t, "postgres"))
	query(t, url, `INSERT INTO griphub.channels (name, head, oldest) VALUES ('a', 1, 5);
		INSERT INTO griphub.events VALUES (1, 'a:1', 't', '7', false, NULL, 'channel', '', '', '', '', '', 5, 5);
		INSERT INTO griphub.positions VALUES (1, 1, 1, 5);
		SELECT setval('griphub.event_ids', 1)`)
	wantOldEvent(t, open(t, url, store.Options{}))
}
