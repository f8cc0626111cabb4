package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestMarksAreFoundWhereverATextIsCut(t *testing.T) {
	var text []byte
	var want []Mark
	for n := range uint64(200) {
		m := Mark{n, Now()}
		want = append(want, m)
		text = append(text, "event: message\nid: a:1\ndata: "...)
		text = append(m.AppendJSON(text, int(n)), "\n\n\"ma"...)
	}
	for range 200 {
		var s scanner
		var got []Mark
		for rest := text; len(rest) > 0; {
			n := 1 + rand.IntN(min(len(rest), 1+rand.IntN(300)))
			s.scan(rest[:n], func(m Mark) { got = append(got, m) })
			rest = rest[n:]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("found %d marks, want %d", len(got), len(want))
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`data: {"mark":"12.345"}`), 9)
	f.Add([]byte(`"mark":"1."mark":"2.3"`), 3)
	f.Add([]byte(`"mark":"`), 1)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		var whole, parts scanner
		var inOne, inTwo []Mark
		whole.scan(text, func(m Mark) { inOne = append(inOne, m) })
		cut = max(0, min(cut, len(text)))
		parts.scan(text[:cut], func(m Mark) { inTwo = append(inTwo, m) })
		parts.scan(text[cut:], func(m Mark) { inTwo = append(inTwo, m) })
		if !slices.Equal(inOne, inTwo) {
			t.Errorf("in one part %v, in two %v", inOne, inTwo)
		}
	})
}

func TestAHistogramIsExactToTwoPercent(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Errorf("the median of nothing is %v", h.Quantile(0.5))
	}
	for i := range 100_000 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{
		0: time.Microsecond, 0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond,
	} {
		if got := h.Quantile(q); got < want || float64(got) > 1.02*float64(want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	for d := time.Duration(1); d > 0; d *= 2 {
		for _, d := range []time.Duration{d - 1, d, d + d/3} {
			if up := upper(bucket(d)); up < d || float64(up) > 1.02*float64(d)+1 {
				t.Errorf("%d lies in the bucket up to %d", d, up)
			}
		}
	}
	h.Reset()
	if h.Count() != 0 {
		t.Error("a reset histogram is not empty")
	}
}
