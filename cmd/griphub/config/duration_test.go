package config

import (
	"testing"
	"time"
)

func TestDurationsAreWrittenWithUnits(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"300s":   300 * time.Second,
		"1h30m":  90 * time.Minute,
		"100ms":  100 * time.Millisecond,
		"7d":     7 * day,
		"1d12h":  36 * time.Hour,
		"0d":     0,
		"0":      0,
		"36500d": 36500 * day,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-5s", "-1d", "1.5d", "d", "1d5", "1d-5h", "1dd", "200000d", "106751d24h", "1h1d", "soon", "5 s"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestDurationsAreWrittenShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                             "0s",
		10 * time.Second:              "10s",
		5 * time.Minute:               "5m",
		90 * time.Second:              "1m30s",
		24 * time.Hour:                "24h",
		10*time.Hour + 10*time.Minute: "10h10m",
		time.Hour + time.Second:       "1h0m1s",
		100 * time.Millisecond:        "100ms",
	} {
		got := formatDuration(d)
		if again, err := parseDuration(got); got != want || err != nil || again != d {
			t.Errorf("%v is written %s and read %v, %v; want %s", d, got, again, err, want)
		}
	}
}
