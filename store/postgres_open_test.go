package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

func TestADatabaseThatCannotBeOpenedSaysWhyInOneLine(t *testing.T) {
	newer, locked := server.Database(t), server.Database(t)
	openDatabase(t, newer, store.Options{})
	query(t, newer, "UPDATE griphub.schema SET version = 99")
	query(t, locked, "CREATE ROLE stranger LOGIN")
	t.Cleanup(func() { query(t, newer, "DROP ROLE stranger") })
	for name, scene := range map[string]struct{ url, says string }{
		"nobody there":        {"postgres://user:hunter2@127.0.0.1:1/db", "connect"},
		"several, none there": {"postgres://user:hunter2@127.0.0.1:1,127.0.0.1:2/db", "connect"},
		"no such socket":      {"postgres:///db?host=" + t.TempDir(), "connect"},
		"no such database":    {strings.Replace(newer, "/test", "/no", 1), "does not exist"},
		"no URL":              {"postgres://user:hunter2@host:port/db", "invalid port"},
		"of a newer griphub":  {newer, "newer griphub"},
		"may not create":      {strings.Replace(locked, "user=postgres", "user=stranger", 1), "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.OpenPostgres(t.Context(), scene.url, store.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if text := err.Error(); !strings.Contains(text, scene.says) || strings.Contains(text, "\n") ||
				strings.Contains(text, "hunter2") {
				t.Errorf("got %q, want a line with %q", err, scene.says)
			}
		})
	}
}

func TestManyMayCreateTheSchemaAtOnce(t *testing.T) {
	url := server.Database(t)
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			s, err := store.Open(context.Background(), url, store.Options{Connections: 2})
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
	if got := head(t, open(t, url, store.Options{}), "a"); got != 8 {
		t.Errorf("head is %d, want 8: nobody had a reason to jump", got)
	}
}

