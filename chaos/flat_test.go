package chaos

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// A quantity is something that must not grow.
type quantity struct {
	name, metric string
	unit         float64 // of what is shown
	// slack is the growth in an hour, in units, that is let pass whatever there is.
	slack float64
}

var quantities = []quantity{
	{"resident memory, MB", "process_resident_memory_bytes", 1 << 20, 8},
	{"heap in use, MB", "go_memstats_heap_inuse_bytes", 1 << 20, 4},
	{"goroutines", "go_goroutines", 1, 4},
	{"descriptors", "process_open_fds", 1, 4},
}

// tolerated is the growth in an hour that is let pass as a share of what there is.
const tolerated = 0.05

// A measurement is the value of each quantity at a time since the beginning.
type measurement struct {
	at     time.Duration
	values [4]float64
}

// parseMeasurement reads the text form of Prometheus.
func parseMeasurement(r io.Reader) (m measurement, err error) {
	found := 0
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		i := slices.IndexFunc(quantities, func(q quantity) bool { return q.metric == name })
		if i < 0 {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		m.values[i] = v / quantities[i].unit
		found++
	}
	if found != len(quantities) {
		return m, fmt.Errorf("%d of %d quantities are told", found, len(quantities))
	}
	return m, nil
}

type measurements []measurement

// judge puts a line through each quantity, without the first quarter, in which buffers and caches fill. A quantity has
// grown where the line rises by more in an hour than is tolerated, and surely: by more than twice the error of its rise.
func (all measurements) judge() (table string, grown []string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tat first\tat the end\tleast\tmost\tan hour\t±\ttolerated\t")
	counted := all[len(all)/4:]
	if len(counted) < 8 {
		return "", []string{fmt.Sprintf("%d measurements tell nothing", len(all))}
	}
	for i, q := range quantities {
		hours, values := make([]float64, len(counted)), make([]float64, len(counted))
		for n, m := range counted {
			hours[n], values[n] = m.at.Hours(), m.values[i]
		}
		l := fit(hours, values)
		first, last := l.at(hours[0]), l.at(hours[len(hours)-1])
		most := max(q.slack, tolerated*first)
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%+.1f\t%.1f\t%.1f\t\n",
			q.name, first, last, slices.Min(values), slices.Max(values), l.slope, 2*l.deviation, most)
		if l.slope > most && l.slope > 2*l.deviation {
			grown = append(grown, fmt.Sprintf("%s: grows by %.1f an hour", q.name, l.slope))
		}
	}
	w.Flush()
	return b.String(), grown
}

// A line is the one that is nearest to the points, by least squares.
type line struct {
	intercept, slope float64
	deviation        float64 // standard error of the slope
}

func (l line) at(x float64) float64 { return l.intercept + l.slope*x }

func fit(x, y []float64) (l line) {
	n := float64(len(x))
	var meanX, meanY, xx, xy, rest float64
	for i := range x {
		meanX, meanY = meanX+x[i]/n, meanY+y[i]/n
	}
	for i := range x {
		xx += (x[i] - meanX) * (x[i] - meanX)
		xy += (x[i] - meanX) * (y[i] - meanY)
	}
	l.slope = xy / xx
	l.intercept = meanY - l.slope*meanX
	for i := range x {
		rest += math.Pow(y[i]-l.at(x[i]), 2)
	}
	l.deviation = math.Sqrt(rest / (n - 2) / xx)
	return l
}

func TestWhatGrowsIsTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	made := func(value func(quantity int, hours float64) float64) (all measurements) {
		for at := time.Duration(0); at < time.Hour; at += 15 * time.Second {
			m := measurement{at: at}
			for i := range m.values {
				m.values[i] = value(i, at.Hours())
			}
			all = append(all, m)
		}
		return all
	}
	for name, scene := range map[string]struct {
		all  measurements
		want int
	}{
		"noise":              {made(func(int, float64) float64 { return 50 + 8*rng.NormFloat64() }), 0},
		"a warm-up":          {made(func(_ int, h float64) float64 { return 50 * min(1, 10*h) }), 0},
		"a leak in noise":    {made(func(_ int, h float64) float64 { return 50 + 20*h + 4*rng.NormFloat64() }), len(quantities)},
		"a leak of a few":    {made(func(i int, h float64) float64 { return 20 + float64(i/2)*6*h }), 2},
		"what becomes fewer": {made(func(_ int, h float64) float64 { return 50 - 20*h }), 0},
		"hardly anything":    {made(func(int, float64) float64 { return 50 })[:9], 1},
	} {
		if table, grown := scene.all.judge(); len(grown) != scene.want {
			t.Errorf("%s: got %v, want %d\n%s", name, grown, scene.want, table)
		}
	}
}

func TestMeasurementsAreReadFromMetrics(t *testing.T) {
	m, err := parseMeasurement(strings.NewReader("# TYPE go_goroutines gauge\ngo_goroutines 12\ngo_memstats_heap_inuse_bytes 1.048576e+06\n" +
		"process_open_fds 9\nprocess_resident_memory_bytes 2.097152e+06\nother 7\n"))
	if want := [4]float64{2, 1, 12, 9}; err != nil || m.values != want {
		t.Errorf("got %v, %v, want %v", m.values, err, want)
	}
	if _, err := parseMeasurement(strings.NewReader("go_goroutines 12\n")); err == nil {
		t.Error("an answer without memory is a measurement")
	}
}
