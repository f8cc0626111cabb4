package pushpin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Server runs Pushpin 1.36 with its helpers condure and zurl as child processes. None of them
// survives this process, even when it is killed. Make one with NewServer.
type Server struct {
	config Config
	dir    string // Dir/pushpin, absolute
	log    *slog.Logger
	probes *http.Client

	// probeHost is a host that Pushpin's own test backend answers for. Its name is a secret: it is
	// of no use to clients.
	probeHost string

	running atomic.Bool
	up      chan struct{} // closed when the children have been started
	done    chan struct{} // closed when Run has returned
}

// ErrPortTaken is why Run fails where another program listens on one of its ports.
var ErrPortTaken = errors.New("is taken by another program")

// ErrDirTaken is why Run fails where another Server runs in the same directory.
var ErrDirTaken = errors.New("is in use by another griphub")

// NewServer checks the configuration. It starts and writes nothing.
func NewServer(config Config, log *slog.Logger) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("pushpin: %w", err)
	}
	dir, err := filepath.Abs(filepath.Join(config.Dir, dirName))
	if err != nil {
		return nil, fmt.Errorf("pushpin: %w", err)
	}
	return &Server{
		config:    config,
		dir:       dir,
		log:       log,
		probes:    &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		probeHost: strings.ToLower(rand.Text()) + ".invalid",
		up:        make(chan struct{}),
		done:      make(chan struct{}),
	}, nil
}

// Run starts Pushpin, starts parts again that end, and returns when ctx has ended and all
// children have: nil after ctx, else why Pushpin cannot run at all, in one line that names
// what to do. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.running.Swap(true) {
		return errors.New("pushpin: Run was called before")
	}
	defer close(s.done)
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("pushpin: %w", err)
	}
	return nil
}

func (s *Server) run(ctx context.Context) error {
	files, err := fileLimit(maxFiles)
	if err != nil {
		return err
	}
	units, err := s.units(files)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w: choose another with --data", err)
	}
	lock, err := lockFile(filepath.Join(s.dir, lockName))
	switch {
	case errors.Is(err, errLocked):
		return fmt.Errorf("directory %s %w (%w): stop that, or choose another with --data", s.dir, ErrDirTaken, err)
	case err != nil:
		return fmt.Errorf("data directory: %w: choose another with --data", err)
	}
	defer func() { _ = lock.unlock() }() // the end of the process does the same
	if err := s.checkPorts(ctx); err != nil {
		return err
	}
	if err := s.prepare(files); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}

	g, ctx := errgroup.WithContext(ctx)
	for _, u := range units {
		g.Go(func() error { return u.keep(ctx, s.dir, files, s.log) })
	}
	close(s.up)
	return g.Wait()
}

// prepare writes the configuration and empties the directory of the sockets: those of
// processes that were killed are still there.
func (s *Server) prepare(files uint64) error {
	run := filepath.Join(s.dir, runName)
	if err := os.RemoveAll(run); err != nil {
		return err
	}
	if err := os.Mkdir(run, 0o700); err != nil {
		return err
	}
	return s.config.write(s.dir, s.probeHost, files)
}

// units says which programs run, and which of them have to start again together.
func (s *Server) units(files uint64) ([]unit, error) {
	paths := make(map[string]string)
	for _, name := range []string{"pushpin-proxy", "pushpin-handler", "condure", "zurl"} {
		path, err := exec.LookPath(name)
		if err != nil {
			if newer, err := exec.LookPath("pushpin-connmgr"); err == nil {
				return nil, fmt.Errorf("%s is of Pushpin 1.40 or later, and only 1.36 and 1.37 can be supervised: "+
					"start Pushpin by itself and use griphub serve", newer)
			}
			return nil, fmt.Errorf("%s not found: apt-get install pushpin zurl", name)
		}
		paths[name] = path
	}
	level := "1"
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		level = "2"
	}
	program := func(name string, args ...string) child {
		return child{name: name, path: paths[name], args: args}
	}
	listener := program("condure",
		"--log-level="+level,
		"--listen="+s.config.Listen+",stream",
		"--zclient-stream=ipc://"+runName+"/condure",
		"--buffer-size="+strconv.Itoa(clientBuffer),
		"--stream-maxconn="+strconv.FormatUint(files*connectionsPerFile, 10))
	listener.after = listenAfter
	return []unit{
		{program("zurl", "--config="+zurlFile, "--loglevel="+level)},
		{
			program("pushpin-handler", "--config="+pushpinFile, "--loglevel="+level),
			program("pushpin-proxy", "--config="+pushpinFile, "--loglevel="+level),
			listener,
		},
	}, nil
}

// checkPorts fails where a port is taken. The children of a griphub that was killed a moment ago
// may still be ending, so that it looks more than once.
func (s *Server) checkPorts(ctx context.Context) error {
	const patience = time.Second
	deadline := time.Now().Add(patience)
	for {
		err := s.portsFree(ctx)
		if err == nil || !errors.Is(err, ErrPortTaken) || time.Now().After(deadline) {
			return err
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (s *Server) portsFree(ctx context.Context) error {
	control := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.config.ControlPort))
	for _, use := range []struct{ address, flag string }{
		{s.config.Listen, "--port"},
		{control, "--control-port"},
	} {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", use.address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("%s %w: stop it, or choose another port with %s", use.address, ErrPortTaken, use.flag)
		case err != nil:
			return fmt.Errorf("cannot listen on %s: %w: choose another port with %s", use.address, err, use.flag)
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
