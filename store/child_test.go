package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// What a child process does is in its environment: these tests start themselves again, to kill what they started.
const childEnv = "GRIPHUB_STORE_TEST_CHILD"

// patience bounds what takes as long as it takes.
const patience = time.Minute

// children are what a child process can be asked to do. Each prints a line when something is certain.
func children() map[string]func(ctx context.Context, s store.Store) error {
	return map[string]func(ctx context.Context, s store.Store) error{
		"append": func(ctx context.Context, s store.Store) error {
			for {
				events, err := s.Append(ctx, batch(batchOfChild, "a", "b"))
				if err != nil {
					return err
				}
				fmt.Println(int64(events[batchOfChild-1].Seq("a")))
			}
		},
		"edit": func(ctx context.Context, s store.Store) error {
			for i := 1; ; i++ {
				edit := devices.Edit{DeviceRef: pump, Kind: devices.EditSet}
				edit.Patch.Name, edit.Patch.Latitude = new(fmt.Sprint(i)), new(float64(i%90))
				if err := s.Edit(ctx, []devices.Edit{edit}); err != nil {
					return err
				}
				fmt.Println(i)
			}
		},
		"lead": func(ctx context.Context, s store.Store) error {
			leading, release, err := s.Lead(ctx, "bridge")
			if err != nil {
				return err
			}
			defer release()
			fmt.Println("leading")
			<-leading.Done()
			return leading.Err()
		},
	}
}

// batchOfChild is how many events a child appends at once.
const batchOfChild = 20

// runChild does what the environment says, for main.
func runChild(task string) int {
	name, url, _ := strings.Cut(task, " ")
	ctx := context.Background()
	s, err := store.Open(ctx, url, store.Options{})
	if err == nil {
		err = children()[name](ctx, s)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// A child is a process that does one of children.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, name, url string) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childEnv+"="+name+" "+url)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process at once, and everything that it did not write.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// line returns the next line that the process prints, "" when it has ended.
func (c *child) line() string {
	if !c.lines.Scan() {
		return ""
	}
	return c.lines.Text()
}
