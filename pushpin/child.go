package pushpin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopGrace is how long a child may take to end after SIGTERM. All of them take
// milliseconds.
const stopGrace = 3 * time.Second

// A child is one program of a Pushpin and how to start it.
type child struct {
	name string // what logs and errors call it
	path string
	args []string
	// after is how long to wait before it starts.
	after time.Duration
}

// run starts the child in dir and returns when it has ended, always with an error
// that tells how. It ends when ctx does, and when this process does, however.
func (c child) run(ctx context.Context, dir string, files uint64, log *slog.Logger) error {
	// The kernel kills the child when the thread that forked it ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	out := newOutput(log.With("child", c.name))
	defer out.close()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = dir
	cmd.Env = childEnv()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	isolate(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	if err := limitFiles(cmd.Process.Pid, files); err != nil {
		log.Warn("cannot raise the limit of open files", "child", c.name, "error", err)
	}
	err := cmd.Wait()
	if err == nil {
		// Pushpin's programs exit with 0 also when they cannot start.
		err = errors.New("ended by itself")
	}
	if last := out.lastLine(); last != "" && ctx.Err() == nil {
		return fmt.Errorf("%s: %w (%s)", c.name, err, last)
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// childEnv hands down what a child needs and nothing that could hold a secret of ours.
func childEnv() []string {
	env := []string{"LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
