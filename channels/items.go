package channels

import (
	"strings"

	"github.com/griphub/griphub/grip"
)

// AppendResetItem appends what tells the viewers of a channel that is not stored that events were lost: the event
// stream-reset. gripChannel is the channel's name at the proxy with the prefix; what is no event channel's name is left out.
func AppendResetItem(dst []grip.Item, gripChannel, prefix string) []grip.Item {
	name, ok := strings.CutPrefix(gripChannel, prefix)
	if !ok {
		return dst
	}
	channel, ok := FromGrip(name)
	if !ok {
		return dst
	}
	lost := append(appendJSONString([]byte(`{"channels":[`), string(channel)), `]}`...)
	message := append(append([]byte(`{"event":"stream-reset","data":`), lost...), '}')
	if name == channel.GripIn(FormBatch) {
		return append(dst, grip.Item{Channel: gripChannel, WSMessage: &grip.WSMessage{Content: AppendBatch(nil, message)}})
	}
	return append(dst, grip.Item{
		Channel:    gripChannel,
		HTTPStream: &grip.HTTPStream{Content: AppendSSE(nil, "stream-reset", "", lost)},
		WSMessage:  &grip.WSMessage{Content: message},
	})
}

// AppendItems appends what is published to a proxy for the event: one item per channel that browsers can
// read, which serves streams, WebSockets and long polls alike. prefix is the deployment's GRIP prefix.
//
// On stored channels the item has the event's number as its id and the number before as its prev-id,
// so that the proxy sees a gap; streams of several stored channels have items of their own (AppendCompositeItems). Long polls
// are told to ask again. An event that is shown to nobody moves streams on and says nothing to others.
func (e *Event) AppendItems(dst []grip.Item, prefix string) []grip.Item {
	blocks := e.Blocks()
	for _, p := range e.Positions {
		switch p.Channel {
		case System:
			continue
		case Kicks:
			if k, ok := e.kick(); ok {
				dst = k.appendItems(dst, prefix)
			}
			continue
		}
		item, ok := e.StreamItem(p, FormEvents, prefix, blocks)
		if !ok {
			continue
		}
		if !e.hidden() {
			item.WSMessage = &grip.WSMessage{Content: e.AppendMessage(make([]byte, 0, len(blocks[0].Data)+frameBytes), p.Channel)}
			item.HTTPResponse = &grip.HTTPResponse{Action: grip.ActionHint}
		}
		dst = append(dst, item)
	}
	return dst
}

// frameBytes is about what an event has around its data.
const frameBytes = 200

// AppendCompositeItems appends the items for streams of several stored channels, one per stored channel that browsers can read. Their
// ids are left to the proxy (build-id), which knows where each viewer stands in the other channels. watched tells whether there may be
// such streams on a GRIP channel.
func (e *Event) AppendCompositeItems(dst []grip.Item, prefix string, watched func(channel string) bool) []grip.Item {
	for _, p := range e.Positions {
		if p.Seq == 0 || p.Channel == System || p.Channel == Kicks || !watched(prefix+p.Channel.GripIn(FormComposite)) {
			continue
		}
		if item, ok := e.StreamItem(p, FormComposite, prefix, e.Blocks()); ok {
			dst = append(dst, item)
		}
	}
	return dst
}

// AppendBatchItems appends the items for WebSockets that take several events in one message, one per channel that browsers can read:
// the array that AppendBatch makes of the event's message, and an empty one of an event that is shown to nobody, which moves the
// proxy on. watched tells whether there may be such WebSockets on a GRIP channel.
func (e *Event) AppendBatchItems(dst []grip.Item, prefix string, watched func(channel string) bool) []grip.Item {
	for _, p := range e.Positions {
		name := prefix + p.Channel.GripIn(FormBatch)
		if p.Channel == System || p.Channel == Kicks || !watched(name) {
			continue
		}
		item := grip.Item{Channel: name, WSMessage: &grip.WSMessage{}}
		e.place(&item, p)
		switch {
		case !e.hidden():
			item.WSMessage.Content = AppendBatch(nil, e.AppendMessage(nil, p.Channel))
		case p.Seq == 0:
			continue
		default:
			item.WSMessage.Content = AppendBatch(nil)
		}
		dst = append(dst, item)
	}
	return dst
}

// place puts on the item of one of the event's channels what is the same for every form: who is passed over, and its place, where it
// has one.
func (e *Event) place(item *grip.Item, p Position) {
	if len(e.SkipUsers) > 0 {
		item.Meta = map[string]string{grip.MetaSkipUsers: strings.Join(e.SkipUsers, ",")}
	}
	if p.Seq > 0 {
		item.ID, item.PrevID = p.Seq.String(), e.before(p).String()
	}
}

// StreamItem returns what is published for the streams of one of the event's channels in one form, where the event is shown
// as those blocks. ok is false where there is nothing to publish.
func (e *Event) StreamItem(p Position, form Form, prefix string, blocks []Block) (item grip.Item, ok bool) {
	item.Channel = prefix + p.Channel.GripIn(form)
	e.place(&item, p)
	if p.Seq == 0 {
		item.HTTPStream = &grip.HTTPStream{Content: e.AppendBlocks(nil, blocks, "")}
		return item, len(item.HTTPStream.Content) > 0
	}
	if form.RendersID() {
		item.HTTPStream = &grip.HTTPStream{Content: e.appendTemplate(nil, blocks), ContentFilters: []string{grip.FilterBuildID}}
	} else {
		size := frameBytes
		for _, b := range blocks {
			size += len(b.Data)
		}
		item.HTTPStream = &grip.HTTPStream{Content: e.AppendBlocks(make([]byte, 0, size), blocks, p.String())}
	}
	return item, true
}

// PlaceOf returns the place of the stored event that the item shows, as the log has it; ok is false for items that show none.
// prefix is the deployment's GRIP prefix.
func PlaceOf(item *grip.Item, prefix string) (place Position, ok bool) {
	name, ok := strings.CutPrefix(item.Channel, prefix)
	if !ok || item.PrevID == "" {
		return Position{}, false
	}
	if place.Channel, ok = FromGrip(name); !ok {
		return Position{}, false
	}
	seq, err := ParseSeq(item.ID)
	place.Seq = seq
	return place, err == nil
}
