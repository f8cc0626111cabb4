package web

import (
	"time"
)

// ParseSince reads a moment in the past: a duration before now such as "24h", or a time in RFC 3339 form.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, badRequest("since: want a duration such as 24h, or a time such as 2025-01-15T12:00:00Z.")
}
