package web

import (
	"net/http"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// maxBatch bounds a message that holds several, in bytes: the proxy sends larger ones in parts, which may be spoiled when one of its own
// parts is killed.
const maxBatch = 16_000

// socketForm reads the query's value batch: FormBatch where the client takes several messages in one, else FormEvents.
func socketForm(r *http.Request) (channels.Form, error) {
	switch r.URL.Query().Get("batch") {
	case "", "0":
		return channels.FormEvents, nil
	case "1":
		return channels.FormBatch, nil
	}
	return "", &refusal{http.StatusBadRequest, "bad-request", "Invalid request: batch: want 1.", nil}
}

// An outbox is what a batch of WebSocket events is answered with.
type outbox struct {
	form channels.Form
	size int // of the messages, about
	list []grip.WSEvent

	// messages are those of FormBatch that are not in the list yet, and bytes their size as one.
	messages [][]byte
	bytes    int
}

// send adds a message to the client.
func (o *outbox) send(message []byte) {
	const frame, bracket, comma = 32, 1, 1
	o.size += len(message) + frame
	if o.form != channels.FormBatch {
		o.put(grip.TextEvent(string(message)))
		return
	}
	if o.bytes+len(message)+comma+bracket > maxBatch {
		o.flush()
	}
	o.messages = append(o.messages, message)
	o.bytes += len(message) + comma
}

// put adds an event behind the messages before it.
func (o *outbox) put(e grip.WSEvent) {
	o.flush()
	o.list = append(o.list, e)
}

// flush makes one message of those that wait.
func (o *outbox) flush() {
	if len(o.messages) > 0 {
		o.list = append(o.list, grip.TextEvent(string(channels.AppendBatch(nil, o.messages...))))
		o.messages, o.bytes = nil, 0
	}
}

// events returns all of it.
func (o *outbox) events() []grip.WSEvent {
	o.flush()
	return o.list
}