func TestAUserWithFewRightsIsEnough(t *testing.T) {
	url := server.Database(t)
	query(t, url, `CREATE ROLE griphub_app LOGIN; CREATE SCHEMA griphub AUTHORIZATION griphub_app;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC;
		REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_walfile_name(pg_lsn), pg_current_wal_lsn() FROM PUBLIC`)
	t.Cleanup(func() { query(t, url, "DROP OWNED BY griphub_app CASCADE; DROP ROLE griphub_app") })
	app := strings.Replace(url, "user=postgres", "user=griphub_app", 1)
	for want := channels.Seq(1); want <= 3; want++ {
		s, err := store.OpenPostgres(t.Context(), app, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != want {
			t.Errorf("number is %d, want %d", e.Seq("a"), want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheDatabasesDefaultsDoNotMatter(t *testing.T) {
	url := server.Database(t)
	query(t, url, `DO $$ BEGIN
		EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());
		EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
		EXECUTE format('ALTER DATABASE %I SET search_path = nowhere', current_database());
		EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database());
		EXECUTE format('ALTER DATABASE %I SET bytea_output = escape', current_database());
	END $$`)
	s := openDatabase(t, url, store.Options{})
	var group errgroup.Group
	for range 6 {
		group.Go(func() error {
			for range 10 {
				if _, err := s.Append(context.Background(), batch(2, "a", "b")); err != nil {
					return err
				}
				if _, err := s.Trim(context.Background(), func(channels.Channel) channels.Retention {
					return channels.Retention{Count: 5}
				}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := head(t, s, "a"); got != 120 {
		t.Errorf("head is %d, want 120", got)
	}
}

func TestALockedChannelIsWaitedForAndThenGivenUp(t *testing.T) {
	url := server.Database(t)
	s := openDatabase(t, url, store.Options{LockWait: 100 * time.Millisecond})
	appendTo(t, s, 1, "a")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "BEGIN; UPDATE griphub.channels SET floor = floor"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), batch(1, "a")); !errors.Is(err, store.ErrLocked) {
		t.Errorf("want ErrLocked, got %v", err)
	}
	if e := appendTo(t, s, 1, "b")[0]; e.Seq("b") != 1 {
		t.Errorf("another channel: got %s", e.Cursor())
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != 2 {
		t.Errorf("released: got %s", e.Cursor())
	}
}

func TestAMarkThatSomebodyHoldsHoldsUpNobodyElse(t *testing.T) {
	url := server.Database(t)
	s := openDatabase(t, url, store.Options{LockWait: time.Minute})
	mark := func(value string, before []byte) channels.Batch {
		b := batch(1, "a")
		b.State = []any{devices.Mark{Name: "bridge", Value: []byte(value), Before: before}}
		return b
	}
	if _, err := s.Append(t.Context(), mark("1", nil)); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "BEGIN; UPDATE griphub.marks SET value = '2'"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := s.Append(t.Context(), mark("3", []byte("1"))); !errors.Is(err, channels.ErrState) || !errors.Is(err, store.ErrLocked) {
		t.Errorf("while somebody holds the mark: got %v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != 2 {
		t.Errorf("without the mark: got %s", e.Cursor())
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), mark("3", []byte("1"))); !errors.Is(err, devices.ErrMarkMoved) {
		t.Errorf("after it was moved: got %v", err)
	}
}

func TestTextThatPostgreSQLCannotHoldIsMadePrintable(t *testing.T) {
	s := openDatabase(t, server.Database(t), store.Options{})
	const bad = "a\x00b\xff"
	d := channels.Draft{Channels: []channels.Channel{"a"}, Type: bad, User: bad, Key: bad, SkipUsers: []string{bad},
		Device: channels.DeviceRef{Type: bad, ID: bad}, Data: []byte(bad), Private: []byte(bad)}
	var mark []byte
	for repeated := range 2 {
		events, err := s.Append(t.Context(), channels.Batch{
			Drafts: []channels.Draft{d},
			State: []any{devices.Changes{{DeviceRef: d.Device, State: devices.State{Status: bad, Firmware: bad}, Register: true}},
				devices.Mark{Name: bad, Value: []byte(bad), Before: mark}},
		})
		mark = []byte(bad)
		if err != nil {
			t.Fatal(err)
		}
		if events[0].Repeated != (repeated > 0) {
			t.Errorf("round %d: repeated is %t", repeated, events[0].Repeated)
		}
	}
	if e := read(t, s, "a", 0).Events[0]; string(e.Data) != bad || string(e.Private) != bad || e.Type != "a\uFFFDb\uFFFD" {
		t.Errorf("got %+v", e)
	}
	if known, err := s.Devices(t.Context(), []channels.DeviceRef{d.Device}); err != nil || len(known) != 1 {
		t.Errorf("devices: %v, %v", known, err)
	}
	if value, err := s.Mark(t.Context(), bad); err != nil || string(value) != bad {
		t.Errorf("mark: %q, %v", value, err)
	}
}

func TestAppendGoesOnAfterItsConnectionsWereClosed(t *testing.T) {
	url := server.Database(t)
	s := openDatabase(t, url, store.Options{})
	for want := channels.Seq(1); want <= 5; want++ {
		if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != want {
			t.Errorf("number is %d, want %d", e.Seq("a"), want)
		}
		query(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
}

func TestCountersInPostgreSQLCannotBeDeleted(t *testing.T) {
	url := server.Database(t)
	appendTo(t, openDatabase(t, url, store.Options{}), 3, "a")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, text := range []string{"DELETE FROM griphub.channels", "TRUNCATE griphub.channels"} {
		if _, err := conn.Exec(t.Context(), text); err == nil || !strings.Contains(err.Error(), "must stay") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestStoresOfBothKindsAreOneInterface(t *testing.T) {
	for _, url := range []string{"sqlite:" + filepath.Join(t.TempDir(), "log.db"), server.Database(t)} {
		s := open(t, url, store.Options{})
		if _, err := s.Append(t.Context(), batch(1, "a")); err != nil {
			t.Error(err)
		}
	}
}
