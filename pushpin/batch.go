package pushpin

import (
	"errors"
	"fmt"
	"slices"

	"github.com/griphub/griphub/grip"
)

const (
	// A batch has at most this many items, not counting what shares one: more gain nothing (measured), and a proxy refuses all
	// of a batch for one.
	batchItems = 100
	// Where much waits, what may share the items of a batch is looked for among this many messages.
	batchReach = 8000
	// A batch has at most this many items of a channel that WebSockets may hold, which lose some of a burst of 100 and none of 50
	// (measured). A stream's queue in Pushpin has 100 places.
	batchChannelItems = 50
	// Events of a channel share an item up to this size, so that a viewer's buffer in the proxy has room for two.
	mergedBytes = 30_000
	// A batch has at most this many bytes of a channel for WebSockets that take several events in one message: five times as many at
	// once are lost to every second viewer (measured). Pushpin cuts messages of more than 16,382 bytes into parts.
	socketBytes = 16_000
)

const (
	bodyHead = `{"items":[`
	bodyTail = `]}`
)

// A message is an item as it is posted. It is encoded once, for all proxies, and never changed.
type message struct {
	item   grip.Item // for merging, repairs and logs
	json   []byte
	origin origin
}

// messageBytes is what a message holds in memory beside its texts, about.
const messageBytes = 800

// size is what the message holds in memory, about.
func (m *message) size() int {
	n := messageBytes + len(m.json)
	if m.item.HTTPStream != nil {
		n += len(m.item.HTTPStream.Content)
	}
	if m.item.WSMessage != nil {
		n += len(m.item.WSMessage.Content)
	}
	return n
}

var errTooLarge = errors.New("larger than a request may be")

// encode makes messages of items, each of which has an origin. An item that a proxy would refuse is handed to refuse instead: one
// of them would spoil the whole batch.
func encode(items []grip.Item, origins []origin, bodyLimit int, refuse func(*grip.Item, error)) []message {
	messages := make([]message, 0, len(items))
	ends := make([]int, 0, len(items))
	size := 0
	for i := range items {
		const escapes, frame = 5, 250 // of content one byte in five; about
		m := message{item: items[i]}
		texts := m.size() - messageBytes
		size += texts + texts/escapes + frame
	}
	buf := make([]byte, 0, size)
	for i := range items {
		item := &items[i]
		start := len(buf)
		var err error
		if buf, err = item.AppendJSON(buf); err != nil {
			refuse(item, err)
			continue
		}
		if size := len(buf) - start; size+len(bodyHead)+len(bodyTail) > bodyLimit {
			buf = buf[:start]
			refuse(item, fmt.Errorf("%d bytes: %w", size, errTooLarge))
			continue
		}
		messages = append(messages, message{item: *item, origin: origins[i]})
		ends = append(ends, len(buf))
	}
	start := 0
	for i, end := range ends {
		messages[i].json = buf[start:end:end]
		start = end
	}
	return messages
}

// A share is what one batch has of a channel.
type share struct {
	most     int  // messages
	messages int  // that each viewer gets, at most; those for streams count one by one, whatever shares an item
	bytes    int  // for WebSockets that take several events in one message
	open     bool // the last message may share an item with the next one
	left     bool // some of the channel waits for another batch, and so does what follows it
}

// takes tells whether the share has room for the message, and counts it then. The first one always has.
func (s *share) takes(m *message) bool {
	messages, bytes := 1, 0
	if m.batched() {
		bytes = len(m.content())
		if s.open && m.mergeable() {
			messages = 0
		}
	}
	if s.left || s.messages > 0 && (s.messages+messages > s.most || s.bytes+bytes > socketBytes) {
		return false
	}
	s.messages += messages
	s.bytes += bytes
	s.open = m.mergeable()
	return true
}

// shares are those of one batch, by channel. ofChannel tells how many messages of a channel there may be.
type shares struct {
	ofChannel func(string) int
	list      map[string]*share
}

func newShares(ofChannel func(string) int) shares {
	return shares{ofChannel, make(map[string]*share)}
}

// of is the share of the message's channel.
func (s shares) of(m *message) *share {
	one := s.list[m.item.Channel]
	if one == nil {
		one = &share{most: s.ofChannel(m.item.Channel)}
		s.list[m.item.Channel] = one
	}
	return one
}

// batchOf tells how many of the waiting messages, at most most, are the next batch. It is always
// one or more if there are any: the rest of a channel that reaches its bound waits, and all
// behind it, so that the order of everything is kept.
func batchOf(waiting []message, most, bodyLimit int, ofChannel func(string) int) int {
	size := len(bodyHead) + len(bodyTail)
	parts := newShares(ofChannel)
	for i := range waiting {
		m := &waiting[i]
		size += len(m.json) + len(",")
		if room := parts.of(m).takes(m); i > 0 && (!room || i == most || size > bodyLimit+len(",")) {
			return i
		}
	}
	return len(waiting)
}

