package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is what a run has found.
type report struct {
	setup    string
	seed     uint64
	faults   []fault
	leftOut  []string
	took     time.Duration
	settled  time.Duration // after the load, until everybody had seen everything
	last     string        // what was waited for last
	restarts []string

	acknowledged, unanswered  int // messages
	stored                    int // events, in all channels
	lost, twice, madeUp, late int // messages
	forgotten, repeated, gone int // messages of which that is excused
	unmade                    int // sightings of events that the log no longer has
	takeover                  *takeover
	viewers                   []seen
	problems                  []string
}

// seen is what viewers of one kind were shown.
type seen struct {
	kind                                             string
	viewers, connections, shown, lost, twice, resets int
}

func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "chaos: %s, seed %d, %d faults in %v, settled %v after the load (%s)\n\n",
		r.setup, r.seed, len(r.faults), r.took.Round(time.Second), r.settled.Round(100*time.Millisecond), r.last)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\t\tcount\tseconds in all")
	type line struct {
		part, name string
		count      int
		lasted     time.Duration
	}
	var lines []*line
	for _, f := range r.faults {
		at := slices.IndexFunc(lines, func(l *line) bool { return l.part == f.way.part && l.name == f.way.name })
		if at < 0 {
			lines = append(lines, &line{part: f.way.part, name: f.way.name})
			at = len(lines) - 1
		}
		lines[at].count++
		lines[at].lasted += f.heal - f.at
	}
	slices.SortFunc(lines, func(a, b *line) int { return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.name, b.name)) })
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\n", l.part, l.name, l.count, l.lasted.Seconds())
	}
	for _, text := range r.leftOut {
		fmt.Fprintf(w, "left out\t%s\n", text)
	}
	w.Flush()

	fmt.Fprintf(&b, "\nmessages: %d acknowledged, %d not; %d places in the log; lost %d, twice %d, made up %d, out of order %d\n",
		r.acknowledged, r.unanswered, r.stored, r.lost, r.twice, r.madeUp, r.late)
	if r.forgotten > 0 {
		fmt.Fprintf(&b, "excused: %d that Mosquitto forgot when it was killed, acknowledged less than %v before\n", r.forgotten, forgettable)
	}
	if r.repeated > 0 {
		fmt.Fprintf(&b, "excused: %d without ids that stand there again, repeated by a Mosquitto that was killed\n", r.repeated)
	}
	if r.takeover != nil {
		fmt.Fprintf(&b, "gone with the database that was replaced: %d, which were shown %d times\n", r.gone, r.unmade)
	}
	b.WriteByte('\n')
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "viewers\tcount\tconnections\tevents shown\tlost\ttwice\tresets\t")
	for _, v := range r.viewers {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", v.kind, v.viewers, v.connections, v.shown, v.lost, v.twice, v.resets)
	}
	w.Flush()
	for _, text := range r.restarts {
		fmt.Fprintf(&b, "%s\n", text)
	}
	const most = 40
	for i, problem := range r.problems {
		if i == most {
			fmt.Fprintf(&b, "… and %d more\n", len(r.problems)-most)
			break
		}
		fmt.Fprintf(&b, "PROBLEM: %s\n", problem)
	}
	return b.String()
}

// view adds what a viewer was shown.
func (r *report) view(kind string, connections int, v *view) {
	at := slices.IndexFunc(r.viewers, func(s seen) bool { return s.kind == kind })
	if at < 0 {
		r.viewers = append(r.viewers, seen{kind: kind})
		at = len(r.viewers) - 1
	}
	s := &r.viewers[at]
	s.viewers++
	s.connections += connections
	s.shown += v.total()
	s.lost += v.lost
	s.twice += v.twice
	s.resets += v.resets
}

func (r *report) problemf(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}
