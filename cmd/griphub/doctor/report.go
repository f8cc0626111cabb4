package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A Verdict is what a finding means for the hub.
type Verdict string

const (
	// Good tells that all is well.
	Good Verdict = "ok"
	// Dubious tells that it works, but not safely, or that it cannot be seen from here.
	Dubious Verdict = "warn"
	// Broken tells that events are lost, or that viewers see nothing.
	Broken Verdict = "FAIL"
)

// A Finding is what one check found.
type Finding struct {
	Verdict Verdict `json:"status"`
	// Check names what was looked at.
	Check string `json:"check"`
	// Found is one line.
	Found string `json:"found"`
	// Cure is what to change, in one sentence; empty where all is well.
	Cure string `json:"cure,omitempty"`
}

// String is the finding on one line.
func (f Finding) String() string {
	line := fmt.Sprintf("%-4s  %s: %s", f.Verdict, f.Check, f.Found)
	if f.Cure != "" {
		line += "; " + f.Cure
	}
	return line
}

// A Report is what checks found, in order. The zero value is empty.
type Report struct{ Findings []Finding }

// OK adds a finding that is Good.
func (r *Report) OK(check, found string, args ...any) {
	r.add(Finding{Good, check, fmt.Sprintf(found, args...), ""})
}

// Warn adds a finding that is Dubious.
func (r *Report) Warn(check, found, cure string) { r.add(Finding{Dubious, check, found, cure}) }

// Fail adds a finding that is Broken.
func (r *Report) Fail(check, found, cure string) { r.add(Finding{Broken, check, found, cure}) }

// add keeps a finding on one line, whatever errors it quotes.
func (r *Report) add(f Finding) {
	f.Found = strings.Join(strings.FieldsFunc(f.Found, func(c rune) bool { return c == '\n' || c == '\r' }), " ")
	r.Findings = append(r.Findings, f)
}

// A Printer prints findings as they come and counts them.
type Printer struct {
	// Out is where to.
	Out io.Writer
	// JSON prints a JSON object per line instead of text.
	JSON bool
	// Failed counts the findings that are Broken, All all of them.
	Failed, All int
}

// Print writes the findings. The error is that of the writer.
func (p *Printer) Print(list []Finding) error {
	for _, f := range list {
		p.All++
		if f.Verdict == Broken {
			p.Failed++
		}
		var err error
		if p.JSON {
			err = json.NewEncoder(p.Out).Encode(f)
		} else {
			_, err = fmt.Fprintln(p.Out, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
