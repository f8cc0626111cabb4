package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var errNotDuration = errors.New("is not a duration; write a number and a unit, such as 300s, 5m, 24h or 7d")

// parseDuration reads 300s, 1h30m, 7d or 1d12h: what time.ParseDuration reads, with days of 24 hours before it. Nothing
// here is ever negative.
func parseDuration(text string) (time.Duration, error) {
	var total time.Duration
	days, rest, found := strings.Cut(text, "d")
	if !found {
		rest = text
	} else {
		const day = 24 * time.Hour
		n, err := strconv.ParseUint(days, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return 0, errNotDuration
		}
		total = time.Duration(n) * day
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64-total {
		return 0, errNotDuration
	}
	return total + d, nil
}

// formatDuration writes 24h where time.Duration.String writes 24h0m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
