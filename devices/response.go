package devices

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
)

// readResponse reads a device's answer to a command: JSON, mostly an object with the command's "id", or any text. Whose
// protocol has correlation data may leave the id to it (MQTT 5, section 4.10).
func (r *report) readResponse() error {
	if err := r.readRef(); err != nil {
		return err
	}
	payload := bytes.TrimSpace(r.message.Payload)
	switch {
	case len(payload) > channels.MaxDataBytes:
		return tooLong(payload)
	case !utf8.Valid(payload):
		return errors.New("the answer is neither JSON nor text")
	case len(payload) == 0:
		r.response = []byte("null")
	case json.Valid(payload):
		r.response = payload
	default:
		r.response = appendQuoted(nil, string(payload))
	}
	if isCommandID(r.message.Correlation) {
		r.answered = r.message.Correlation
	}
	var named struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(r.response, &named) == nil && isCommandID(named.ID) {
		r.answered = named.ID
	}
	return nil
}

// responseDraft makes the event of an answer.
func (r *report) responseDraft() (channels.Draft, error) {
	data := []byte(`{"id":`)
	if r.answered == "" {
		data = append(data, "null"...)
	} else {
		data = appendQuoted(data, r.answered)
	}
	data = append(append(data, `,"response":`...), r.response...)
	return r.draft(EventResponse, append(data, '}'))
}

// applyResponse makes the event of an answer. One that the broker has retained is of long ago, and none.
func (p *Processor) applyResponse(f *folding, i int, r *report, device *known) (changed bool, err error) {
	if r.message.Retained {
		return false, nil
	}
	draft, err := r.responseDraft()
	if err != nil {
		return false, err
	}
	if err := p.wake(f, i, r, device); err != nil {
		return false, err
	}
	f.draft(i, draft)
	device.seen(r)
	return true, nil
}
