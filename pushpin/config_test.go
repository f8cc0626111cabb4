package pushpin_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/griphub/griphub/pushpin"
)

func validConfig(t testing.TB) pushpin.Config {
	return pushpin.Config{
		Dir:         t.TempDir(),
		Listen:      freeAddress(t),
		ControlPort: port(t, freeAddress(t)),
		Backend:     "127.0.0.1:8000",
		SigKey:      []byte("key"),
	}
}

func TestAWrongConfigurationIsToldInOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want   string
		change func(*pushpin.Config)
	}{
		{"no data directory", func(c *pushpin.Config) { c.Dir = "" }},
		{"no signature key", func(c *pushpin.Config) { c.SigKey = nil }},
		{`listen address "7999"`, func(c *pushpin.Config) { c.Listen = "7999" }},
		{`listen address "localhost:7999"`, func(c *pushpin.Config) { c.Listen = "localhost:7999" }},
		{`listen address "127.0.0.1:70000"`, func(c *pushpin.Config) { c.Listen = "127.0.0.1:70000" }},
		{"control port 70000", func(c *pushpin.Config) { c.ControlPort = 70000 }},
		{"control port 7999: clients", func(c *pushpin.Config) { c.Listen, c.ControlPort = "0.0.0.0:7999", 7999 }},
		{"signature issuer", func(c *pushpin.Config) { c.SigIssuer = "a\nsig_key=b" }},
		{"body limit -1", func(c *pushpin.Config) { c.BodyLimit = -1 }},
		{`backend address ""`, func(c *pushpin.Config) { c.Backend = "" }},
		{`backend address "[::1]:80"`, func(c *pushpin.Config) { c.Backend = "[::1]:80" }},
		{`backend address "h,debug:80"`, func(c *pushpin.Config) { c.Backend = "h,debug:80" }},
		{`backend address "h\n* test:80"`, func(c *pushpin.Config) { c.Backend = "h\n* test:80" }},
	} {
		config := validConfig(t)
		c.change(&config)
		_, err := pushpin.NewServer(config, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q in one line", err, c.want)
		}
	}
}

// runServer returns why the server does not run.
func runServer(t *testing.T, config pushpin.Config) error {
	t.Helper()
	s, err := pushpin.NewServer(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = s.Run(ctx)
	if ctx.Err() != nil {
		t.Fatal("it runs")
	}
	if ready := s.Ready(ctx); ready == nil {
		t.Error("ready, but it does not run")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
	return err
}

func TestATakenPortNamesTheFlagThatChangesIt(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--port", "--control-port"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			config := validConfig(t)
			if flag == "--port" {
				config.Listen = l.Addr().String()
			} else {
				config.ControlPort = port(t, l.Addr().String())
			}
			err = runServer(t, config)
			if !errors.Is(err, pushpin.ErrPortTaken) || !strings.Contains(err.Error(), l.Addr().String()) || !strings.HasSuffix(err.Error(), flag) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestADirectoryThatCannotBeUsedNamesTheFlag(t *testing.T) {
	t.Parallel()
	config := validConfig(t)
	config.Dir = filepath.Join(config.Dir, "file")
	if err := os.WriteFile(config.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := runServer(t, config); !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
}

func TestOneServerPerDirectory(t *testing.T) {
	t.Parallel()
	config := validConfig(t)
	config.Backend = holdBackend(t)
	first, err := pushpin.NewServer(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- first.Run(ctx) }()
	if err := first.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	second := validConfig(t)
	second.Dir = config.Dir
	if err := runServer(t, second); !errors.Is(err, pushpin.ErrDirTaken) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want one that names process %d", err, os.Getpid())
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnyDirectoryWillDo(t *testing.T) {
	t.Parallel()
	config := validConfig(t)
	config.Dir = filepath.Join(config.Dir, "näme with blanks, and; more", strings.Repeat("deep/", 30))
	config.Backend = holdBackend(t)
	s, err := pushpin.NewServer(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	if err := s.Ready(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(config.Dir, "pushpin", "pushpin.conf"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file that holds the key: %v, %v", info.Mode(), err)
	}
}

// programs makes a directory of programs: shell scripts by name.
func programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMissingProgramsSayWhatToInstall(t *testing.T) {
	t.Setenv("PATH", programs(t, map[string]string{"pushpin-proxy": "", "pushpin-handler": "", "condure": ""}))
	if err := runServer(t, validConfig(t)); !strings.Contains(err.Error(), "zurl not found: apt-get install pushpin zurl") {
		t.Errorf("got %v", err)
	}
}

func TestANewerPushpinIsTold(t *testing.T) {
	t.Setenv("PATH", programs(t, map[string]string{"pushpin-proxy": "", "pushpin-handler": "", "pushpin-connmgr": ""}))
	if err := runServer(t, validConfig(t)); !strings.Contains(err.Error(), "1.40 or later") {
		t.Errorf("got %v", err)
	}
}

func TestAProgramThatCannotStartTellsWhy(t *testing.T) {
	dir := programs(t, map[string]string{
		"zurl": "exec sleep 60", "pushpin-proxy": "exec sleep 60", "pushpin-handler": "exec sleep 60",
		"condure": `echo "[ERR] 2026-11-21 05:22:23.835 [condure] no luck"; exit 3`,
	})
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if err := runServer(t, validConfig(t)); !strings.Contains(err.Error(), "condure: exit status 3 ([condure] no luck)") {
		t.Errorf("got %v", err)
	}
}
