package channels_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// buildID does what the proxy's filter build-id does to content: "%I" becomes the id, "%%" a percent sign, and
// anything else after a percent sign is an error, at which the proxy closes the stream.
func buildID(content []byte, id string) (string, error) {
	var bad error
	out := regexp.MustCompile(`(?s)%.?`).ReplaceAllStringFunc(string(content), func(directive string) string {
		switch directive {
		case "%%":
			return "%"
		case "%I":
			return id
		}
		bad = fmt.Errorf("the filter fails at %q", directive)
		return ""
	})
	return out, bad
}

func onlyItem(t *testing.T, e *channels.Event, prefix string) grip.Item {
	t.Helper()
	items := e.AppendItems(nil, prefix)
	if len(items) != 1 {
		t.Fatalf("the event became %d items", len(items))
	}
	return items[0]
}

func TestAnItemServesStreamsSocketsAndPolls(t *testing.T) {
	e := at(7, channels.Draft{Channels: []channels.Channel{"a b"}, Type: "50%", Data: []byte(`{"level":"100%"}`)})
	item := onlyItem(t, e, "")
	if item.Channel != "events-a%20b" || item.ID != "7" || item.PrevID != "6" || item.NoSeq || item.Meta != nil {
		t.Errorf("the item is %+v", item)
	}
	if got, want := string(item.HTTPStream.Content), "event: 50%\nid: a%20b:7\ndata: {\"level\":\"100%\"}\n\n"; got != want {
		t.Errorf("streams get %q, want %q", got, want)
	}
	if got := item.HTTPStream.ContentFilters; got != nil {
		t.Errorf("streams' content filters are %q", got)
	}
	if got, want := string(item.WSMessage.Content), string(e.AppendMessage(nil, "a b")); got != want {
		t.Errorf("sockets get %s, want %s", got, want)
	}
	if item.WSMessage.ContentFilters != nil {
		t.Error("sockets have filters, which they cannot have")
	}
	if item.HTTPResponse.Action != grip.ActionHint {
		t.Errorf("polls get %+v", item.HTTPResponse)
	}
}

// anybody tells of each channel that it may be watched.
func anybody(string) bool { return true }

func TestNothingIsSentForStreamsThatNobodyHas(t *testing.T) {
	e := at(7, channels.Draft{Channels: []channels.Channel{"a", "b"}, Data: []byte("1")})
	e.Positions[1].Seq = 3
	items := e.AppendCompositeItems(nil, "v1-", func(channel string) bool { return channel == "v1-composite-b" })
	if len(items) != 1 || items[0].Channel != "v1-composite-b" || items[0].PrevID != "2" {
		t.Errorf("the items are %+v", items)
	}
}

func TestStreamsOfSeveralChannelsHaveItemsOfTheirOwn(t *testing.T) {
	e := at(7, channels.Draft{Channels: []channels.Channel{"a b", "gauge", channels.System}, Type: "50%", Data: []byte(`{"level":"100%"}`)})
	e.Positions[1].Seq = 0
	items := e.AppendCompositeItems(nil, "v1-", anybody)
	if len(items) != 1 || items[0].Channel != "v1-composite-a%20b" || items[0].ID != "7" || items[0].PrevID != "6" {
		t.Fatalf("the items are %+v", items)
	}
	if got, want := string(items[0].HTTPStream.Content), "event: 50%%\nid: %I\ndata: {\"level\":\"100%%\"}\n\n"; got != want {
		t.Errorf("streams get %q, want %q", got, want)
	}
	if got := items[0].HTTPStream.ContentFilters; len(got) != 1 || got[0] != grip.FilterBuildID {
		t.Errorf("streams' content filters are %q", got)
	}
	if items[0].WSMessage != nil || items[0].HTTPResponse != nil {
		t.Errorf("sockets and polls get %+v", items[0])
	}
}

