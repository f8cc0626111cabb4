package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/griphub/griphub/bench/usage"
)

// A row is one line of the table: a piece of work, those who do it, and what is asked of them.
type row struct {
	name string
	// title says what the work is.
	title string
	// unit is that of the metric rate.
	unit  string
	sides []side
	bars  []bar
}

// A side is one of those who do a row's work.
type side struct {
	name string
	run  func(ctx context.Context, m *measurement) (result, error)
}

// A metric is a number that a measurement yields.
type metric string

const (
	rate       metric = "rate"        // of the row's unit, a second
	p50        metric = "p50_ms"      // latency from the moment at which an event was due
	p99        metric = "p99_ms"      // likewise
	delivered  metric = "delivered"   // events × viewers
	lost       metric = "lost"        // likewise
	duplicated metric = "duplicated"  // likewise
	closed     metric = "closed"      // streams
	refused    metric = "refused"     // attempts to open a stream that failed
	recovery   metric = "recovery_s"  // from the last publish to the last delivery
	opening    metric = "opening_s"   // until all streams were held
	opening99  metric = "opening99_s" // until 99 % of them were
	memory     metric = "memory_mb"   // of griphub, in megabytes
	slowdown   metric = "ratio"       // of the later rate to the earlier one
)

// A result is what one measurement has yielded.
type result struct {
	Values map[metric]float64 `json:"values"`
	// Usage is what each process has used while it was measured.
	Usage map[string]processUse `json:"usage,omitempty"`
}

// processUse is a process's part.
type processUse struct {
	CPU float64 `json:"cpu_s_per_million"` // seconds per million of what the row's rate counts
	RSS float64 `json:"rss_mb"`
}

func newResult() result { return result{Values: make(map[metric]float64)} }

// use notes what the processes have used for n deliveries, or whatever the row counts.
func (r *result) use(between usage.Snapshot, n float64) {
	r.Usage = make(map[string]processUse)
	for name, use := range between {
		cpu := 0.0
		if n > 0 {
			cpu = use.CPU.Seconds() / n * 1e6
		}
		r.Usage[name] = processUse{CPU: cpu, RSS: float64(use.RSS) / 1e6}
	}
}

// sound tells whether the result counts.
func (r *result) sound() bool {
	return r.Values[lost] == 0 && r.Values[duplicated] == 0 && r.Values[closed] == 0
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// A bar is what is asked of a side: that its metric is at least, or at most, a number. Where than names another side, the
// number is times that side's plus plus.
type bar struct {
	side   string
	metric metric
	most   bool
	number float64
	than   string
	times  float64
	plus   float64
}

func atLeast(side string, m metric, number float64) bar {
	return bar{side: side, metric: m, number: number}
}

func atMost(side string, m metric, number float64) bar {
	return bar{side: side, metric: m, most: true, number: number}
}

// of makes the bar a comparison with another side.
func (b bar) of(than string, times, plus float64) bar {
	b.than, b.times, b.plus = than, times, plus
	return b
}

// String says what is asked.
func (b bar) String() string {
	sign := "≥"
	if b.most {
		sign = "≤"
	}
	var of string
	switch {
	case b.than == "":
		of = figure(b.number)
	case b.plus > 0:
		of = fmt.Sprintf("%s's + %s", b.than, figure(b.plus))
	default:
		of = fmt.Sprintf("%s × %s's", figure(b.times), b.than)
	}
	return fmt.Sprintf("%s: %s %s %s", b.side, b.metric, sign, of)
}

// A verdict is how a bar was met.
type verdict struct {
	Bar  string `json:"bar"`
	Side string `json:"side"`
	// Known tells that the sides were measured and sound.
	Known bool    `json:"known"`
	Met   bool    `json:"met"`
	Got   float64 `json:"got"`
	Want  float64 `json:"want"`
}

// judge compares the medians of the row's sides. A comparison with a side that was not sound is one with what it has
// achieved all the same.
func (b bar) judge(sides map[string]*summary) verdict {
	v := verdict{Bar: b.String(), Side: b.side, Want: b.number}
	own, ok := sides[b.side]
	if !ok {
		return v
	}
	if b.than != "" {
		other, ok := sides[b.than]
		if !ok {
			return v
		}
		v.Want = b.times*other.Median.Values[b.metric] + b.plus
	}
	v.Known = true
	v.Got = own.Median.Values[b.metric]
	v.Met = own.Sound && (b.most && v.Got <= v.Want || !b.most && v.Got >= v.Want)
	return v
}

// A summary is what all rounds of one side have yielded.
type summary struct {
	Side   string   `json:"side"`
	Rounds []result `json:"rounds"`
	Median result   `json:"median"`
	// Least and Most are the ends of each value's spread.
	Least map[metric]float64 `json:"least"`
	Most  map[metric]float64 `json:"most"`
	// Sound tells that nothing was lost or duplicated in any round, and no stream closed.
	Sound bool `json:"sound"`
	// Failures are the rounds' errors.
	Failures []string `json:"failures,omitempty"`
}

func summarize(side string, rounds []result, failures []string) *summary {
	s := &summary{
		Side: side, Rounds: rounds, Failures: failures, Median: newResult(),
		Least: make(map[metric]float64), Most: make(map[metric]float64), Sound: len(failures) == 0 && len(rounds) > 0,
	}
	s.Median.Usage = make(map[string]processUse)
	values := make(map[metric][]float64)
	cpu, rss := make(map[string][]float64), make(map[string][]float64)
	for _, r := range rounds {
		s.Sound = s.Sound && r.sound()
		for m, v := range r.Values {
			values[m] = append(values[m], v)
		}
		for name, use := range r.Usage {
			cpu[name], rss[name] = append(cpu[name], use.CPU), append(rss[name], use.RSS)
		}
	}
	for m, all := range values {
		s.Median.Values[m], s.Least[m], s.Most[m] = median(all), slices.Min(all), slices.Max(all)
	}
	for name := range cpu {
		s.Median.Usage[name] = processUse{CPU: median(cpu[name]), RSS: median(rss[name])}
	}
	return s
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// figure writes a number for readers: three digits that matter, thousands apart.
func figure(v float64) string {
	switch {
	case v >= 100:
		text := fmt.Sprintf("%.0f", v)
		var parts []string
		for len(text) > 3 {
			parts = append([]string{text[len(text)-3:]}, parts...)
			text = text[:len(text)-3]
		}
		return strings.Join(append([]string{text}, parts...), ",")
	case v >= 10:
		return fmt.Sprintf("%.3g", v)
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
