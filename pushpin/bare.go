package pushpin

import (
	"context"

	"github.com/griphub/griphub/grip"
)

// The publish API of Fastly documents content alone, and nothing of the other actions that GRIP has: hints, which make a viewer ask,
// and closing. Whether it takes them is known when it is asked. A proxy that refuses them must not refuse the event that
// carries one for its long polls.

// bare is the messages with their content alone, without those that have none.
func bare(batch []message) []message {
	out := make([]message, 0, len(batch))
	for i := range batch {
		if batch[i].isBare() {
			out = append(out, batch[i])
			continue
		}
		item := bareItem(batch[i].item)
		// A part of what has been encoded before cannot be refused, unless nothing is left.
		if json, err := item.AppendJSON(nil); err == nil {
			out = append(out, message{item, json, batch[i].origin})
		}
	}
	return out
}

// bareItem is the item with its content alone, which may be none.
func bareItem(item grip.Item) grip.Item {
	if item.HTTPStream != nil && !sends(item.HTTPStream.Action) {
		item.HTTPStream = nil
	}
	if item.HTTPResponse != nil && !sends(item.HTTPResponse.Action) {
		item.HTTPResponse = nil
	}
	if item.WSMessage != nil && !sends(item.WSMessage.Action) {
		item.WSMessage = nil
	}
	return item
}

func (m *message) isBare() bool {
	it := &m.item
	return (it.HTTPStream == nil || sends(it.HTTPStream.Action)) &&
		(it.HTTPResponse == nil || sends(it.HTTPResponse.Action)) &&
		(it.WSMessage == nil || sends(it.WSMessage.Action))
}

func sends(a grip.Action) bool { return a == "" || a == grip.ActionSend }

// simplify tries a message that the proxy has refused with its content alone. Where it takes that, it gets nothing else from
// then on.
func (s *sender) simplify(ctx context.Context, refused message) bool {
	if s.bare || refused.isBare() {
		return false
	}
	left := bare([]message{refused})
	if len(left) == 0 || s.port.publish(ctx, body(runs(left, false), nil, nil)) != nil {
		return false
	}
	s.bare = true
	s.log.Warn("the proxy takes events and no hints: its long polls, and kicks, wait for their time")
	return true
}