// gather moves what the next batch takes to the front of the waiting, in its order, and tells how many these are: at most so many
// items as batchItems says, and of each channel what can share one of them, up to the bound that ofChannel tells. A proxy that does not
// keep up writes to each viewer seldom then, and much at a time. The order of each channel is kept, and nothing is moved to
// the other side of what is no plain event. scratch is memory that may be used.
func gather(waiting, scratch []message, bodyLimit int, ofChannel func(string) int) (n int, left []message) {
	size, items := len(bodyHead)+len(bodyTail), 0
	parts := newShares(ofChannel)
	left = scratch[:0]
	for i := range waiting {
		m := waiting[i]
		if len(left) > 0 && !m.plain() || size >= bodyLimit {
			break
		}
		of := parts.of(&m)
		own := of.messages == 0 || !m.mergeable()
		bytes := len(m.json) + len(",")
		if size+bytes > bodyLimit && n > 0 || own && items == batchItems || !of.takes(&m) {
			of.left = true
			left = append(left, m)
			continue
		}
		if own {
			items++
		}
		size += bytes
		waiting[n] = m
		n++
	}
	copy(waiting[n:], left)
	clear(left)
	return n, left
}

// body is the request body that carries the runs, whose items merge makes. WebSockets that take one event in a message get nothing of
// them where there are none. The same messages always make the same body, so that what is sent again is known to
// the proxy.
func body(list []run, merge func([]grip.Item) []byte, socketless func(channel string) bool) []byte {
	size := len(bodyHead) + len(bodyTail)
	for _, r := range list {
		for _, m := range r {
			size += len(m.json) + len(",")
		}
	}
	b := append(make([]byte, 0, size), bodyHead...)
	for _, r := range list {
		if len(r) > 1 {
			b = appendMerged(b, r, merge, socketless(r[0].item.Channel))
			continue
		}
		b = append(appendComma(b), r[0].json...)
	}
	return append(b, bodyTail...)
}

func appendComma(b []byte) []byte {
	if len(b) > len(bodyHead) {
		b = append(b, ',')
	}
	return b
}

// A run is messages that share an item.
type run []*message

// runs divides the batch, each run standing where its first message does. Nothing is moved to the other side of what is no plain event,
// such as the end of a stream.
func runs(batch []message, merging bool) []run {
	list := make([]run, 0, len(batch))
	open := make(map[string]int) // the channel's run that may go on
	for i := range batch {
		m := &batch[i]
		if !merging || !m.mergeable() {
			if !m.plain() {
				clear(open)
			}
			delete(open, m.item.Channel)
			list = append(list, run{m})
			continue
		}
		if at, ok := open[m.item.Channel]; ok && list[at].takes(m) {
			list[at] = append(list[at], m)
			continue
		}
		open[m.item.Channel] = len(list)
		list = append(list, run{m})
	}
	return list
}

// plain tells whether the message is an event.
func (m *message) plain() bool {
	return m.item.HTTPStream != nil && m.item.HTTPStream.Action == "" || m.batched()
}

// batched tells whether the message is one for WebSockets alone: those that take several events in one message.
func (m *message) batched() bool {
	return m.item.HTTPStream == nil && m.item.WSMessage != nil && m.item.WSMessage.Action == ""
}

// content is what those are shown whom messages are merged for.
func (m *message) content() []byte {
	if m.batched() {
		return m.item.WSMessage.Content
	}
	return m.item.HTTPStream.Content
}

// mergeable tells whether the message is an event that everybody on its channel is shown.
func (m *message) mergeable() bool {
	it := &m.item
	return it.ID != "" && it.PrevID != "" && !it.NoSeq && it.Meta == nil && it.Size == 0 &&
		m.plain() &&
		(it.HTTPResponse == nil || it.HTTPResponse.Action == grip.ActionHint)
}

// takes tells whether the message goes on where the run ends.
func (r run) takes(m *message) bool {
	last, most := r[len(r)-1], mergedBytes
	if m.batched() {
		most = socketBytes
	}
	size := len(m.content())
	for _, before := range r {
		size += len(before.content())
	}
	return last.item.ID == m.item.PrevID && size <= most && last.batched() == m.batched() && slices.Equal(last.filters(), m.filters())
}

// filters are those of what messages are merged for.
func (m *message) filters() []string {
	if m.batched() {
		return m.item.WSMessage.ContentFilters
	}
	return m.item.HTTPStream.ContentFilters
}

// appendMerged appends one item for all streams and long polls, and, where there are WebSockets, one for each message to them: they show
// a message for each that they get. Where these take several events in one, there is one item for all.
func appendMerged(b []byte, r run, merge func([]grip.Item) []byte, socketless bool) []byte {
	first, last := &r[0].item, &r[len(r)-1].item
	items := make([]grip.Item, len(r))
	whole := grip.Item{Channel: first.Channel, ID: last.ID, PrevID: first.PrevID}
	for i, m := range r {
		items[i] = m.item
		if m.item.HTTPResponse != nil {
			whole.HTTPResponse = m.item.HTTPResponse
		}
	}
	if r[0].batched() {
		whole.WSMessage = &grip.WSMessage{Content: merge(items), ContentFilters: last.WSMessage.ContentFilters}
		return appendItem(b, &whole)
	}
	whole.HTTPStream = &grip.HTTPStream{Content: merge(items), ContentFilters: last.HTTPStream.ContentFilters}
	b = appendItem(b, &whole)
	for i := range items {
		if items[i].WSMessage == nil || socketless {
			continue
		}
		// Its own id, by which the proxy knows it when it is sent again, is beside the sequence.
		b = appendItem(b, &grip.Item{Channel: first.Channel, ID: socketID + items[i].ID, NoSeq: true, WSMessage: items[i].WSMessage})
	}
	return b
}

// socketID stands before the ids of items for WebSockets alone.
const socketID = "ws-"

// appendItem appends an item whose parts have been encoded before, so that it cannot be refused.
func appendItem(b []byte, item *grip.Item) []byte {
	out, err := item.AppendJSON(appendComma(b))
	if err != nil {
		return b
	}
	return out
}
