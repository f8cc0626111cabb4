package channels_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
)

func TestATraceIsReadWhereThereIsOne(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for traceparent, want := range map[string]string{
		"00-" + trace + "-" + span + "-01":                    trace,
		"00-" + trace + "-" + span + "-00":                    trace,
		"cc-" + trace + "-" + span + "-01-what-will-be":       trace, // of a later version, whose beginning is the same
		"cc-" + trace + "-" + span + "-01":                    trace,
		"":                                                    "",
		"00-" + trace + "-" + span:                            "",
		"00-" + trace + "-" + span + "-01-more":               "",
		"00-" + trace + "-" + span + "-01.":                   "",
		"cc-" + trace + "-" + span + "-01.":                   "",
		"ff-" + trace + "-" + span + "-01":                    "",
		"00-" + strings.ToUpper(trace) + "-" + span + "-01":   "",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":  "",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01": "",
		"00-" + trace[1:] + "--" + span + "-01":               "",
		"00-" + trace + "-" + span + "-0g":                    "",
		strings.Repeat("-", 55):                               "",
	} {
		if got := channels.ParseTrace(traceparent); got != want {
			t.Errorf("%q: %q, want %q", traceparent, got, want)
		}
	}
}
