package channels

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/griphub/griphub/grip"
)

// AppendSSE appends one server-sent event: "event:" unless the type is empty, "id:" unless the id is
// empty, one "data:" per line, and a blank line (HTML Living Standard, section 9.2). CRLF, CR and LF all
// break lines.
func AppendSSE(dst []byte, eventType, id string, data []byte) []byte {
	dst = appendField(dst, "event", eventType)
	dst = appendField(dst, "id", id)
	return appendData(dst, data)
}

// appendField leaves out the bytes that would end the field: what they would begin is nobody's to write.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(dst, name...), ": "...)
	for i := range len(value) {
		if b := value[i]; b != '\r' && b != '\n' && b != 0 {
			dst = append(dst, b)
		}
	}
	return append(dst, '\n')
}

func appendData(dst, data []byte) []byte {
	for {
		line, rest, more := cutLine(data)
		dst = append(dst, "data:"...)
		if len(line) > 0 {
			dst = append(append(dst, ' '), line...)
		}
		dst = append(dst, '\n')
		if !more {
			return append(dst, '\n')
		}
		data = rest
	}
}

func cutLine(data []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(data, "\r\n")
	if i < 0 {
		return data, nil, false
	}
	end := i + 1
	if data[i] == '\r' && end < len(data) && data[end] == '\n' {
		end++
	}
	return data[:i], data[end:], true
}

// A Block is one server-sent event of those that show an event to streams.
type Block struct {
	// Name is the SSE event name; empty for none.
	Name string
	Data []byte
}

// AppendSSE appends the event as streams show it, with the given id.
//
// Events of a user and global events have the form of DjangoRealtime: an unnamed message whose JSON object
// names the type. All others are named by their type. A replay stands right behind an event stream-replay that tells
// so, as its own data has to stay as it is.
//
// Of an event that is shown to nobody only the id is left, which moves a viewer's position and is no event (HTML Living
// Standard, section 9.2.6).
func (e *Event) AppendSSE(dst []byte, id string) []byte { return e.AppendBlocks(dst, e.Blocks(), id) }

// AppendBlocks is AppendSSE for an event that is shown as those blocks; none leave the id alone. The last has the id: a viewer
// that is cut off before it is shown all of them again.
func (e *Event) AppendBlocks(dst []byte, blocks []Block, id string) []byte {
	switch {
	case !e.hidden() && len(blocks) > 0:
		dst = e.appendBeforeID(dst, blocks)
		return appendData(appendField(dst, "id", id), blocks[len(blocks)-1].Data)
	case id == "":
		return dst
	}
	return append(appendField(dst, "id", id), '\n')
}

// appendTemplate is AppendBlocks in the form that the proxy's build-id filter reads: every "%" doubled, and the id left to the
// proxy as "%I".
func (e *Event) appendTemplate(dst []byte, blocks []Block) []byte {
	if e.hidden() || len(blocks) == 0 {
		return append(append(dst, idLine...), '\n')
	}
	dst = append(grip.AppendBuildID(dst, e.appendBeforeID(nil, blocks)), idLine...)
	return grip.AppendBuildID(dst, appendData(nil, blocks[len(blocks)-1].Data))
}

// appendBeforeID appends what is shown before the id.
func (e *Event) appendBeforeID(dst []byte, blocks []Block) []byte {
	dst = e.appendReplay(dst)
	last := len(blocks) - 1
	for _, b := range blocks[:last] {
		// A comment, by which a client of ours knows that the next block is of the same event.
		dst = AppendSSE(append(dst, ":more\n"...), b.Name, "", b.Data)
	}
	return appendField(dst, "event", blocks[last].Name)
}

// Blocks returns the one block of AppendSSE.
func (e *Event) Blocks() []Block {
	name, data := e.streamForm()
	return []Block{{name, data}}
}

// appendReplay appends what tells viewers that the event behind it is one that they may have had already. It has no id: a viewer
// that is cut off between the two is told again. Nothing in it needs to be escaped.
func (e *Event) appendReplay(dst []byte) []byte {
	if e.ReplayOf == 0 {
		return dst
	}
	data := append(e.appendReplayMembers([]byte{'{'}), '}')
	return AppendSSE(dst, "stream-replay", "", data)
}

// appendReplayMembers appends the members of a JSON object that tell what is replayed, and the how manieth time.
func (e *Event) appendReplayMembers(dst []byte) []byte {
	dst = append(append(dst, `"event_id":"`...), e.PublicID()...)
	return strconv.AppendInt(append(dst, `","replay":`...), int64(e.Replay), 10)
}

