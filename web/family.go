package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A family is one of the three wire forms of event streams. They differ in how a stream opens, what keeps it
// alive and how an error looks; events are the same in all, so that one published item serves every
// family.
type family struct {
	// name is the family's in next links and metrics.
	name string
	// opening is what a new stream starts with; id is the cursor, empty where nothing is stored.
	opening func(dst []byte, chans []channels.Channel, id string) []byte
	// keepAlive is what the proxy sends when nothing else was sent for the interval.
	keepAlive []byte
	interval  time.Duration
	// refusal is how an error looks.
	refusal func(refusal) (status int, contentType string, body []byte)
}

// families are the three.
type families struct{ events, device, realtime *family }

// named returns the family of that name, nil where there is none.
func (fs *families) named(name string) *family {
	for _, f := range []*family{fs.events, fs.device, fs.realtime} {
		if f.name == name {
			return f
		}
	}
	return nil
}

// familyDevice is the name of the family of device streams.
const familyDevice = "device"

// A refusal is why a stream is not opened, or ends.
type refusal struct {
	status    int
	condition string
	text      string
	channels  []channels.Channel
}

// ending is what a stream that is held already gets before it ends. The proxy repeats a next link that is answered by
// an error, so the answer is a plain 200.
//
// After a bad link nothing is said: the viewer reconnects, and says anew who it is.
func ending(r refusal) []byte {
	if r.condition == errBadLink.condition {
		return nil
	}
	// Whether the proxy renders this depends on its version; without a "%" it makes no difference.
	data := bytes.ReplaceAll(r.eventData(), []byte("%"), []byte(`\u0025`))
	return channels.AppendSSE(nil, "stream-error", "error", data)
}

const eventStream = "text/event-stream"

// eventsFamily is django-eventstream's: "stream-open", a named keep-alive event, and errors as one
// "stream-error" event in a stream of status 200, whose id stops a native EventSource's reconnects.
func eventsFamily(interval time.Duration) *family {
	return &family{
		name: "events",
		opening: func(dst []byte, _ []channels.Channel, id string) []byte {
			// The padding makes buffering intermediaries let the stream begin.
			dst = append(dst, ':')
			dst = append(dst, strings.Repeat(" ", 2048)...)
			dst = append(dst, "\n\n"...)
			return channels.AppendSSE(dst, "stream-open", id, nil)
		},
		keepAlive: []byte("event: keep-alive\ndata:\n\n"),
		interval:  interval,
		refusal: func(r refusal) (int, string, []byte) {
			if r.condition == errEnded.condition {
				return r.status, "text/plain; charset=utf-8", []byte(r.text + "\n")
			}
			return http.StatusOK, eventStream, channels.AppendSSE(nil, "stream-error", "error", r.eventData())
		},
	}
}

// deviceFamily is django-devicehub's: "connected" with the group's name, and comments as keep-alive. Errors are
// HTTP errors, which stop a native EventSource.
func deviceFamily(interval time.Duration) *family {
	return &family{
		name: familyDevice,
		opening: func(dst []byte, chans []channels.Channel, id string) []byte {
			group, _ := json.Marshal(chans[0]) // a string always has a JSON form
			return channels.AppendSSE(dst, "connected", id, append(append([]byte(`{"group":`), group...), '}'))
		},
		keepAlive: []byte(": keepalive\n\n"),
		interval:  interval,
		refusal:   problemRefusal,
	}
}

// realtimeFamily is DjangoRealtime's: unnamed messages only, the first of type "connected".
func realtimeFamily(interval time.Duration) *family {
	return &family{
		name: "realtime",
		opening: func(dst []byte, _ []channels.Channel, id string) []byte {
			return channels.AppendSSE(dst, "", id, []byte(`{"type": "connected"}`))
		},
		keepAlive: []byte(": heartbeat\n\n"),
		interval:  interval,
		refusal:   problemRefusal,
	}
}

// eventData is the data of a "stream-error" event.
func (r refusal) eventData() []byte {
	data, _ := json.Marshal(struct {
		Condition string             `json:"condition"`
		Text      string             `json:"text"`
		Channels  []channels.Channel `json:"channels,omitempty"`
	}{r.condition, r.text, r.channels}) // strings always have a JSON form
	return data
}

func problemRefusal(r refusal) (int, string, []byte) {
	return r.status, problemType, problemBody(r.status, r.code(), r.text)
}

// code is the refusal's word in the form of an HTTP error, where a visitor without a name is no other case than one with a
// bad token. In a stream's own form both are "forbidden".
func (r *refusal) code() string {
	if r.status == http.StatusUnauthorized {
		return "unauthorized"
	}
	return r.condition
}

// resetEvent tells a viewer that it missed events of the channels which the log no longer has.
func resetEvent(dst []byte, id string, lost []channels.Channel) []byte {
	data, _ := json.Marshal(struct {
		Channels []channels.Channel `json:"channels"`
	}{lost}) // strings always have a JSON form
	return channels.AppendSSE(dst, "stream-reset", id, data)
}
