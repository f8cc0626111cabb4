package pushpin

import (
	"errors"
	"fmt"

	"github.com/griphub/griphub/grip"
)

const (
	// A batch has at most this many items: more gain nothing (measured), and a proxy refuses all
	// of a batch for one.
	batchItems = 100
	// A batch has at most this many items of one channel: a session's queue in Pushpin has 100
	// places, and WebSockets lose some of a burst of 100 and none of 50 (measured).
	batchChannelItems = 50
)

const (
	bodyHead = `{"items":[`
	bodyTail = `]}`
)

// A message is an item as it is posted. It is encoded once, for all proxies, and never changed.
type message struct {
	channel, id string // for logs and repairs
	json        []byte
}

var errTooLarge = errors.New("larger than a request may be")

// encode makes messages of items. An item that a proxy would refuse is handed to refuse instead: one
// of them would spoil the whole batch.
func encode(items []grip.Item, bodyLimit int, refuse func(*grip.Item, error)) []message {
	messages := make([]message, 0, len(items))
	ends := make([]int, 0, len(items))
	var buf []byte
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
		messages = append(messages, message{channel: item.Channel, id: item.ID})
		ends = append(ends, len(buf))
	}
	start := 0
	for i, end := range ends {
		messages[i].json = buf[start:end:end]
		start = end
	}
	return messages
}

// batchOf tells how many of the waiting messages, at most most, are the next batch. It is always
// one or more if there are any: the rest of a channel that reaches its bound waits, and all
// behind it, so that the order of everything is kept.
func batchOf(waiting []message, most, bodyLimit int) int {
	size := len(bodyHead) + len(bodyTail)
	perChannel := make(map[string]int)
	for i, m := range waiting {
		size += len(m.json) + len(",")
		perChannel[m.channel]++
		if i > 0 && (i == most || size > bodyLimit+len(",") || perChannel[m.channel] > batchChannelItems) {
			return i
		}
	}
	return len(waiting)
}

// body is the request body that carries the messages.
func body(batch []message) []byte {
	size := len(bodyHead) + len(bodyTail)
	for _, m := range batch {
		size += len(m.json) + len(",")
	}
	b := append(make([]byte, 0, size), bodyHead...)
	for i, m := range batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m.json...)
	}
	return append(b, bodyTail...)
}
