// Command bench measures griphub beside Pushpin itself, and beside other servers that are given by URL, on the same work in the same
// run. It starts its own Pushpin, Mosquitto and PostgreSQL, and needs nothing but their programs:
//
//	go run ./bench --rows fan-out,devices --rounds 3 --json results.json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/griphub/griphub/bench/subject"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	rows, sides       []string
	rounds            int
	scale             float64
	json, plot, peers string
	profiles          string
	griphub           string
	verbose, list     bool
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rows := flags.String("rows", "", "`names` of the rows to measure, separated by commas; empty for all")
	sides := flags.String("sides", "", "`names` of the sides to measure, separated by commas; empty for all")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each row is measured")
	flags.Float64Var(&o.scale, "scale", 1, "how much of each row's work is done, above 0 and up to 1; bars are for 1")
	flags.StringVar(&o.json, "json", "", "`file` for all results as JSON")
	flags.StringVar(&o.plot, "plot", "", "`file` for a plot as SVG")
	flags.StringVar(&o.profiles, "profiles", "", "`directory` to keep the CPU profiles of griphub in, one for each row and side")
	flags.StringVar(&o.peers, "peers", "", "JSON `file` with other servers to measure")
	flags.StringVar(&o.griphub, "griphub", "", "the griphub `program`; empty builds it")
	flags.BoolVar(&o.verbose, "v", false, "show what the programs log")
	flags.BoolVar(&o.list, "list", false, "list the rows and measure nothing")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.scale <= 0 || o.scale > 1 || o.rounds < 1 {
		return o, fmt.Errorf("want a scale above 0 and up to 1, and at least one round")
	}
	o.rows, o.sides = list(*rows), list(*sides)
	return o, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	var peers []subject.Peer
	if o.peers != "" {
		if peers, err = subject.ReadPeers(o.peers); err != nil {
			return err
		}
	}
	table, err := choose(rows(peers), o)
	if err != nil {
		return err
	}
	if o.list {
		for _, r := range table {
			fmt.Printf("%-16s %s\n", r.name, r.title)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "griphub-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.griphub == "" {
		if o.griphub, err = build(ctx, dir); err != nil {
			return err
		}
	}
	if o.profiles == "" {
		o.profiles = dir
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	b := &bench{
		options: o, table: table, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	// A run that is ended before its time tells what it has found.
	rep, ended := b.run(ctx)
	return errors.Join(rep.publish(context.WithoutCancel(ctx), o), ended)
}

// build makes the griphub that is measured from the same tree.
func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "griphub")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "github.com/griphub/griphub/cmd/griphub").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build griphub: %w\n%s", err, out)
	}
	return program, nil
}

// choose keeps the rows and sides that were asked for.
func choose(table []row, o options) ([]row, error) {
	for _, name := range o.rows {
		if !slices.ContainsFunc(table, func(r row) bool { return r.name == name }) {
			return nil, fmt.Errorf("no row %q; --list shows them", name)
		}
	}
	var chosen []row
	var known []string
	for _, r := range table {
		if len(o.rows) > 0 && !slices.Contains(o.rows, r.name) {
			continue
		}
		for _, s := range r.sides {
			known = append(known, s.name)
		}
		r.sides = slices.DeleteFunc(r.sides, func(s side) bool { return len(o.sides) > 0 && !slices.Contains(o.sides, s.name) })
		chosen = append(chosen, r)
	}
	for _, name := range o.sides {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return nil, fmt.Errorf("no side %q in these rows, which have %s", name, strings.Join(slices.Compact(known), ", "))
		}
	}
	return chosen, nil
}

// A bench measures rows.
type bench struct {
	options options
	table   []row
	log     *slog.Logger
	began   time.Time
}

// A place is where a result belongs.
type place struct{ row, side string }

// run measures every side of every row once in each round, so that what changes on the machine meets all alike. The report is of
// what was measured before ctx ended.
func (b *bench) run(ctx context.Context) (*report, error) {
	b.began = time.Now().UTC()
	results := make(map[place][]result)
	failures := make(map[place][]string)
	for round := range b.options.rounds {
		for _, r := range b.table {
			for _, s := range r.sides {
				at := place{r.name, s.name}
				got, err := b.measure(ctx, r, s)
				switch {
				case ctx.Err() != nil:
					return b.report(results, failures), ctx.Err()
				case err != nil:
					failures[at] = append(failures[at], err.Error())
				default:
					results[at] = append(results[at], got)
				}
				b.log.Info("measured", "round", round+1, "row", r.name, "side", s.name, "values", got.Values, "error", err)
			}
		}
	}
	return b.report(results, failures), nil
}

func (b *bench) report(results map[place][]result, failures map[place][]string) *report {
	rep := newReport(b.options)
	rep.Began = b.began
	for _, r := range b.table {
		var sides []*summary
		for _, s := range r.sides {
			at := place{r.name, s.name}
			if len(results[at])+len(failures[at]) > 0 {
				sides = append(sides, summarize(s.name, results[at], failures[at]))
			}
		}
		if len(sides) > 0 {
			rep.add(r, sides)
		}
	}
	return rep
}

func (b *bench) measure(ctx context.Context, r row, s side) (result, error) {
	site, remove, err := newSite(b.options.griphub, b.log)
	if err != nil {
		return result{}, err
	}
	defer remove()
	m := &measurement{site: site, scale: b.options.scale}
	if b.options.profiles != "" {
		m.profile = profileFile(b.options.profiles, r.name, s.name)
	}
	return s.run(ctx, m)
}
