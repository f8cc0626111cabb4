package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// profileFile is where the profile of a side of a row is.
func profileFile(dir, row, side string) string {
	return filepath.Join(dir, row+"-"+strings.ReplaceAll(side, " ", "-")+".pprof")
}

// printBound tells what bounds a side that has not met its bar: which processes had the processors, and on what griphub spent its part.
func (s *summary) printBound(ctx context.Context, out io.Writer, profile string) {
	if shares := s.shares(); shares != "" {
		fmt.Fprintf(out, "  CPU of %s: %s\n", s.Side, shares)
	}
	if _, err := os.Stat(profile); err != nil {
		return // a side that is no griphub has none
	}
	const functions, shown = 16, "griphub/griphub|gcBgMarkWorker|Syscall6"
	var complaint bytes.Buffer
	pprof := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", fmt.Sprint("-nodecount=", functions), "-show", shown, profile)
	pprof.Stderr = &complaint
	text, err := pprof.Output()
	if err != nil {
		fmt.Fprintf(out, "  its profile cannot be read: %v: %s\n", err, complaint.String())
		return
	}
	head := strings.Index(string(text), "      flat")
	for line := range strings.Lines(string(text[max(head, 0):])) {
		fmt.Fprint(out, "  ", line)
	}
}

// shares tells what part of the CPU time each process had, the largest first.
func (s *summary) shares() string {
	var all float64
	for _, use := range s.Median.Usage {
		all += use.CPU
	}
	if all == 0 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(s.Median.Usage), func(a, b string) int {
		return cmp.Compare(s.Median.Usage[b].CPU, s.Median.Usage[a].CPU)
	})
	var parts []string
	for _, name := range names {
		if share := s.Median.Usage[name].CPU / all; share >= 0.01 {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", name, 100*share))
		}
	}
	return strings.Join(parts, ", ")
}
