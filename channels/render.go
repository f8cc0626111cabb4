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
