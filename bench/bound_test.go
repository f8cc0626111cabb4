package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

func TestABarThatIsNotMetShowsWhatBoundsIt(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(profileFile(dir, "busy", "griphub sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < time.Second; {
		spend()
	}
	pprof.StopCPUProfile()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	s := summarize("griphub sqlite", []result{{
		Values: map[metric]float64{rate: 10},
		Usage:  map[string]processUse{"condure": {CPU: 30}, "griphub": {CPU: 69.8}, "zurl": {CPU: 0.2}},
	}}, nil)
	r := newReport(options{})
	r.add(row{name: "busy", title: "much to do", bars: []bar{atLeast("griphub sqlite", rate, 11)}}, []*summary{s})
	var out bytes.Buffer
	if err := r.print(t.Context(), &out, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NOT MET griphub sqlite: rate ≥ 11: 10", "CPU of griphub sqlite: griphub 70 %, condure 30 %\n", "griphub/bench.spend\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}

	out.Reset()
	if err := os.WriteFile(filepath.Join(dir, "busy-griphub-sqlite.pprof"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.print(t.Context(), &out, dir); err != nil || !strings.Contains(out.String(), "its profile cannot be read") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

//go:noinline
func spend() {
	sum := 0
	for i := range 1_000_000 {
		sum += i * i
	}
	spent = sum
}

var spent int
