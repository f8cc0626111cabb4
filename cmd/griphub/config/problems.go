package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in what griphub was told. It never holds the value of a secret.
type Problem struct {
	// File is the file's name, "environment", "flags", or empty where something is missing everywhere.
	File string
	// Line and Column count from 1; 0 means that there is none.
	Line, Column int
	// Key is the path of the key, or the name of the environment variable. Empty where the mistake is not in a value.
	Key string
	// Message says what is wrong and, if possible, what to write instead.
	Message string
}

// String puts the problem on one line: griphub.yaml:12:3: mqtt.topcis: unknown key (did you mean mqtt.topics?).
func (p Problem) String() string {
	var line strings.Builder
	if p.File != "" {
		line.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&line, ":%d", p.Line)
			if p.Column > 0 {
				fmt.Fprintf(&line, ":%d", p.Column)
			}
		}
		line.WriteString(": ")
	}
	if p.Key != "" {
		line.WriteString(p.Key + ": ")
	}
	line.WriteString(p.Message)
	return line.String()
}

// Problems are all mistakes that were found, so that nobody has to mend them one run at a time.
type Problems []Problem

// Error puts each problem on a line of its own.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder puts the problems that have a line first, by line, and leaves the others as they were found.
func (p Problems) inOrder() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		switch {
		case a.Line > 0 && b.Line > 0:
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		case a.Line > 0:
			return -1
		case b.Line > 0:
			return 1
		}
		return 0
	})
	return p
}
