package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// batch is n new events on the channels.
func batch(n int, names ...channels.Channel) channels.Batch {
	var b channels.Batch
	for range n {
		b.Drafts = append(b.Drafts, channels.Draft{Channels: names, Type: "data", Data: []byte(`{}`)})
	}
	return b
}

// appendTo appends n events to the channels and returns them.
func appendTo(t testing.TB, log channels.Log, n int, names ...channels.Channel) []channels.Event {
	t.Helper()
	events, err := log.Append(context.Background(), batch(n, names...))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// read returns the page of all events after a position.
func read(t testing.TB, log channels.Log, channel channels.Channel, after channels.Seq) channels.Page {
	t.Helper()
	pages, err := log.Read(context.Background(), channels.Cursor{{Channel: channel, Seq: after}}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return pages[0]
}

func head(t testing.TB, log channels.Log, channel channels.Channel) channels.Seq {
	t.Helper()
	heads, err := log.Heads(context.Background(), []channels.Channel{channel})
	if err != nil {
		t.Fatal(err)
	}
	return heads[0].Seq
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeOpenedSaysWhyInOneLine(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write(t, file("text"), strings.Repeat("this is no database\n", 100))
	execute(t, file("foreign"), "CREATE TABLE users (id INTEGER)")
	appendTo(t, openFile(t, file("newer"), store.Options{}), 1, "a")
	execute(t, file("newer"), "PRAGMA user_version = 99")
	for name, scene := range map[string]struct{ path, says string }{
		"no path":               {"", "want the path of a file"},
		"in memory":             {":memory:", "want the path of a file"},
		"no directory":          {file("missing/log.db"), "there is no directory"},
		"directory is a file":   {file("text/log.db"), "text"},
		"a directory":           {dir, "not a file"},
		"unwritable":            {"/proc/self/log.db", "cannot be written"},
		"not a database":        {file("text"), "not a SQLite database"},
		"of another program":    {file("foreign"), "belongs to another program"},
		"of a newer griphub":    {file("newer"), "newer griphub"},
		"through a broken link": {brokenLink(t, file("link")), "there is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.OpenSQLite(t.Context(), scene.path, store.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), scene.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want a line with %q", err, scene.says)
			}
			if !strings.HasPrefix(err.Error(), "open sqlite:"+scene.path) {
				t.Errorf("%q does not begin with what was opened", err)
			}
		})
	}
	if text, _ := os.ReadFile(file("text")); !strings.HasPrefix(string(text), "this is no database") {
		t.Error("the file that is no database was changed")
	}
}

func brokenLink(t *testing.T, path string) string {
	t.Helper()
	if err := os.Symlink(filepath.Join(filepath.Dir(path), "nowhere", "log.db"), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestURLPicksTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, 1, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	for _, url := range []string{"", "log.db", "mysql://user:hunter2@host/db", "sqlite3:log.db", "file:log.db"} {
		if _, err := store.Open(t.Context(), url, store.Options{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

func TestPathsOfAnyKindLeadToOneFile(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=ro", "a#b", "a%20b", "ünï.db", "a&b=c;d", "'quoted'", "-v", "a\nb"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := openFile(t, path, store.Options{})
			appendTo(t, s, 1, "a")
			if _, err := os.Stat(path); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := head(t, openFile(t, path, store.Options{}), "a"); got != 1 {
				t.Errorf("head is %d, want 1", got)
			}
		})
	}
}

func TestALinkLeadsToTheFileAndItsMark(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	link := filepath.Join(other, "link.db")
	if err := os.Symlink(filepath.Join(dir, "log.db"), link); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, filepath.Join(dir, "log.db"), store.Options{})
	appendTo(t, s, 3, "a")
	if got := head(t, openFile(t, link, store.Options{}), "a"); got != 3 {
		t.Errorf("through the link the head is %d, want 3", got)
	}
	t.Chdir(dir)
	if got := head(t, openFile(t, "log.db", store.Options{}), "a"); got != 3 {
		t.Errorf("by its relative path the head is %d, want 3", got)
	}
}

func TestALinkToAFileThatIsNotYetThereCreatesIt(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link.db"), filepath.Join(dir, "real.db")
	if err := os.Symlink("real.db", link); err != nil {
		t.Fatal(err)
	}
	appendTo(t, openFile(t, link, store.Options{}), 3, "a")
	if got := head(t, openFile(t, file, store.Options{}), "a"); got != 3 {
		t.Errorf("head is %d, want 3", got)
	}
}

func TestManyMayCreateTheDatabaseAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	var group errgroup.Group
	for range 12 {
		group.Go(func() error {
			s, err := store.OpenSQLite(context.Background(), path, store.Options{})
			if err != nil {
				return err
			}
			_, err = s.Append(context.Background(), batch(1, "a"))
			return errors.Join(err, s.Close())
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := head(t, openFile(t, path, store.Options{}), "a"); got != 12 {
		t.Errorf("head is %d, want 12: nobody had a reason to jump", got)
	}
}

// holdLock takes the file's write lock until release is called, as another process would.
func holdLock(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = conn.Close(); _ = db.Close() }
	t.Cleanup(release)
	return release
}

func TestALockedDatabaseIsWaitedForAndThenGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	options := store.Options{LockWait: 100 * time.Millisecond}
	s := openFile(t, path, options)
	appendTo(t, s, 1, "a")
	release := holdLock(t, path)
	if _, err := s.Append(t.Context(), batch(1, "a")); !errors.Is(err, store.ErrLocked) {
		t.Errorf("append: want ErrLocked, got %v", err)
	}
	if _, err := store.OpenSQLite(t.Context(), path, options); !errors.Is(err, store.ErrLocked) {
		t.Errorf("open: want ErrLocked, got %v", err)
	}
	if got := head(t, s, "a"); got != 1 {
		t.Errorf("reading meanwhile: head is %d, want 1", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, batch(1, "a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: got %v", err)
	}
	patient := openPatient(t, path, release)
	if e := appendTo(t, patient, 1, "a")[0]; e.Seq("a") != 2 {
		t.Errorf("number is %d, want 2", e.Seq("a"))
	}
}

// openPatient opens the locked database, which is released meanwhile.
func openPatient(t *testing.T, path string, release func()) *store.SQLite {
	t.Helper()
	time.AfterFunc(50*time.Millisecond, release)
	return openFile(t, path, store.Options{})
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "log.db"), store.Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Append(t.Context(), batch(1, "a")); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("append: got %v", err)
	}
	if _, err := s.Heads(t.Context(), []channels.Channel{"a"}); err == nil {
		t.Error("heads: no error")
	}
}

func TestCountersCannotBeDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	s := openFile(t, path, store.Options{})
	appendTo(t, s, 3, "a")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM channels"); err == nil || !strings.Contains(err.Error(), "must stay") {
		t.Errorf("got %v", err)
	}
}

func TestACommitIsOnTheDiskUnlessAskedOtherwise(t *testing.T) {
	for relaxed, want := range map[bool]int{false: 2, true: 1} {
		s := openFile(t, filepath.Join(t.TempDir(), "log.db"), store.Options{Relaxed: relaxed})
		if got := store.Synchronous(t, s); got != want {
			t.Errorf("relaxed %t: synchronous is %d, want %d", relaxed, got, want)
		}
	}
}
