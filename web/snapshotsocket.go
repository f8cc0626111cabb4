package web

import (
	"bytes"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// snapshot sends the next part of a snapshot and a pong with the place behind it. The connection is subscribed with the
// last part: what happens meanwhile is part of the parts. If the pong says that there is more, the client pings on.
func (k *socket) snapshot(from channels.Cursor) error {
	part, err := k.server.snapshotPart(k.request.Context(), k.channels[0], from, k.principal.User)
	if err != nil {
		return pollProblem(err)
	}
	if part.lost {
		if err := k.reset(k.channels, part.start()); err != nil {
			return err
		}
	}
	place, whole := part.start(), true
	for item := range part.items() {
		message, err := socketItem(item, part)
		if err != nil {
			return err
		}
		if k.size > 0 && k.size+len(message) > maxSocketReply {
			whole = false
			break
		}
		k.send(message)
		place = item.place
	}
	if whole {
		place = part.end()
	}
	_, more := snapshotPlace(place)
	if !more {
		if err := k.subscribe(); err != nil {
			return err
		}
	}
	return k.sendPong(place, more)
}

// socketItem is the item's message. That of a device has its place as its id, as that of an event has.
func socketItem(item snapshotItem, part *snapshotPart) ([]byte, error) {
	if item.event != nil {
		return item.event.AppendMessage(nil, part.channel), nil
	}
	message, err := devices.AppendSnapshot(nil, item.device)
	if err != nil || !part.stored {
		return message, err
	}
	message = append(bytes.TrimSuffix(message, []byte("}")), `,"id":"`...)
	message = item.place.Append(message) // percent-encoded: needs no JSON escapes
	return append(message, `"}`...), nil
}
