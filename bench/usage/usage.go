// Package usage tells what processes have used, as Linux counts it.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of times in /proc, USER_HZ: 100 on every architecture that Go knows.
const ticks = time.Second / 100

// Use is what a process and its descendants have used.
type Use struct {
	CPU time.Duration // since their start, with descendants that have ended
	RSS int64         // bytes that they hold in memory; what descendants share with it is not counted again
}

// A Snapshot has the use of this process under the name "bench", and that of each child with its descendants under the child's.
// Children of the same name count as one.
type Snapshot map[string]Use

type stat struct {
	name      string
	pid, ppid int
	cpu       time.Duration
}

// Take reads /proc.
func Take() (Snapshot, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	stats := make(map[int]stat)
	for _, file := range files {
		// Processes come and go: one that has ended uses nothing.
		if text, err := os.ReadFile(file); err == nil {
			s, err := parse(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			stats[s.pid] = s
		}
	}
	snapshot := make(Snapshot)
	for _, s := range stats {
		top, ok := childOf(self, s, stats)
		if !ok {
			continue
		}
		use := snapshot[top.name]
		use.CPU += s.cpu
		use.RSS += resident(s.pid, s.pid == top.pid)
		snapshot[top.name] = use
	}
	return snapshot, nil
}

// childOf finds the child of self from which the process descends. Of self it is itself, under its own name.
func childOf(self int, s stat, stats map[int]stat) (top stat, ok bool) {
	if s.pid == self {
		s.name = "bench"
		return s, true
	}
	for range len(stats) {
		if s.ppid == self {
			return s, true
		}
		parent, ok := stats[s.ppid]
		if !ok {
			break
		}
		s = parent
	}
	return stat{}, false
}

// parse reads proc_pid_stat(5). The name stands in parentheses and may hold any character.
func parse(text []byte) (s stat, err error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("no name in %.100q", text)
	}
	s.name = string(text[open+1 : end])
	if s.pid, err = strconv.Atoi(strings.TrimSpace(string(text[:open]))); err != nil {
		return s, err
	}
	fields := strings.Fields(string(text[end+1:]))
	const parent, user, last = 1, 11, 14
	if len(fields) <= last {
		return s, fmt.Errorf("%d fields in %.100q", len(fields), text)
	}
	if s.ppid, err = strconv.Atoi(fields[parent]); err != nil {
		return s, err
	}
	for _, field := range fields[user : last+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(n) * ticks
	}
	return s, nil
}

// resident is 0 for a process that has ended.
func resident(pid int, shared bool) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return 0
	}
	all, _ := strconv.ParseInt(fields[1], 10, 64)
	common, _ := strconv.ParseInt(fields[2], 10, 64)
	if !shared {
		all -= common
	}
	return all * int64(os.Getpagesize())
}

// Since is the use between two snapshots: the CPU time that was used meanwhile, and the memory that is held now.
func (s Snapshot) Since(before Snapshot) Snapshot {
	between := make(Snapshot)
	for name, use := range s {
		use.CPU -= before[name].CPU
		between[name] = use
	}
	return between
}
