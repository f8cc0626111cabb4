package store_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

func TestADumpThatIsLoadedKnowsThatItIsACopy(t *testing.T) {
	url, copied := server.Database(t), server.Database(t)
	s := openDatabase(t, url, store.Options{})
	appendTo(t, s, 5, "a")
	dump := pgProgram(t, "pg_dump", "--dbname", url)
	appendTo(t, s, 5, "a")
	for name, scene := range map[string]struct{ into, before string }{
		"into another database": {copied, ""},
		"into its own place":    {url, "DROP SCHEMA griphub CASCADE"},
	} {
		t.Run(name, func(t *testing.T) {
			if scene.before != "" {
				query(t, scene.into, scene.before)
			}
			load := exec.Command(pgPath(t, "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", scene.into)
			load.Stdin = strings.NewReader(dump)
			if out, err := load.CombinedOutput(); err != nil {
				t.Fatalf("psql: %v: %s", err, out)
			}
			wantJumped(t, openDatabase(t, scene.into, store.Options{}), 5)
		})
	}
}

func pgPath(t *testing.T, program string) string {
	t.Helper()
	bin, err := pgtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(bin, program)
}

// pgProgram runs one of PostgreSQL's programs and returns what it prints.
func pgProgram(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(pgPath(t, name), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, stderr.String())
	}
	return string(out)
}

// TestAStandbyThatLagsAndTakesOver lets a standby take over that did not hear of the last events, while a store
// runs that has both servers in its URL.
func TestAStandbyThatLagsAndTakesOverJumps(t *testing.T) {
	primary := &pgtest.Server{}
	t.Cleanup(primary.Stop)
	url := primary.Database(&noCleanup{TB: t})
	name := url[strings.LastIndex(url[:strings.Index(url, "?")], "/")+1 : strings.Index(url, "?")]
	appendTo(t, openDatabase(t, url, store.Options{}), 5, "a")
	standby := primary.Standby(t)
	running := openDatabase(t, primary.URL(name, standby)+"&target_session_attrs=read-write", store.Options{})
	eventually(t, func() bool { return count(t, standby.URL(name)) == 5 })

	for _, text := range []string{"ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"} {
		query(t, standby.URL("postgres"), text)
	}
	eventually(t, func() bool {
		return scalar(t, standby.URL("postgres"), "SELECT count(*) FROM pg_stat_wal_receiver") == 0
	})
	appendTo(t, running, 5, "a")
	primary.Stop()
	query(t, standby.URL("postgres"), "SELECT pg_promote()")

	wantJumped(t, running, 5)
	at := head(t, running, "a")
	if got := head(t, openDatabase(t, standby.URL(name), store.Options{}), "a"); got != at {
		t.Errorf("opened again the log stands at %d, want %d: it jumped once", got, at)
	}
}

// noCleanup keeps a database on a server that is going to be stopped.
type noCleanup struct{ testing.TB }

func (*noCleanup) Cleanup(func()) {}

func count(t *testing.T, url string) int64 {
	t.Helper()
	return scalar(t, url, "SELECT count(*) FROM griphub.events")
}

func scalar(t *testing.T, url, text string) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came true")
		}
	}
}

func TestADatabaseThatMovedUnderARunningStoreJumpsAtItsNextEvent(t *testing.T) {
	url := server.Database(t)
	s, other := openDatabase(t, url, store.Options{}), openDatabase(t, url, store.Options{})
	appendTo(t, s, 5, "a")
	query(t, url, "UPDATE griphub.log SET identity = 'what it was before'")
	first := appendTo(t, s, 1, "a")[0]
	if first.Seq("a") < 1_000_000 {
		t.Errorf("the next number is %d", first.Seq("a"))
	}
	if e := appendTo(t, other, 1, "a")[0]; e.Seq("a") != first.Seq("a")+1 {
		t.Errorf("the other store gave %d after %d", e.Seq("a"), first.Seq("a"))
	}
	if page := read(t, s, "a", 6); !page.Lost {
		t.Error("a number from before is not lost")
	}
	if page := read(t, s, "a", 5); page.Lost || len(page.Events) != 2 {
		t.Errorf("a position from before: lost %t, %d events", page.Lost, len(page.Events))
	}
}

func TestReadersOfTheLatestSeeOneLogAcrossAJump(t *testing.T) {
	url := server.Database(t)
	s := openDatabase(t, url, store.Options{})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := s.Append(context.WithoutCancel(ctx), batch(1, "a")); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	// Whoever is told a position while the log jumps sees all that comes after it.
	var positions []channels.Seq
	for range 20 {
		if err := s.Jump(t.Context()); err != nil {
			t.Fatal(err)
		}
		positions = append(positions, head(t, s, "a"))
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	all := read(t, s, "a", 0).Events
	for _, at := range positions {
		page := read(t, s, "a", at)
		want := 0
		for i := range all {
			if all[i].Seq("a") > at {
				want++
			}
		}
		if page.Lost || len(page.Events) != want {
			t.Errorf("at %d: lost %t, %d events, want %d", at, page.Lost, len(page.Events), want)
		}
	}
}