func TestSocketsThatTakeBatchesHaveItemsOfTheirOwn(t *testing.T) {
	e := at(7, channels.Draft{Channels: []channels.Channel{"a b", "gauge", "watched by nobody", channels.System}, Type: "t", Data: []byte("1"), SkipUsers: []string{"7"}})
	e.Positions[1].Seq = 0
	items := e.AppendBatchItems(nil, "v1-", func(channel string) bool { return channel != "v1-batch-watched%20by%20nobody" })
	if len(items) != 2 || items[0].Channel != "v1-batch-a%20b" || items[0].ID != "7" || items[0].PrevID != "6" || items[1].Channel != "v1-batch-gauge" || items[1].ID != "" {
		t.Fatalf("the items are %+v", items)
	}
	for i, channel := range []channels.Channel{"a b", "gauge"} {
		if got, want := string(items[i].WSMessage.Content), "["+string(e.AppendMessage(nil, channel))+"]"; got != want {
			t.Errorf("sockets get %s, want %s", got, want)
		}
		if items[i].HTTPStream != nil || items[i].HTTPResponse != nil || items[i].Meta[grip.MetaSkipUsers] != "7" {
			t.Errorf("the item is %+v", items[i])
		}
	}
	// What is shown to nobody moves the proxy on, where there is something to move on.
	e.Shown = &channels.Shown{Nobody: true}
	if items := e.AppendBatchItems(nil, "", anybody); len(items) != 2 || items[0].ID != "7" || string(items[0].WSMessage.Content) != "[]" {
		t.Errorf("the items are %+v", items)
	}
	if _, err := grip.AppendItems(nil, items); err != nil {
		t.Error(err)
	}
}

func TestEventsOfUnstoredChannelsHaveNoPlace(t *testing.T) {
	item := onlyItem(t, at(0, channels.Draft{Channels: []channels.Channel{"gauge"}, Type: "data", Data: []byte(`"100%"`)}), "")
	if item.ID != "" || item.PrevID != "" {
		t.Errorf("the item is %q after %q", item.ID, item.PrevID)
	}
	if got, want := string(item.HTTPStream.Content), "event: data\ndata: \"100%\"\n\n"; got != want {
		t.Errorf("streams get %q, want %q", got, want)
	}
	if item.HTTPStream.ContentFilters != nil {
		t.Errorf("streams have the content filters %q", item.HTTPStream.ContentFilters)
	}
}

func TestTheFirstEventFollowsNumberZero(t *testing.T) {
	if item := onlyItem(t, at(1, channels.Draft{Channels: []channels.Channel{"foo"}, Data: []byte("1")}), ""); item.PrevID != "0" {
		t.Errorf("the first event follows %q", item.PrevID)
	}
}

func TestEachChannelHasItsOwnItemAndNumber(t *testing.T) {
	e := at(7, channels.Draft{Channels: []channels.Channel{"iot_pump", "iot_pump_p1", "gauge"}, Type: "data", Data: []byte("1")})
	e.Positions[1].Seq, e.Positions[2].Seq = 3, 0
	items := e.AppendItems([]grip.Item{{Channel: "before"}}, "v1-")
	var got []string
	for _, item := range items {
		got = append(got, item.Channel+" "+item.PrevID+" "+item.ID)
	}
	if want := "before  ,v1-events-iot_pump 6 7,v1-events-iot_pump_p1 2 3,v1-events-gauge  "; strings.Join(got, ",") != want {
		t.Errorf("the items are %q, want %q", got, want)
	}
	if got := string(items[2].WSMessage.Content); !strings.Contains(got, `"id":"iot_pump_p1:3","prev":"iot_pump_p1:2"`) {
		t.Errorf("the second channel's message is %s", got)
	}
}

func TestSkippedUsersAreTheProxysToSkip(t *testing.T) {
	item := onlyItem(t, at(7, channels.Draft{Channels: []channels.Channel{"foo"}, Data: []byte("1"), SkipUsers: []string{"7", "ü 8"}}), "")
	if len(item.Meta) != 1 || item.Meta[grip.MetaSkipUsers] != "7,ü 8" {
		t.Errorf("the item's meta is %q", item.Meta)
	}
}

func TestNothingForTheBackendIsSent(t *testing.T) {
	system := at(7, channels.Draft{Scope: channels.ScopeSystem, Channels: []channels.Channel{channels.System}, Type: "audit", Data: []byte("{}")})
	if items := system.AppendItems(nil, ""); len(items) != 0 {
		t.Errorf("a system event became %+v", items)
	}
	e := at(7, channels.Draft{Channels: []channels.Channel{"foo"}, Type: "a", Data: []byte("1"), Private: []byte(`"SECRET"`), Key: "SECRET"})
	body, err := grip.AppendItems(nil, e.AppendItems(nil, ""))
	if err != nil || strings.Contains(string(body), "SECRET") {
		t.Errorf("the proxy gets %s, %v", body, err)
	}
}

