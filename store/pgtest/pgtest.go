// Package pgtest runs a private PostgreSQL server for the tests of one test binary.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a PostgreSQL server in a directory of its own, which listens on a socket there and nowhere else.
// It starts when it is first needed. The zero value is ready; whoever has it calls Stop at the end,
// in TestMain. A test binary that is killed takes it along.
type Server struct {
	// Settings are server settings such as "fsync=on". By default nothing is forced to the disk.
	Settings []string

	of      *Server // what it is a copy of, if it is one
	follows bool    // it goes on copying
	start   sync.Once
	err     error
	dir     string
	cmd     *exec.Cmd
	done    chan struct{} // closed when the server has ended
	log     bytes.Buffer  // of the server; to be read when it has ended

	mu        sync.Mutex
	databases int
}

// startWithin bounds how long the server may take until it answers.
const startWithin = time.Minute

// Start starts the server unless it was started before, for programs that are no tests. Its database postgres is empty.
func (s *Server) Start() error {
	s.start.Do(func() { s.err = s.run() })
	return s.err
}

// Database creates an empty database for the test and returns its URL. It is dropped when the test ends.
// Where PostgreSQL is not installed the test fails and says what to install.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	s.execute(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.execute(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.URL(name)
}

// Stop stops the server, if it was started, and deletes its directory.
func (s *Server) Stop() {
	s.start.Do(func() { s.err = errors.New("the server was stopped") })
	if s.done != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown
		<-s.done
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Standby returns a server that follows this one, which must run: whatever is stored here is soon there. It can be read
// until it takes over: SELECT pg_promote().
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	return s.copy(t, true)
}

// Copy returns a server with all that this one, which must run, has now: one that was restored from its backup.
func (s *Server) Copy(t testing.TB) *Server {
	t.Helper()
	return s.copy(t, false)
}

func (s *Server) copy(t testing.TB, follows bool) *Server {
	t.Helper()
	copied := &Server{Settings: s.Settings, of: s, follows: follows}
	t.Cleanup(copied.Stop)
	copied.start.Do(func() { copied.err = copied.run() })
	if copied.err != nil {
		t.Fatalf("start a copy of PostgreSQL: %v", copied.err)
	}
	return copied
}

// URL names a database of the server, and beside it the same one on other servers.
func (s *Server) URL(database string, others ...*Server) string {
	hosts := s.dir
	for _, other := range others {
		hosts += "," + other.dir
	}
	query := url.Values{"host": {hosts}, "user": {"postgres"}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}).String()
}

// execute runs a statement as the server's owner.
func (s *Server) execute(t testing.TB, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (s *Server) run() (err error) {
	bin, err := Programs()
	if err != nil {
		return err
	}
	// A short path: a socket's may have 107 bytes.
	if s.dir, err = os.MkdirTemp("/tmp", "pgtest"); err != nil {
		return err
	}
	attributes, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	create := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if s.of != nil {
		create = exec.Command(filepath.Join(bin, "pg_basebackup"), "--pgdata", data, "--username", "postgres",
			"--host", s.of.dir, "--checkpoint", "fast", "--no-sync")
		if s.follows {
			create.Args = append(create.Args, "--write-recovery-conf")
		}
	}
	create.Dir, create.SysProcAttr = s.dir, attributes
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(create.Path), err, out)
	}
	args := []string{"-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=300",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum_naptime=5min"}
	for _, setting := range s.Settings {
		args = append(args, "-c", setting)
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), args...)
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, attributes
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.launch(); err != nil {
		return err
	}
	return s.await()
}

// Programs returns the directory of PostgreSQL's programs, the newest version's where Debian has several.
func Programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL is not installed: apt-get install -y postgresql")
}

// unprivileged lets the server run as the user postgres where the test is root, as it refuses to be root. It dies with
// the test.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(postgres.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(postgres.Gid)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, uid, gid)
}

// launch starts the server on a thread that lives as long as it does: the system counts the end of the thread that
// started a process as the death of its parent.
func (s *Server) launch() error {
	s.done = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.done)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
	}()
	return <-started
}

// await waits until the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended: %s", s.log.String())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Main has a test binary stop the server after its tests: goleak.VerifyTestMain(server.Main(m)).
func (s *Server) Main(m *testing.M) *Main { return &Main{m, s} }

// A Main runs tests.
type Main struct {
	tests  *testing.M
	server *Server
}

// Run runs the tests, stops the server, and returns the tests' exit code.
func (m *Main) Run() int {
	defer m.server.Stop()
	return m.tests.Run()
}
