package channels

import (
	"strings"
	"time"
)

// An Arrival tells how a draft came to this process, for those who measure how long it takes from there. It is not stored.
type Arrival struct {
	// At is the moment, with a reading of the monotonic clock; zero for one that nobody has noted.
	At time.Time
	// Trace is the sender's trace id, 32 hexadecimal digits; empty for none.
	Trace string
}

// ParseTrace returns the trace id of a traceparent as HTTP headers and MQTT 5's user properties carry it (W3C Trace Context,
// section 3.2), empty where the text is none: whoever cannot read a traceparent has to go on without.
func ParseTrace(traceparent string) string {
	const version00 = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	parts := strings.Split(traceparent[:min(len(traceparent), version00)], "-")
	if len(parts) != 4 || parts[0] == "ff" || parts[0] == "00" && len(traceparent) != version00 {
		return ""
	}
	if len(traceparent) > version00 && traceparent[version00] != '-' {
		return ""
	}
	for i, size := range []int{2, 32, 16, 2} {
		if len(parts[i]) != size || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return ""
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return ""
	}
	return strings.Clone(parts[1])
}
