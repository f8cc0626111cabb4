package channels_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

func TestParseSeqReadsWholeNumbersOnly(t *testing.T) {
	for text, want := range map[string]channels.Seq{
		"0": 0, "1": 1, "42": 42, "0000000000000042": 42, "9007199254740991": channels.MaxSeq,
	} {
		if got, err := channels.ParseSeq(text); err != nil || got != want {
			t.Errorf("ParseSeq(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "٣", "9007199254740992", "18446744073709551616",
		"00000000000000042", strings.Repeat("9", 1<<16), "None",
	} {
		if got, err := channels.ParseSeq(text); err == nil {
			t.Errorf("ParseSeq(%.20q) = %d", text, got)
		}
	}
}

func TestMaxSeqIsWhatJavaScriptCountsExactly(t *testing.T) {
	if n := float64(channels.MaxSeq); channels.Seq(n) != channels.MaxSeq || channels.Seq(n+1) != channels.MaxSeq+1 || channels.Seq(n+2) == channels.MaxSeq+2 {
		t.Errorf("MaxSeq is %d", channels.MaxSeq)
	}
}

func TestParseEventIDRefusesWhatNamesNoEvent(t *testing.T) {
	if id, err := channels.ParseEventID("7"); err != nil || id != 7 || id.String() != "7" {
		t.Errorf("ParseEventID(7) = %d, %v", id, err)
	}
	for _, text := range []string{"", "0", "-1", "x", "9007199254740992"} {
		if id, err := channels.ParseEventID(text); err == nil {
			t.Errorf("ParseEventID(%q) = %d", text, id)
		}
	}
}

func TestParseCursorReadsWhatStreamsSend(t *testing.T) {
	for text, want := range map[string]string{
		"foo:0":              "foo:0",
		"a:3,b:7":            "a:3,b:7",
		"b:7,a:3":            "b:7,a:3",
		"a%20b:1":            "a%20b:1",
		"a%2Cb%3Ac:2":        "a%2Cb%3Ac:2",
		"object/7:5":         "object/7:5",
		"%40user/7:5":        "%40user/7:5",
		"@user/7:5":          "%40user/7:5",
		"f%6Fo:007":          "foo:7",
		"a:9007199254740991": "a:9007199254740991",
		"a:5,b:7,a:4":        "a:4,b:7",
		"a:5,a:4,a:3":        "a:3",
		"a%20b:2,a b:1":      "a%20b:1",
	} {
		cursor, err := channels.ParseCursor(text)
		if err != nil || cursor.String() != want {
			t.Errorf("ParseCursor(%q) = %q, %v; want %q", text, cursor, err, want)
		}
	}
}

func TestParseCursorRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{
		"", "error", ":", ":1", "foo", "foo:", "foo:x", "foo:-1", "foo:1.5", "foo:1,", ",foo:1", "foo:1,,bar:2", "foo:1;bar:2",
		"foo:1, bar:2 ", "foo:1:2", "foo:1,foo:2", "foo:1,f%6fo:2", "foo:1,foo:1", "foo:2,foo:1,foo:1", "foo:2,foo:", "%:1", "%4:1", "%zz:1", "%00:1", "%ff:1", "a\nb:1",
		"foo:9007199254740992", strings.Repeat("a", 256) + ":1", "foo:1" + strings.Repeat(" ", channels.MaxCursorBytes),
	} {
		if cursor, err := channels.ParseCursor(text); err == nil {
			t.Errorf("ParseCursor(%.40q) = %q", text, cursor)
		}
	}
}

func TestCursorsSurviveTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cursor channels.Cursor
		for range rapid.IntRange(1, 10).Draw(t, "channels") {
			c, err := channels.ParseChannel(rapid.StringN(1, 40, 80).Draw(t, "name"))
			if err != nil {
				c = channels.System
			}
			cursor.Set(c, channels.Seq(rapid.Int64Range(0, int64(channels.MaxSeq)).Draw(t, "seq")))
		}
		text := cursor.String()
		if strings.ContainsAny(text, "\r\n\x00 \";") {
			t.Fatalf("%q cannot stand in a header", text)
		}
		again, err := channels.ParseCursor(text)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(cursor) {
			t.Fatalf("%v became %v, %v", cursor, again, err)
		}
		encoded, err := json.Marshal(cursor)
		if err != nil || string(encoded) != strconv.Quote(text) {
			t.Fatalf("as JSON %q is %s, %v", text, encoded, err)
		}
	})
}

func TestSetMovesAPositionOrAddsIt(t *testing.T) {
	var cursor channels.Cursor
	cursor.Set("a", 1)
	cursor.Set("b", 5)
	cursor.Set("a", 2)
	if got := cursor.String(); got != "a:2,b:5" {
		t.Errorf("the cursor is %q", got)
	}
	if seq, ok := cursor.Find("b"); !ok || seq != 5 {
		t.Errorf("b stands at %d, %v", seq, ok)
	}
	if seq, ok := cursor.Find("c"); ok || seq != 0 {
		t.Errorf("c stands at %d, %v", seq, ok)
	}
	if got := channels.Cursor(nil).String(); got != "" {
		t.Errorf("the zero cursor is %q", got)
	}
}

func TestAHostileCursorCostsLittle(t *testing.T) {
	var text strings.Builder
	for i := 0; text.Len() < channels.MaxCursorBytes-8; i++ {
		fmt.Fprintf(&text, "%s:1,", strconv.FormatInt(int64(i), 36))
	}
	hostile := strings.TrimSuffix(text.String(), ",")
	start := time.Now()
	const times = 20
	for range times {
		_, _ = channels.ParseCursor(hostile)
	}
	if each := time.Since(start) / times; each > 100*time.Millisecond {
		t.Errorf("a cursor of %d bytes takes %s", len(hostile), each)
	} else {
		t.Logf("a cursor of %d bytes takes %s", len(hostile), each)
	}
}

// FuzzParseCursor holds that what parses has a canonical text that means the same.
func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"a:3,b:7", "a%20b:1", "error", ":", "%", "a:1,a:1", "@user/7:5", "%40:1", "a:9007199254740991"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cursor, err := channels.ParseCursor(text)
		if err != nil {
			return
		}
		if len(cursor) == 0 || len(cursor) != strings.Count(text, ",")+1 {
			t.Fatalf("%q has %d positions", text, len(cursor))
		}
		for i, p := range cursor {
			if p.Channel == "" || p.Seq < 0 || p.Seq > channels.MaxSeq {
				t.Fatalf("%q holds %v", text, p)
			}
			if seq, ok := cursor.Find(p.Channel); !ok || seq != cursor[i].Seq {
				t.Fatalf("%q names %q twice", text, p.Channel)
			}
		}
		again, err := channels.ParseCursor(cursor.String())
		if err != nil || again.String() != cursor.String() {
			t.Fatalf("%q became %q, then %q, %v", text, cursor, again, err)
		}
	})
}