func (e *Event) streamForm() (name string, data []byte) {
	name, data, raw := e.AsShown()
	if !raw && (e.Scope == ScopeUser || e.Scope == ScopeGlobal) {
		return "", realtimeData(name, data)
	}
	return name, data
}

// realtimeData is the detail object with its key "type" set to the event's type. The rest stays byte for byte, so that
// an event cannot outgrow what a reply may hold.
func realtimeData(eventType string, data []byte) []byte {
	if !isObject(data) {
		// Drafts of these scopes hold objects; what an older version stored is shown as it is.
		return data
	}
	return appendMember(nil, withoutMember(data, "type"), "type", appendJSONString(nil, eventType))
}

// withoutMember returns the valid JSON object without its members of that key. Names and values stay as they are written.
func withoutMember(object []byte, key string) []byte {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		return object
	}
	out := append(make([]byte, 0, len(object)), '{')
	for decoder.More() {
		before := decoder.InputOffset()
		name, err := decoder.Token()
		if err != nil {
			return object
		}
		written := bytes.TrimLeft(object[before:decoder.InputOffset()], ", \t\r\n")
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return object
		}
		if name == key {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, written...), ':'), value...)
	}
	return append(out, '}')
}

// appendMember appends a JSON object with one more member at its end.
func appendMember(dst, object []byte, key string, value []byte) []byte {
	object = bytes.TrimSpace(object)
	body := bytes.TrimSpace(object[1 : len(object)-1])
	dst = append(append(dst, '{'), body...)
	if len(body) > 0 {
		dst = append(dst, ',')
	}
	dst = strconv.AppendQuote(dst, key)
	dst = append(append(dst, ':'), value...)
	return append(dst, '}')
}

// AppendMessage appends the event as WebSocket and polling clients get it in one channel: a JSON object
// with its place in "id" and the place before it in "prev", so that a client can tell whether it missed
// something. Device events are their envelope; others are {"event","channel","data"}. A replay has "event_id" and
// "replay" beside that. An event that is shown to nobody has no message. On a channel of UserDevices the message is the
// data alone, as DeviceRealtimeHub sends it.
func (e *Event) AppendMessage(dst []byte, channel Channel) []byte {
	if strings.HasPrefix(string(channel), devicesPrefix) {
		return append(dst, e.Data...)
	}
	if members := e.envelope(); len(members) > 0 {
		dst = append(append(dst, '{'), members...)
	} else {
		name, data, raw := e.AsShown()
		dst = append(dst, `{"event":`...)
		dst = appendJSONString(dst, name)
		dst = append(dst, `,"channel":`...)
		dst = appendJSONString(dst, string(channel))
		dst = append(dst, `,"data":`...)
		if raw {
			dst = appendJSONString(dst, string(data))
		} else {
			dst = append(dst, data...)
		}
	}
	if e.ReplayOf != 0 {
		dst = e.appendReplayMembers(append(dst, ','))
	}
	if seq := e.Seq(channel); seq > 0 {
		// What escapes a name leaves nothing that JSON has to.
		at := Position{channel, seq}
		dst = Cursor{at}.Append(append(dst, `,"id":"`...))
		dst = Cursor{{channel, e.before(at)}}.Append(append(dst, `","prev":"`...))
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// envelope returns the members of a device event's object, nil for other events.
func (e *Event) envelope() []byte {
	_, data, raw := e.AsShown()
	data = bytes.TrimSpace(data)
	if e.Device == (DeviceRef{}) || raw || !isObject(data) {
		return nil
	}
	return bytes.TrimSpace(data[1 : len(data)-1])
}

func appendJSONString(dst []byte, s string) []byte {
	if strings.IndexFunc(s, notPlain) < 0 {
		return append(append(append(dst, '"'), s...), '"')
	}
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	return append(dst, quoted...)
}

// notPlain tells that the character is not itself in every JSON string.
func notPlain(r rune) bool { return r < ' ' || r >= 0x7f || strings.ContainsRune(`"\<>&`, r) }

// AppendBatch appends messages, JSON objects, as a WebSocket of FormBatch gets them: in one array. None is an empty one.
func AppendBatch(dst []byte, messages ...[]byte) []byte {
	dst = append(dst, '[')
	for i, m := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m...)
	}
	return append(dst, ']')
}

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
