package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is one running program whose output goes to a file. Its log is shown where the test fails.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// startProcess starts the program in a process group of its own, as a shell does.
func startProcess(t testing.TB, log string, cmd *exec.Cmd) *process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// A test binary that panics cleans nothing up: the kernel then ends the program.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return p
}

// StartProgram runs a program until the end of the test. What it has written is shown where the test fails.
func StartProgram(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	p := startProcess(t, filepath.Join(t.TempDir(), "output"), cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if !p.await(stopPatience) {
			_ = cmd.Process.Kill()
			t.Errorf("%s has not stopped", cmd.Path)
		}
		if t.Failed() {
			t.Logf("%s has written:\n%s", cmd.Path, p.output())
		}
	})
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// await waits for the end, and tells whether it came.
func (p *process) await(patience time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(patience):
		return false
	}
}

// output is what the program has written, from all its runs.
func (p *process) output() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// A part is a process that belongs to a hub: a program of Pushpin, most often. Its start time tells it from another process
// that was later given the same id.
type part struct {
	name  string
	pid   int
	start string
}

// partsOf lists the descendants of the process, and other processes that work in the directory or below it.
func partsOf(t testing.TB, pid int, dir string) []part {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[int]part)
	parent := make(map[int]int)
	for _, file := range stats {
		// Processes come and go; one that has ended is no part of anything.
		if p, ppid, ok := readStat(file); ok {
			found[p.pid], parent[p.pid] = p, ppid
		}
	}
	var parts []part
	for id, p := range found {
		if id != pid && (descends(id, pid, parent) || worksBelow(id, dir)) {
			parts = append(parts, p)
		}
	}
	return parts
}

// Leftovers names the processes that work in the directory or below it.
func Leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	for _, p := range partsOf(t, -1, dir) {
		names = append(names, fmt.Sprintf("%s (%d)", p.name, p.pid))
	}
	return names
}

// readStat reads /proc/{pid}/stat (proc_pid_stat(5)). ok is false for a process that has ended.
func readStat(file string) (p part, ppid int, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return p, 0, false
	}
	// The name stands in parentheses and may hold any character.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return p, 0, false
	}
	fields := strings.Fields(string(text[end+1:]))
	const state, parent, start = 0, 1, 19
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return p, 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	if err != nil {
		return p, 0, false
	}
	ppid, err = strconv.Atoi(fields[parent])
	return part{name: string(text[open+1 : end]), pid: pid, start: fields[start]}, ppid, err == nil
}

func descends(id, ancestor int, parent map[int]int) bool {
	for steps := 0; id > 1 && steps < 100; steps++ {
		if id = parent[id]; id == ancestor {
			return true
		}
	}
	return false
}

func worksBelow(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/"))
}

// alive tells whether the same process still runs.
func (p part) alive() bool {
	now, _, ok := readStat(fmt.Sprintf("/proc/%d/stat", p.pid))
	return ok && now.start == p.start
}

func (p part) kill(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("kill %s: %v", p.name, err)
	}
}
