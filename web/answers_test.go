package web

import (
	"strconv"
	"testing"
	"time"
)

func TestAnswersAreRememberedUpToABound(t *testing.T) {
	now := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	f := &Forward{ttl: time.Hour, now: func() time.Time { return now }, answers: map[string]answer{}}
	fill := func(prefix string, n int) {
		for i := range n {
			f.remember(prefix+strconv.Itoa(i), answer{until: now.Add(time.Minute)})
		}
	}
	fill("a", maxAnswers+1)
	if n := len(f.answers); n > maxAnswers || n < maxAnswers/2 {
		t.Errorf("%d answers are remembered", n)
	}
	fill("a", maxAnswers)
	if n := len(f.answers); n > maxAnswers {
		t.Errorf("%d answers are remembered", n)
	}
	now = now.Add(time.Minute)
	f.answers["b"] = answer{until: now.Add(time.Minute)}
	f.forget()
	if _, kept := f.answers["b"]; len(f.answers) != 1 || !kept {
		t.Errorf("of what is over %d answers stay", len(f.answers))
	}
}
