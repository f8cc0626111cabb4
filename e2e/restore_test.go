package e2e_test

import (
	"database/sql"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/store/pgtest"
)

// A backup that is made while everything runs, and put back, is an older log. Whoever has seen more is told, whatever they
// listen with, and then sees what comes.
func TestViewersAreToldOfARestoredBackup(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]struct {
		backup func(*testing.T, *restoring)
		// knows tells that griphub finds out by itself.
		knows bool
	}{
		"SQLite":                     {backupSQLite, false},
		"SQLite, nobody says so":     {backupSQLite, true},
		"pg_dump":                    {dumpPostgres, false},
		"pg_dump, nobody says so":    {dumpPostgres, true},
		"pg_basebackup, to the byte": {copyPostgres, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &restoring{}
			if !strings.HasPrefix(name, "SQLite") {
				t.Cleanup(r.server.Stop)
				r.database = r.server.Database(t)
			}
			hub := e2e.StartServe(t, e2e.ServeOptions{Database: r.database, NoBroker: true, Config: "stream: {recheck: 2s}\n"})
			r.hub = hub
			stream := watch(t, hub.URL("/events/?channel=room"))
			socket := e2e.Dial(t, hub.URL("/ws/events/?channel=room"), nil)
			ping(t, socket)
			publish := func(n string) {
				hub.Publish(t, "room", n)
				hub.Publish(t, "--device", "buoy/b", "--event", "data", `{"n":`+n+`}`)
			}
			publish("1")
			scene.backup(t, r)
			publish("2")
			for _, want := range []string{"1", "2"} {
				if e := stream.Expect(t, "message"); e.Data != want {
					t.Fatalf("shown %s, want %s", e.Data, want)
				}
				socket.Next(t)
			}

			hub.Stop(t)
			r.restore()
			if !scene.knows {
				run(t, hub, "migrate", "--restored")
			}
			hub.Start(t)
			hub.AwaitReady(t)
			stream.Expect(t, "stream-reset")
			publish("3")
			if e := stream.Expect(t, "message"); e.Data != "3" {
				t.Errorf("shown %s, want 3", e.Data)
			}
			socket.Send(t, `{"action":"ping","cursor":"room:2"}`)
			for event := ""; event != "stream-reset"; { // the live message may come before it
				var frame struct{ Event string }
				socket.Next(t).JSON(t, &frame)
				event = frame.Event
			}
			later := watchWith(t, hub.URL("/events/?channel=room"), e2e.EventSourceOptions{Header: http.Header{"Last-Event-Id": {"room:2"}}})
			later.Expect(t, "stream-reset")
			if answer := e2e.NewPoller(t).Poll(t, hub.URL("/iot/poll/buoy/?cursor=iot_buoy:2")); !answer.Reset {
				t.Errorf("the poll was not told: %+v", answer)
			}
		})
	}
}

// restoring is a hub whose database is put back.
type restoring struct {
	hub      *e2e.Hub
	server   pgtest.Server
	database string
	// restore puts back what was saved.
	restore func()
}

func backupSQLite(t *testing.T, r *restoring) {
	t.Helper()
	file := filepath.Join(filepath.Dir(r.hub.Config), "griphub.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := db.ExecContext(t.Context(), "VACUUM INTO ?", backup); err != nil {
		t.Fatal(err)
	}
	r.restore = func() {
		for _, suffix := range []string{"-wal", "-shm"} {
			_ = os.Remove(file + suffix) // they may not be there
		}
		if err := os.Rename(backup, file); err != nil {
			t.Fatal(err)
		}
	}
}

func dumpPostgres(t *testing.T, r *restoring) {
	t.Helper()
	bin, err := pgtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	dump, err := exec.Command(filepath.Join(bin, "pg_dump"), "--dbname", r.database).Output()
	if err != nil {
		t.Fatal(err)
	}
	r.restore = func() {
		fresh := r.server.Database(t)
		load := exec.Command(filepath.Join(bin, "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", fresh)
		load.Stdin = strings.NewReader(string(dump))
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("psql: %v: %s", err, out)
		}
		r.use(t, fresh)
	}
}

func copyPostgres(t *testing.T, r *restoring) {
	t.Helper()
	copied := r.server.Copy(t)
	name := strings.TrimPrefix(strings.SplitN(r.database, "?", 2)[0], "postgres:///")
	r.restore = func() { r.use(t, copied.URL(name)) }
}

// use lets the hub have another database from its next start on.
func (r *restoring) use(t *testing.T, database string) {
	t.Helper()
	text, err := os.ReadFile(r.hub.Config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), strconv.Quote(r.database), strconv.Quote(database), 1)
	if changed == string(text) {
		t.Fatalf("the configuration does not name the database %q", r.database)
	}
	if err := os.WriteFile(r.hub.Config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
