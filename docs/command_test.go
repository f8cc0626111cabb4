package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// A command is what a shell runs at once, with the line where it stands.
type command struct {
	line int
	text string
}

// commands are those of a block: its lines, as many together as make a whole.
func commands(b block) []command {
	var list []command
	var whole string
	for i, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
		if whole == "" {
			list = append(list, command{line: b.line + i})
		} else {
			whole += "\n"
		}
		whole += line
		if strings.HasSuffix(line, `\`) || exec.Command("bash", "-n", "-c", whole).Run() != nil {
			continue
		}
		list[len(list)-1].text, whole = strings.TrimSpace(whole), ""
	}
	if whole != "" {
		list[len(list)-1].text = whole // no shell takes it, and says so when it is run
	}
	return slices.DeleteFunc(list, func(c command) bool { return c.text == "" || strings.HasPrefix(c.text, "#") })
}

// isCommands tells whether a shell is to run the block: what is indented and not fenced is meant for one.
func (b block) isCommands() bool {
	return slices.Contains([]string{"", "sh", "bash", "shell", "console"}, b.language)
}

// Every command in the documents runs as it stands, but for the numbers of ports, at a hub that `griphub dev` has started. Those of make
// are only said to be run, as they build, test and measure. What cannot run here is in a list of what something else checks.
func TestEveryCommandInTheDocumentsWorks(t *testing.T) {
	s := newScene(t)
	listed := maps.Clone(checkedElsewhere)
	all := documents(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, b := range all[name].blocks {
			if !b.isCommands() {
				continue
			}
			for _, c := range commands(b) {
				if _, ok := checkedElsewhere[c.text]; ok {
					delete(listed, c.text)
					continue
				}
				if err := s.run(c.text); err != nil {
					t.Errorf("%s:%d: %s\n%v\nRepair it. If it is no command, fence it with its language; if it cannot run here, add it to checkedElsewhere with what checks it.", name, c.line, c.text, err)
				}
			}
		}
	}
	for text := range listed {
		t.Errorf("checkedElsewhere has a command that no document has: %s", text)
	}
}

// endless are the commands that go on until they are interrupted. They work where they say something.
var endless = []string{"curl -N ", "griphub subscribe ", "mosquitto_sub "}

func isEndless(text string) bool {
	return slices.ContainsFunc(endless, func(start string) bool { return strings.HasPrefix(text, start) })
}

// run runs a command, and tells how it has failed.
func (s *scene) run(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), e2e.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", s.ports.Replace(text))
	cmd.Dir, cmd.Env = s.dir, s.env
	if strings.HasPrefix(text, "make ") {
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "MAKEFLAGS=--dry-run")
	}
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	// All that it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	signal := syscall.SIGKILL
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, signal) }
	cmd.WaitDelay = e2e.Patience
	if isEndless(text) {
		signal = syscall.SIGINT
		out.wrote = cancel
	}
	err := cmd.Run()
	said := out.text.String()
	switch {
	case isEndless(text) && errors.Is(ctx.Err(), context.Canceled):
		err = nil
	case isEndless(text) && err == nil:
		err = errors.New("has ended by itself")
	case ctx.Err() != nil:
		err = fmt.Errorf("has not ended within %v", e2e.Patience)
	}
	if err == nil && strings.Contains(said, "stream-error") {
		err = errors.New("is refused")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// An output is what a command says.
type output struct {
	text bytes.Buffer
	// wrote is called when it says something; nil for nobody.
	wrote func()
}

func (o *output) Write(part []byte) (int, error) {
	if o.wrote != nil {
		o.wrote()
	}
	return o.text.Write(part)
}
