package channels_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
)

// FuzzParseTrace holds that whatever is taken for a trace id is one, and stands in the text.
func FuzzParseTrace(f *testing.F) {
	for _, seed := range []string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "---", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trace := channels.ParseTrace(text)
		if trace == "" {
			return
		}
		if len(trace) != 32 || strings.Trim(trace, "0123456789abcdef") != "" || !strings.Contains(text, "-"+trace+"-") {
			t.Errorf("%q has the trace %q", text, trace)
		}
	})
}

// FuzzParseEventID holds that an id that is read is positive, and is read again as it is written.
func FuzzParseEventID(f *testing.F) {
	for _, seed := range []string{"1", "9007199254740991", "9007199254740992", "-1", "01", "+1", "", "1e3", " 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := channels.ParseEventID(text)
		if err != nil {
			return
		}
		if again, err := channels.ParseEventID(id.String()); err != nil || again != id || id <= 0 {
			t.Errorf("%q is read as %v, and that as %v, %v", text, id, again, err)
		}
	})
}
