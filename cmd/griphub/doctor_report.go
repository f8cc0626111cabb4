package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A verdict is what a finding means for the hub.
type verdict string

const (
	good    verdict = "ok"
	dubious verdict = "warn" // it works, but not safely, or cannot be seen from here
	broken  verdict = "FAIL" // events are lost, or viewers see nothing
)

// A finding is what one check found.
type finding struct {
	Verdict verdict `json:"status"`
	Check   string  `json:"check"`
	Found   string  `json:"found"`
	// Cure is what to change, in one sentence; empty where all is well.
	Cure string `json:"cure,omitempty"`
}

// String is the finding on one line.
func (f finding) String() string {
	line := fmt.Sprintf("%-4s  %s: %s", f.Verdict, f.Check, f.Found)
	if f.Cure != "" {
		line += "; " + f.Cure
	}
	return line
}

// A report is what a group of checks found, in order.
type report struct{ findings []finding }

func (r *report) ok(check, found string, args ...any) {
	r.add(finding{good, check, fmt.Sprintf(found, args...), ""})
}

func (r *report) warn(check, found, cure string) { r.add(finding{dubious, check, found, cure}) }

func (r *report) fail(check, found, cure string) { r.add(finding{broken, check, found, cure}) }

// add keeps a finding on one line, whatever errors it quotes.
func (r *report) add(f finding) {
	f.Found = strings.Join(strings.FieldsFunc(f.Found, func(c rune) bool { return c == '\n' || c == '\r' }), " ")
	r.findings = append(r.findings, f)
}

// A findingWriter prints findings as they come and counts those that are FAIL.
type findingWriter struct {
	out    io.Writer
	json   bool
	failed int
	all    int
}

func (w *findingWriter) write(list []finding) error {
	for _, f := range list {
		w.all++
		if f.Verdict == broken {
			w.failed++
		}
		var err error
		if w.json {
			err = json.NewEncoder(w.out).Encode(f)
		} else {
			_, err = fmt.Fprintln(w.out, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
