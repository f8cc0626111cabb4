package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/store"
)

func TestExaminingChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	e, err := store.Examine(t.Context(), "sqlite:"+path)
	if err != nil || e.Version != 0 || e.Newest == 0 {
		t.Errorf("a file that is still to be made: %+v, %v", e, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("it left %v, %v", entries, err)
	}

	s := openFile(t, path, store.Options{})
	appendTo(t, s, 3, "a")
	e, err = store.Examine(t.Context(), "sqlite:"+path)
	if err != nil || e.Version != e.Newest || !strings.HasPrefix(e.Engine, "SQLite 3.") {
		t.Errorf("a log in use: %+v, %v", e, err)
	}
	if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != 4 {
		t.Errorf("the next number is %d, want 4", e.Seq("a"))
	}

	url := server.Database(t)
	e, err = store.Examine(t.Context(), url)
	if err != nil || e.Version != 0 || !strings.HasPrefix(e.Engine, "PostgreSQL ") {
		t.Errorf("an empty database: %+v, %v", e, err)
	}
	if e.Settings["fsync"] != "off" || e.Settings["server_encoding"] != "UTF8" || e.Ahead.Abs() > time.Second {
		t.Errorf("the server is %+v", e)
	}
	if scalar(t, url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'griphub'") != 0 {
		t.Error("the schema was created")
	}
	openDatabase(t, url, store.Options{})
	if e, err = store.Examine(t.Context(), url); err != nil || e.Version != e.Newest {
		t.Errorf("a database in use: %+v, %v", e, err)
	}
}

func TestExaminingNamesWhatStandsInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return "sqlite:" + filepath.Join(dir, name) }
	write(t, filepath.Join(dir, "text"), strings.Repeat("this is no database\n", 100))
	execute(t, filepath.Join(dir, "foreign"), "CREATE TABLE users (id INTEGER)")
	appendTo(t, openFile(t, filepath.Join(dir, "newer"), store.Options{}), 1, "a")
	execute(t, filepath.Join(dir, "newer"), "PRAGMA user_version = 99")
	appendTo(t, openFile(t, filepath.Join(dir, "held"), store.Options{}), 1, "a")
	holdLock(t, filepath.Join(dir, "held"))

	newer, empty, owned := server.Database(t), server.Database(t), server.Database(t)
	openDatabase(t, newer, store.Options{})
	query(t, newer, "UPDATE griphub.schema SET version = 99")
	openDatabase(t, owned, store.Options{})
	query(t, owned, "CREATE ROLE passer_by LOGIN; GRANT USAGE ON SCHEMA griphub TO passer_by; GRANT SELECT ON ALL TABLES IN SCHEMA griphub TO passer_by")
	t.Cleanup(func() { query(t, owned, "DROP OWNED BY passer_by; DROP ROLE passer_by") })
	as := func(url string) string { return strings.Replace(url, "user=postgres", "user=passer_by", 1) }

	for name, scene := range map[string]struct{ url, says string }{
		"no directory":         {file("missing/log.db"), "there is no directory"},
		"not a database":       {file("text"), "not a SQLite database"},
		"of another program":   {file("foreign"), "belongs to another program"},
		"of a newer griphub":   {file("newer"), "newer griphub"},
		"locked":               {file("held"), "locked by another process"},
		"directory of no file": {"sqlite:/proc/self/log.db", "cannot be written"},
		"no such engine":       {"mysql://user:hunter2@host/db", `not "mysql:…"`},
		"nobody there":         {"postgres://user:hunter2@127.0.0.1:1/db", "connect"},
		"no such database":     {strings.Replace(newer, "/test", "/no", 1), "does not exist"},
		"newer, PostgreSQL":    {newer, "newer griphub"},
		"may not create":       {as(empty), "may not create the schema"},
		"may only read":        {as(owned), "may not write to griphub's tables"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Examine(t.Context(), scene.url)
			if err == nil {
				t.Fatal("nothing was found")
			}
			if text := err.Error(); !strings.Contains(text, scene.says) || strings.Contains(text, "\n") || strings.Contains(text, "hunter2") {
				t.Errorf("got %q, want a line with %q", text, scene.says)
			}
		})
	}
}
