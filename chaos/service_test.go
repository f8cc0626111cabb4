package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// restartPause is what the service manager waits before it starts a program again.
	restartPause = 200 * time.Millisecond
	// stopPatience is how long a program may take to end after SIGTERM.
	stopPatience = 60 * time.Second
	// startsWithin is how long a program may take on a busy machine until it listens to SIGTERM: before, any signal is its end.
	startsWithin = 5 * time.Second
)

// A service is a program that is started again whenever it ends, as a service manager does, unless it is held down.
type service struct {
	name string
	// namespace is the network namespace that it runs in, empty for the test's own.
	namespace string
	log       string
	command   func() *exec.Cmd

	mu       sync.Mutex
	process  *os.Process // nil while it does not run
	held     bool
	asked    os.Signal // how it was told to end, nil if it was not
	changed  chan struct{}
	starts   int
	byItself []string // how it ended without being told to
	problems []string
	ended    chan struct{} // closed when it is not started any more
}

// startService starts the program, and keeps it running until the end of the test.
func startService(t *testing.T, name string, command func() *exec.Cmd) *service {
	t.Helper()
	s := prepareService(t, name, "", syscall.SIGTERM, command)
	s.up()
	return s
}

// prepareService is startService for what is held down at first, runs in the network namespace, and is ended by the signal.
func prepareService(t *testing.T, name, namespace string, end os.Signal, command func() *exec.Cmd) *service {
	t.Helper()
	s := &service{
		name: name, namespace: namespace, command: command, log: filepath.Join(t.TempDir(), "log"), held: true,
		changed: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go s.run(ctx)
	t.Cleanup(func() {
		s.down(end)
		cancel()
		select {
		case <-s.ended:
		case <-time.After(stopPatience):
			t.Errorf("%s has not stopped within %v", name, stopPatience)
			s.down(syscall.SIGKILL)
			<-s.ended
		}
		s.inspect(t)
	})
	return s
}

// inspect looks for what only the log tells.
func (s *service) inspect(t *testing.T) {
	t.Helper()
	text, _ := os.ReadFile(s.log)
	log := string(text)
	for _, sign := range []string{"WARNING: DATA RACE", "panic:", "handler panicked"} {
		if at := strings.Index(log, sign); at >= 0 {
			t.Errorf("%s: %s\n%s", s.name, sign, log[at:min(len(log), at+6000)])
		}
	}
	for _, problem := range s.problems {
		t.Error(problem)
	}
	if t.Failed() {
		const most = 12_000
		t.Logf("the end of the log of %s (started %d times):\n%s", s.name, s.starts, log[max(0, len(log)-most):])
	}
}

// run is the service manager. The system kills a program when the thread that started it ends, so it has one of its own.
func (s *service) run(ctx context.Context) {
	runtime.LockOSThread()
	defer close(s.ended)
	if s.namespace == "" {
		defer runtime.UnlockOSThread()
	} else if err := enter(s.namespace); err != nil { // a thread that is in another namespace ends with its goroutine
		s.problems = append(s.problems, fmt.Sprintf("%s: %v", s.name, err))
		return
	}
	for s.awaitRelease(ctx) {
		s.once()
		select {
		case <-ctx.Done():
		case <-time.After(restartPause):
		}
	}
}

// awaitRelease waits while the service is held down, and tells whether it is to be started.
func (s *service) awaitRelease(ctx context.Context) bool {
	for {
		s.mu.Lock()
		held := s.held
		s.mu.Unlock()
		if !held && ctx.Err() == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.changed:
		}
	}
}

// once runs the program to its end.
func (s *service) once() {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer out.Close()
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	s.mu.Lock()
	if s.held {
		s.mu.Unlock()
		return
	}
	if err := cmd.Start(); err != nil {
		s.problems = append(s.problems, fmt.Sprintf("start %s: %v", s.name, err))
		s.mu.Unlock()
		return
	}
	s.process, s.asked = cmd.Process, nil
	s.starts++
	start := time.Now()
	s.mu.Unlock()
	_ = cmd.Wait() // how it ended is in ProcessState
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = nil
	switch {
	case s.asked == nil:
		s.byItself = append(s.byItself, fmt.Sprintf("%s ended by itself: %v", s.name, cmd.ProcessState))
	case s.asked == syscall.SIGTERM && cmd.ProcessState.ExitCode() != 0 && time.Since(start) > startsWithin:
		s.problems = append(s.problems, fmt.Sprintf("%s ended with %v after SIGTERM, %v after its start", s.name, cmd.ProcessState, time.Since(start)))
	}
}

// down ends the program and keeps it from being started again until up. It does not wait for the end. Like a service
// manager it asks a program once before it kills it: griphub takes a second SIGTERM for a hurry, and ends at once.
func (s *service) down(signal os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	if s.process == nil {
		return
	}
	_ = s.process.Signal(syscall.SIGCONT) // a program that is stopped does not hear SIGTERM
	if s.asked == nil || signal == syscall.SIGKILL {
		s.asked = signal
		_ = s.process.Signal(signal)
	}
}

// up lets the program be started again.
func (s *service) up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// pause stops the program in its tracks, and resume lets it go on.
func (s *service) pause()  { s.signal(syscall.SIGSTOP) }
func (s *service) resume() { s.signal(syscall.SIGCONT) }

func (s *service) signal(signal os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Signal(signal)
	}
}

// enter takes the calling thread, and what it starts, into a network namespace.
func enter(namespace string) error {
	file, err := os.Open(filepath.Join("/run/netns", namespace))
	if err != nil {
		return err
	}
	defer file.Close()
	return os.NewSyscallError("setns", unix.Setns(int(file.Fd()), unix.CLONE_NEWNET))
}
