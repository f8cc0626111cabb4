package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/griphub/griphub/bench/subject"
)

// Every row runs, with all its programs, on a thousandth of its work. Its figures say nothing.
func TestEveryRowCanBeMeasured(t *testing.T) {
	program, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows(nil) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := &bench{
				options: options{rounds: 1, scale: 0.001, griphub: program}, table: []row{r},
				log: slog.New(slog.DiscardHandler),
			}
			rep, err := b.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range rep.Rows[0].Sides {
				if !s.Sound || len(s.Median.Values) == 0 {
					t.Errorf("%s: %v %v", s.Side, s.Median.Values, s.Failures)
				}
			}
			for _, v := range rep.Rows[0].Verdicts {
				if !v.Known {
					t.Errorf("%s: is of a side that was not measured", v.Bar)
				}
			}
		})
	}
}

func TestAPeerIsMeasuredOverItsURLs(t *testing.T) {
	hub := httptest.NewServer(&tinyHub{viewers: make(map[chan string]string)})
	defer hub.Close()
	file := filepath.Join(t.TempDir(), "peers.json")
	peers, _ := json.Marshal([]subject.Peer{{
		Name: "tiny", StreamURL: hub.URL + "/{channel}", PublishURL: hub.URL + "/{channel}", Body: "data={data}", Authorization: "Bearer me",
	}})
	if err := os.WriteFile(file, peers, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := subject.ReadPeers(file)
	if err != nil {
		t.Fatal(err)
	}
	o := options{rounds: 2, scale: 0.002, griphub: "unused", rows: []string{"fan-out-50"}, sides: []string{"tiny"}}
	table, err := choose(rows(read), o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: o, table: table, log: slog.New(slog.DiscardHandler)}
	rep, err := b.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := rep.Rows[0].Sides[0]; !s.Sound || s.Median.Values[delivered] == 0 || len(s.Rounds) != 2 {
		t.Errorf("%+v", s)
	}
	var out bytes.Buffer
	if err := rep.print(t.Context(), &out, ""); err != nil || !strings.Contains(out.String(), "tiny") || !strings.Contains(out.String(), "not measured") {
		t.Errorf("the table: %v\n%s", err, out.String())
	}
}

func TestRowsAndSidesThatThereAreNotAreMistakes(t *testing.T) {
	for want, o := range map[string]options{
		`no row "nothing"`: {rows: []string{"nothing"}},
		`no side "sqlite" in these rows, which have griphub postgres, griphub sqlite`: {rows: []string{"growth"}, sides: []string{"sqlite"}},
	} {
		if _, err := choose(rows(nil), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
}

// A tinyHub brings what is posted to a path to who streams it.
type tinyHub struct {
	mu      sync.Mutex
	viewers map[chan string]string
}

func (h *tinyHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if r.Header.Get("Authorization") != "Bearer me" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for viewer, path := range h.viewers {
			if path == r.URL.Path {
				viewer <- r.PostFormValue("data")
			}
		}
		return
	}
	events := make(chan string, 1000)
	h.mu.Lock()
	h.viewers[events] = r.URL.Path
	h.mu.Unlock()
	flush := http.NewResponseController(w).Flush
	io.WriteString(w, ":\n\n")
	flush()
	for {
		select {
		case <-r.Context().Done():
			h.mu.Lock()
			delete(h.viewers, events)
			h.mu.Unlock()
			return
		case data := <-events:
			io.WriteString(w, "data: "+data+"\n\n")
			flush()
		}
	}
}

func TestOnlyWhatIsSoundMeetsABar(t *testing.T) {
	with := func(values map[metric]float64) *summary { return summarize("a", []result{{Values: values}}, nil) }
	other := with(map[metric]float64{rate: 1000, p50: 5})
	for name, scene := range map[string]struct {
		bar  bar
		side *summary
		met  bool
	}{
		"enough":                 {atLeast("a", rate, 100), with(map[metric]float64{rate: 100}), true},
		"too little":             {atLeast("a", rate, 100), with(map[metric]float64{rate: 99}), false},
		"enough, with a loss":    {atLeast("a", rate, 100), with(map[metric]float64{rate: 200, lost: 1}), false},
		"enough, with one twice": {atLeast("a", rate, 100), with(map[metric]float64{rate: 200, duplicated: 1}), false},
		"enough, one closed":     {atLeast("a", rate, 100), with(map[metric]float64{rate: 200, closed: 1}), false},
		"as the other":           {atLeast("a", rate, 0).of("b", 0.8, 0), with(map[metric]float64{rate: 800}), true},
		"less than the other":    {atLeast("a", rate, 0).of("b", 0.8, 0), with(map[metric]float64{rate: 799}), false},
		"a little later":         {atMost("a", p50, 0).of("b", 1, 2), with(map[metric]float64{p50: 7}), true},
		"later":                  {atMost("a", p50, 0).of("b", 1, 2), with(map[metric]float64{p50: 7.1}), false},
		"a round failed":         {atLeast("a", rate, 1), summarize("a", []result{{Values: map[metric]float64{rate: 9}}}, []string{"no"}), false},
	} {
		if v := scene.bar.judge(map[string]*summary{"a": scene.side, "b": other}); v.Met != scene.met || !v.Known {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestMediansAndSpreads(t *testing.T) {
	s := summarize("a", []result{
		{Values: map[metric]float64{rate: 3}}, {Values: map[metric]float64{rate: 1}}, {Values: map[metric]float64{rate: 2}},
	}, nil)
	if s.Median.Values[rate] != 2 || s.Least[rate] != 1 || s.Most[rate] != 3 {
		t.Errorf("%+v", s)
	}
	for v, want := range map[float64]string{0: "0", 1: "1", 0.256: "0.26", 12.34: "12.3", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v) is %q, want %q", v, got, want)
		}
	}
}

func TestThePlotIsXML(t *testing.T) {
	rep := newReport(options{rounds: 1, scale: 1})
	r := row{name: "a", title: "a < b", unit: "events", sides: []side{{name: "x & y"}, {name: "z"}}}
	rep.add(r, []*summary{
		summarize("x & y", []result{{Values: map[metric]float64{rate: 5}}}, nil),
		summarize("z", []result{{Values: map[metric]float64{rate: 9, lost: 1}}}, nil),
	})
	decoder := xml.NewDecoder(bytes.NewReader(rep.plot()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, rep.plot())
		}
	}
}

func TestWrongUseIsTold(t *testing.T) {
	for _, args := range [][]string{
		{"--rows", "no-such-row"}, {"--scale", "0"}, {"--scale", "2"}, {"--rounds", "0"}, {"--peers", "/no/such/file"}, {"--nonsense"},
	} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