// What a proxy delivers, a reply to a resuming viewer has too, byte for byte.
func TestStreamsShowAPublishedEventAsTheyReplayIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"%", "%I", "%%", "%(a)s", "\n", "\r", "a", "ü", `"`, " ", "data:", "</p>"})
		join := func(label string) string { return strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, label), "") }
		d := channels.Draft{Channels: []channels.Channel{"100% a"}, Type: strings.NewReplacer("\n", "", "\r", "").Replace(join("type"))}
		if d.Raw = rapid.Bool().Draw(t, "raw"); d.Raw {
			d.Data = []byte(join("data"))
		} else {
			d.Data, _ = json.Marshal(map[string]string{"type": join("data")})
		}
		if rapid.Bool().Draw(t, "global") {
			d.Scope, d.Channels = channels.ScopeGlobal, []channels.Channel{channels.Public}
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		e := at(2, d)
		items := e.AppendCompositeItems(e.AppendItems(nil, ""), "", anybody)
		if _, err := grip.AppendItems(nil, items); err != nil || len(items) != 2 {
			t.Fatalf("the control port takes no %+v: %v", items, err)
		}
		alone := string(items[0].HTTPStream.Content)
		if want := string(e.AppendSSE(nil, e.Positions[0].String())); alone != want {
			t.Fatalf("published %q; replayed %q", alone, want)
		}
		got, err := buildID(items[1].HTTPStream.Content, "100%25%20a:2,b:3")
		if want := string(e.AppendSSE(nil, "100%25%20a:2,b:3")); err != nil || got != want {
			t.Fatalf("published %q, %v; replayed %q", got, err, want)
		}
	})
}

func TestTheLargestEventFitsAPublishRequest(t *testing.T) {
	for _, filler := range []string{"a", "<", "\x01", "%", `\`, `"`, "ü", "\u2028"} {
		d := channels.Draft{Channels: []channels.Channel{channels.Channel(text(channels.MaxNameBytes, "%"))}, Type: "t", Raw: true}
		d.Data = text(channels.MaxDataBytes/len(strings.ReplaceAll(filler, "%", "%%")), filler)
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		for range channels.MaxSkipUsers {
			d.SkipUsers = append(d.SkipUsers, string(text(channels.MaxNameBytes, "u")))
		}
		body, err := grip.AppendItems(nil, at(channels.MaxSeq, d).AppendItems(nil, ""))
		if err != nil || len(body) > grip.MaxPublishBody {
			t.Errorf("%d bytes of %q need a request of %d, %v", len(d.Data), filler, len(body), err)
		}
	}
}

func TestViewersOfUnstoredChannelsAreToldOfWhatWasLost(t *testing.T) {
	items := channels.AppendResetItem(nil, "v1-events-100%25%20%22a", "v1-")
	if len(items) != 1 || items[0].Channel != "v1-events-100%25%20%22a" || items[0].ID != "" {
		t.Fatalf("the items are %+v", items)
	}
	events, err := browser(items[0].HTTPStream.Content)
	if want := (seen{Type: "stream-reset", Data: `{"channels":["100% \"a"]}`}); err != nil || len(events) != 1 || events[0] != want {
		t.Errorf("streams see %+v, %v", events, err)
	}
	if got, want := string(items[0].WSMessage.Content), `{"event":"stream-reset","data":{"channels":["100% \"a"]}}`; got != want {
		t.Errorf("sockets get %s, want %s", got, want)
	}
	batching := channels.AppendResetItem(nil, "v1-batch-100%25%20%22a", "v1-")
	if len(batching) != 1 || batching[0].HTTPStream != nil || string(batching[0].WSMessage.Content) != "["+string(items[0].WSMessage.Content)+"]" {
		t.Errorf("sockets that take batches are told %+v", batching)
	}
	if _, err := grip.AppendItems(nil, append(items, batching...)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"events-foo", "v1-user-7", "v1-events-%", "v1-", ""} {
		if items := channels.AppendResetItem(nil, name, "v1-"); len(items) != 0 {
			t.Errorf("%q is told %+v", name, items)
		}
	}
}
