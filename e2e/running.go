package e2e

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Running is a command that goes on until it is told to stop. What a test leaves running is killed at its end.
type Running struct {
	cmd   *exec.Cmd
	lines feed[string]
	ended chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

// Start starts the command, and returns at once.
func (c Command) Start(t testing.TB) *Running {
	t.Helper()
	r := &Running{ended: make(chan struct{})}
	r.cmd = exec.Command(binary(t), c.Args...)
	r.cmd.Env = environment(c.Env)
	if r.cmd.Dir = c.Dir; r.cmd.Dir == "" {
		r.cmd.Dir = t.TempDir()
	}
	r.cmd.Stdin = strings.NewReader(c.Stdin)
	r.cmd.Stderr = writerFunc(func(part []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stderr.Write(part)
	})
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		defer r.lines.end()
		in := bufio.NewScanner(out)
		in.Buffer(nil, 16<<20)
		for in.Scan() {
			r.lines.add(in.Text())
		}
		_ = r.cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if t.Failed() {
			t.Logf("griphub %q wrote %q and on standard error %s", c.Args, r.lines.all(), r.Stderr())
		}
	})
	return r
}

// Line returns the next line of standard output that is not taken yet. It fails the test if none comes.
func (r *Running) Line(t testing.TB) string {
	t.Helper()
	line, ok := r.lines.take(time.Now().Add(Patience))
	if !ok {
		t.Fatalf("waited in vain for a line; on standard error is %s", r.Stderr())
	}
	return line
}

// Lines are all lines so far, taken or not.
func (r *Running) Lines() []string { return r.lines.all() }

// Stderr is what standard error has so far.
func (r *Running) Stderr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

// Stop sends the signal, and returns the exit code; -1 where the signal ended it.
func (r *Running) Stop(t testing.TB, signal syscall.Signal) int {
	t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(stopPatience):
		t.Fatalf("has not ended within %v after %v", stopPatience, signal)
	}
	return r.cmd.ProcessState.ExitCode()
}
