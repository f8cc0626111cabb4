package channels_test

import (
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// Items tell by themselves which event they show, in every form.
func TestTheItemsOfAnEventTellItsPlace(t *testing.T) {
	e := channels.Event{
		Draft:     channels.Draft{Channels: []channels.Channel{"a b", "gauge"}, Data: []byte("1")},
		ID:        5,
		Positions: channels.Cursor{{Channel: "a b", Seq: 7}, {Channel: "gauge"}},
	}
	items := e.AppendItems(nil, "app-")
	items = e.AppendCompositeItems(items, "app-", func(string) bool { return true })
	places := 0
	for i := range items {
		place, ok := channels.PlaceOf(&items[i], "app-")
		if !ok {
			continue
		}
		if places++; place != (channels.Position{Channel: "a b", Seq: 7}) {
			t.Errorf("%s %s shows %v", items[i].Channel, items[i].ID, place)
		}
	}
	if len(items) != 3 || places != 2 {
		t.Errorf("%d of %d items show a place", places, len(items))
	}
	for _, other := range []grip.Item{
		{Channel: "events-a", ID: "1", PrevID: "0"},
		{Channel: "app-kicks", ID: "1", PrevID: "0"},
		{Channel: "app-events-a", ID: "x", PrevID: "0"},
		{Channel: "app-events-a", ID: "1"},
	} {
		if place, ok := channels.PlaceOf(&other, "app-"); ok {
			t.Errorf("%+v shows %v", other, place)
		}
	}
}
