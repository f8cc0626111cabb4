package devices

import (
	"strings"
	"time"
)

// timestampLayout is how Python's isoformat writes an aware time, which is what clients of these streams
// have always read. A fraction has six digits or is left out.
const (
	timestampLayout      = "2006-01-02T15:04:05-07:00"
	timestampMicroLayout = "2006-01-02T15:04:05.000000-07:00"
)

// appendTimestamp appends t in ISO 8601 with its offset, to the microsecond.
func appendTimestamp(dst []byte, t time.Time) []byte {
	if t.Nanosecond()/1000 == 0 {
		return t.AppendFormat(dst, timestampLayout)
	}
	return t.AppendFormat(dst, timestampMicroLayout)
}

// timestampLayouts are the forms of ISO 8601 that devices are known to send. Fractions of a second are
// accepted by time.Parse wherever seconds stand.
var timestampLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"20060102T150405Z0700",
	"20060102T150405",
}

// parseTimestamp reads an ISO 8601 date and time. One without an offset is in UTC.
func parseTimestamp(text string) (time.Time, bool) {
	const shortest, longest = len("20060102T150405"), 40
	if len(text) < shortest || len(text) > longest {
		return time.Time{}, false
	}
	if text[10] == ' ' || text[10] == 't' {
		text = text[:10] + "T" + text[11:]
	}
	if body, ok := strings.CutSuffix(text, "z"); ok {
		text = body + "Z"
	}
	for _, layout := range timestampLayouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if _, offset := t.Zone(); offset == 0 {
			t = t.UTC()
		}
		return t, true
	}
	return time.Time{}, false
}
