package channels_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

func TestTheEventsOfOneItemHaveEachTheirOwnPlace(t *testing.T) {
	var items []grip.Item
	for seq := channels.Seq(4); seq <= 6; seq++ {
		e := at(seq, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "tick", Data: []byte(`"50%"`)})
		items = e.AppendCompositeItems(items, "x-", anybody)
	}
	got, err := buildID(channels.MergeStreams(items, "x-"), "a%20b:6,c:9")
	if err != nil {
		t.Fatal(err)
	}
	want := "event: tick\nid: a%20b:6,c:9,a%20b:4\ndata: \"50%\"\n\n" +
		"event: tick\nid: a%20b:6,c:9,a%20b:5\ndata: \"50%\"\n\n" +
		"event: tick\nid: a%20b:6,c:9\ndata: \"50%\"\n\n"
	if got != want {
		t.Errorf("viewers get\n%s\nwant\n%s", got, want)
	}
}

// However much of an item a viewer gets, it comes back to the place after what it was shown: nothing is missing then and nothing
// comes twice. The id of an event counts when the event is whole (HTML Living Standard, section 9.2.6).
func TestAViewerThatIsCutOffInAnItemComesBackToItsPlace(t *testing.T) {
	texts := rapid.OneOf(
		rapid.SampledFrom([]string{"id: %I", "x\nid: %I\ny", "%", "%%I", "%(a)I", "\n", "", "a:1,b:2", "data: x"}),
		rapid.StringN(0, 20, 60),
	)
	rapid.Check(t, func(t *rapid.T) {
		const other = 7
		channel := channels.Channel(rapid.SampledFrom([]string{"a", "a b", "x%y", "ü/,:~", "@user/7"}).Draw(t, "channel"))
		first := channels.Seq(rapid.IntRange(1, 1000).Draw(t, "first"))
		count := rapid.IntRange(1, 6).Draw(t, "count")
		var items []grip.Item
		for seq := first; seq < first+channels.Seq(count); seq++ {
			e := at(seq, channels.Draft{
				Channels: []channels.Channel{channel}, Raw: true,
				Type: strings.ReplaceAll(texts.Draw(t, "type"), "\x00", ""), Data: []byte(texts.Draw(t, "data")),
			})
			items = e.AppendCompositeItems(items, "", anybody)
		}
		last := channels.Cursor{{Channel: channel, Seq: first + channels.Seq(count) - 1}, {Channel: "other", Seq: other}}
		text, err := buildID(channels.MergeStreams(items, ""), last.String())
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		events, _ := browser([]byte(text[:cut])) // it ends somewhere
		if cut == len(text) && len(events) != count {
			t.Fatalf("the whole item shows %d events of %d:\n%s", len(events), count, text)
		}
		for i, e := range events {
			cursor, err := channels.ParseCursor(e.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := channels.Cursor{{Channel: channel, Seq: first + channels.Seq(i)}, {Channel: "other", Seq: other}}
			if cursor.String() != want.String() {
				t.Fatalf("event %d stands at %s, want %s", i, cursor, want)
			}
		}
	})
}

func TestWhatHasNoPlaceIsMergedAsItIs(t *testing.T) {
	var items []grip.Item
	for range 2 {
		items = append(items, onlyItem(t, at(0, channels.Draft{Channels: []channels.Channel{"a"}, Type: "t", Data: []byte("1")}), ""))
	}
	if got, want := string(channels.MergeStreams(items, "")), strings.Repeat("event: t\ndata: 1\n\n", 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// However they come together, a WebSocket that takes several messages at once gets each once, in order.
func TestBatchesHoldEachMessageOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []grip.Item
		var want []string
		for seq := range channels.Seq(rapid.IntRange(1, 6).Draw(t, "count")) {
			e := at(seq+1, channels.Draft{
				Channels: []channels.Channel{"a b"}, Raw: true, Type: "t",
				Data: []byte(rapid.OneOf(rapid.SampledFrom([]string{"", "]", "[", ",", "[]", `"`, "\n"}), rapid.StringN(0, 20, 60)).Draw(t, "data")),
			})
			if rapid.IntRange(0, 3).Draw(t, "shown") == 0 {
				e.Shown = &channels.Shown{Nobody: true}
			} else {
				want = append(want, string(e.AppendMessage(nil, "a b")))
			}
			items = e.AppendBatchItems(items, "x-", anybody)
		}
		var list []json.RawMessage
		if err := json.Unmarshal(channels.MergeBatches(items), &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, string(m))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the messages are %q, want %q", got, want)
		}
	})
}
