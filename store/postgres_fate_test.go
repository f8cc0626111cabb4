package store_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

// A cutter stands between a store and its server, and cuts a connection once: when the store sends something that holds
// the words.
type cutter struct {
	server string // the socket of the server
	words  []byte
	// before is called with what holds the words, and tells whether the server gets it.
	before func() bool
	// after is called when the server has got it, and before the connection is cut.
	after func()
	// then is called before any other connection is served.
	then func()
	cut  chan struct{} // holds a token until the cut
}

// listen returns the URL of the database through the cutter.
func (c *cutter) listen(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	c.server = filepath.Join(query.Get("host"), ".s.PGSQL.5432")
	c.cut = make(chan struct{}, 1)
	c.cut <- struct{}{}
	dir := t.TempDir() // of a test with a short name: so is a socket's path
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go c.pass(conn)
		}
	}()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	return u.String()
}

func (c *cutter) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("unix", c.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var answers atomic.Bool
	answers.Store(true)
	go func() {
		defer func() { _ = client.Close() }()
		answer := make([]byte, 1<<20)
		for {
			n, err := server.Read(answer)
			if err != nil {
				return
			}
			if answers.Load() {
				_, _ = client.Write(answer[:n])
			}
		}
	}()
	chunk := make([]byte, 1<<20)
	for {
		n, err := client.Read(chunk)
		if err != nil {
			return
		}
		if bytes.Contains(chunk[:n], c.words) {
			select {
			case <-c.cut:
				answers.Store(false)
				if c.before() {
					_, _ = server.Write(chunk[:n])
					c.after()
				}
				c.then()
				return
			default:
			}
		}
		if _, err := server.Write(chunk[:n]); err != nil {
			return
		}
	}
}

// TestALostAnswer cuts the connection while a batch is committed: Append finds out what became of it, also where another
// copy of the database answers by then.
func TestALostAnswer(t *testing.T) {
	const moved = `CREATE OR REPLACE FUNCTION griphub.identity() RETURNS text LANGUAGE sql AS $$ SELECT 'a replica' $$`
	for name, scene := range map[string]struct {
		arrives bool
		then    string
	}{
		"stored":               {true, "SELECT 1"},
		"not stored":           {false, "SELECT 1"},
		"stored and moved":     {true, moved},
		"not stored and moved": {false, moved},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.Database(t)
			direct := openDatabase(t, database, store.Options{})
			c := &cutter{
				words:  []byte("cut here"),
				before: func() bool { return scene.arrives },
				after:  func() { eventually(t, func() bool { return count(t, database) == 2 }) },
				then:   func() { query(t, database, scene.then) },
			}
			s := openDatabase(t, c.listen(t, database), store.Options{})
			appendTo(t, s, 1, "a")
			b := batch(1, "a")
			b.Drafts[0].Data = []byte(`"cut here"`)
			events, err := s.Append(t.Context(), b)
			want := 1
			if scene.arrives {
				want = 2
				if err != nil || events[0].Seq("a") != 2 {
					t.Errorf("got %v, %v", events, err)
				}
			} else if err == nil {
				t.Errorf("the store says that it has %s", events[0].Cursor())
			}
			if got := read(t, direct, "a", 0); len(got.Events) != want {
				t.Errorf("the log has %d events, want %d", len(got.Events), want)
			}
			next := int(appendTo(t, s, 1, "a")[0].Seq("a"))
			if jumped := next > 1_000_000; jumped != (scene.then == moved) || !jumped && next != want+1 {
				t.Errorf("the next number is %d after %d", next, want)
			}
		})
	}
}

// A server that crashes forgets the number of a transaction that had not reached its log, and gives it to another one, with
// the event's id and place. That the other one has committed says nothing of the first.
func TestACrashGivesItsNumbersAgain(t *testing.T) {
	// Nothing reaches the log of itself.
	server := &pgtest.Server{Settings: []string{"wal_writer_delay=10s", "autovacuum=off", "checkpoint_timeout=1h"}}
	t.Cleanup(server.Stop)
	database := server.Database(t)
	direct := openDatabase(t, database, store.Options{})
	const own = `SELECT max(backend_xid::text::bigint) FROM pg_stat_activity WHERE state = 'idle in transaction'`
	var lost int64
	c := &cutter{
		words: []byte("cut here"),
		before: func() bool {
			lost = scalar(t, database, own)
			return false
		},
		then: func() {
			crash(t, database)
			for scalar(t, database, "SELECT pg_current_xact_id()::text::bigint") < lost {
				appendTo(t, direct, 1, "a")
			}
		},
	}
	s := openDatabase(t, c.listen(t, database), store.Options{})
	appendTo(t, s, 1, "a")
	b := batch(1, "a")
	b.Drafts[0].Data = []byte(`"cut here"`)
	events, err := s.Append(t.Context(), b)
	if err == nil {
		t.Errorf("the store says that it has %s", events[0].Cursor())
	}
	for _, e := range read(t, direct, "a", 0).Events {
		if string(e.Data) == `"cut here"` {
			t.Errorf("the log has %s", e.Cursor())
		}
	}
	if again := scalar(t, database, "SELECT pg_current_xact_id()::text::bigint"); again <= lost {
		t.Errorf("transaction %d was not given again: the scene shows nothing", lost)
	}
}

// crash kills a session of the server, which then ends all of them and starts anew.
func crash(t *testing.T, database string) {
	t.Helper()
	var sessions [2]*pgx.Conn
	for i := range sessions {
		conn, err := pgx.Connect(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		sessions[i] = conn
	}
	if err := syscall.Kill(int(sessions[0].PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return sessions[1].Ping(t.Context()) != nil })
	eventually(t, func() bool {
		again, err := pgx.Connect(t.Context(), database)
		return err == nil && again.Close(context.Background()) == nil
	})
}
