package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is what a run has found.
type report struct {
	Machine machine     `json:"machine"`
	Began   time.Time   `json:"began"`
	Scale   float64     `json:"scale"`
	Rounds  int         `json:"rounds"`
	Rows    []reportRow `json:"rows"`
}

type reportRow struct {
	Name     string     `json:"name"`
	Title    string     `json:"title"`
	Unit     string     `json:"unit"`
	Sides    []*summary `json:"sides"`
	Verdicts []verdict  `json:"verdicts"`
}

// A machine is where it was found.
type machine struct {
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	return m
}

func newReport(o options) *report {
	return &report{Machine: thisMachine(), Scale: o.scale, Rounds: o.rounds}
}

func (r *report) add(row row, sides []*summary) {
	bySide := make(map[string]*summary)
	for _, s := range sides {
		bySide[s.Side] = s
	}
	out := reportRow{Name: row.name, Title: row.title, Unit: row.unit, Sides: sides}
	for _, b := range row.bars {
		out.Verdicts = append(out.Verdicts, b.judge(bySide))
	}
	r.Rows = append(r.Rows, out)
}

// publish prints the table and writes the files that were asked for.
func (r *report) publish(ctx context.Context, o options) error {
	if err := r.print(ctx, os.Stdout, o.profiles); err != nil {
		return err
	}
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	if o.plot != "" {
		return os.WriteFile(o.plot, r.plot(), 0o600)
	}
	return nil
}

// columns are the metrics that every row has, in the table's order. Others are told behind them.
var columns = []metric{rate, p50, p99, lost, duplicated, closed}

// print writes the table. The profiles are those of its run.
func (r *report) print(ctx context.Context, out io.Writer, profiles string) error {
	fmt.Fprintf(out, "%d × %s, Linux %s, %s; %d rounds, scale %s: medians and spreads\n",
		r.Machine.Cores, r.Machine.CPU, r.Machine.Kernel, r.Machine.Go, r.Rounds, figure(r.Scale))
	for _, row := range r.Rows {
		fmt.Fprintf(out, "\n%s: %s\n", row.Name, row.Title)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  side\t%s/s\tp50 ms\tp99 ms\tlost\ttwice\tclosed\tmore\tCPU s per million\tRSS MB\n", row.Unit)
		for _, s := range row.Sides {
			s.print(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, s := range row.Sides {
			for _, failure := range s.Failures {
				fmt.Fprintf(out, "  FAILED %s: %s\n", s.Side, failure)
			}
		}
		missed := make(map[string]bool)
		for _, v := range row.Verdicts {
			v.print(out)
			missed[v.Side] = missed[v.Side] || v.Known && !v.Met
		}
		for _, s := range row.Sides {
			if missed[s.Side] {
				s.printBound(ctx, out, profileFile(profiles, row.Name, s.Side))
			}
		}
	}
	return nil
}

func (s *summary) print(w io.Writer) {
	name := s.Side
	if !s.Sound {
		name += " (does not count)"
	}
	fmt.Fprintf(w, "  %s", name)
	for _, m := range columns {
		fmt.Fprintf(w, "\t%s", s.spread(m))
	}
	var more []string
	for _, m := range slices.Sorted(maps.Keys(s.Median.Values)) {
		if m != delivered && !slices.Contains(columns, m) {
			more = append(more, string(m)+" "+s.spread(m))
		}
	}
	var cpu, rss []string
	for _, name := range slices.Sorted(maps.Keys(s.Median.Usage)) {
		use := s.Median.Usage[name]
		cpu = append(cpu, name+" "+figure(use.CPU))
		rss = append(rss, name+" "+figure(use.RSS))
	}
	fmt.Fprintf(w, "\t%s\t%s\t%s\n", strings.Join(more, ", "), strings.Join(cpu, ", "), strings.Join(rss, ", "))
}

// spread writes a metric's median, and its ends where they differ.
func (s *summary) spread(m metric) string {
	v, ok := s.Median.Values[m]
	if !ok {
		return "–"
	}
	least, most := figure(s.Least[m]), figure(s.Most[m])
	if least == most {
		return figure(v)
	}
	return fmt.Sprintf("%s (%s…%s)", figure(v), least, most)
}

func (v verdict) print(out io.Writer) {
	switch {
	case !v.Known:
		fmt.Fprintf(out, "  ?       %s: not measured\n", v.Bar)
	case v.Met:
		fmt.Fprintf(out, "  met     %s: %s (bar %s)\n", v.Bar, figure(v.Got), figure(v.Want))
	default:
		fmt.Fprintf(out, "  NOT MET %s: %s (bar %s)\n", v.Bar, figure(v.Got), figure(v.Want))
	}
}
