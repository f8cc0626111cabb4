package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A Command is one run of griphub to its end.
type Command struct {
	// Args follow the program's name.
	Args []string
	// Env are variables, as NAME=value, beside those that do not concern griphub.
	Env []string
	// Stdin is what the command reads.
	Stdin string
	// Dir is where it runs; empty for an empty directory.
	Dir string
}

// A Result is how a command has ended.
type Result struct {
	// Code is the exit code; -1 where a signal ended it.
	Code           int
	Stdout, Stderr string
}

// Run runs the command, and fails the test where it does not end.
func (c Command) Run(t testing.TB) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), c.Args...)
	cmd.Env = environment(c.Env)
	if cmd.Dir = c.Dir; cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.Stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("griphub %s: has not ended within %v\n%s", strings.Join(c.Args, " "), Patience, stderr.String())
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("griphub %s: %v", strings.Join(c.Args, " "), err)
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// environment is the test's own without what would configure griphub, and the given variables. A program with the race
// detector would sleep a second before each exit.
func environment(more []string) []string {
	env := []string{"GORACE=atexit_sleep_ms=10"}
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GRIPHUB_") && !strings.HasPrefix(pair, "GRIP_URL=") && !strings.HasPrefix(pair, "GORACE=") {
			env = append(env, pair)
		}
	}
	return append(env, more...)
}
