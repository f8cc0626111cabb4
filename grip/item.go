package grip

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Item is one message for the subscribers of one channel, as a control port
// takes it. It needs a Channel and at least one format; a proxy delivers to
// each subscriber the format that fits how the subscriber is held.
type Item struct {
	// Channel is the GRIP channel's name. It may be any UTF-8 text, but only a
	// name that [Channel] accepts can be subscribed to by header.
	Channel string

	// ID is the message's id on its channel. A proxy drops an id that it has
	// seen on the channel in the last 60 seconds. Because Grip-Last repeats it,
	// it is restricted as a [Channel]'s PrevID is.
	ID string

	// PrevID is the ID of the message before, by which a proxy notices a gap.
	// It needs an ID.
	PrevID string

	// NoSeq delivers at once, without waiting for the message of PrevID.
	NoSeq bool

	// Size is the size that usage statistics count, in bytes; 0 leaves it to
	// the proxy to use the size of the content.
	Size int

	// Meta is read by filters: skip_users, sender and require_sub among them.
	Meta map[string]string

	HTTPStream   *HTTPStream   // for holds of mode stream
	HTTPResponse *HTTPResponse // for holds of mode response
	WSMessage    *WSMessage    // for WebSocket connections
}

// Action says what an item does to a connection. The empty Action is
// [ActionSend].
type Action string

// The actions of formats.
const (
	ActionSend    Action = "send"    // deliver the content; every format
	ActionHint    Action = "hint"    // fetch the next link for news; HTTPStream and HTTPResponse
	ActionClose   Action = "close"   // close the connection; HTTPStream and WSMessage
	ActionRefresh Action = "refresh" // let the proxy send an empty batch; WSMessage, Pushpin 1.38 and later
)

// HTTPStream is the http-stream format.
type HTTPStream struct {
	Action  Action // send, hint or close
	Content []byte // of send; any bytes, may be empty

	// ContentFilters, where not nil, must be equal, in order, to the content
	// filters of a subscription; a proxy drops the item for all others.
	ContentFilters []string
}

// HTTPResponse is the http-response format, which ends a long-poll.
type HTTPResponse struct {
	Action  Action // send or hint
	Code    int    // 100 to 999; 0 means 200
	Reason  string // empty means the code's usual phrase
	Headers http.Header
	Body    []byte // any bytes, may be empty

	// BodyPatch is a JSON array of patch operations (RFC 6902) that the proxy
	// applies to the body which the hold was given, instead of Body.
	BodyPatch json.RawMessage

	// ContentFilters is as in [HTTPStream].
	ContentFilters []string
}

// WSType is the kind of a WebSocket message.
type WSType string

// The kinds of WebSocket messages. Where none is given, content that is UTF-8
// is text, and other content is binary.
const (
	WSText   WSType = "text"
	WSBinary WSType = "binary"
	WSPing   WSType = "ping"
	WSPong   WSType = "pong"
)

// WSMessage is the ws-message format.
type WSMessage struct {
	Action  Action // send, close or refresh
	Type    WSType // of send
	Content []byte // of send; at most 125 bytes for ping and pong

	// Code and Reason are those of the close frame (RFC 6455 section 7.4);
	// Code 0 leaves both to the proxy.
	Code   int
	Reason string

	// ContentFilters is as in [HTTPStream].
	ContentFilters []string
}

// AppendItems appends the body of a publish request, {"items":[…]}. Control
// ports refuse a whole body for one bad item, so an error names the item and
// leaves dst as it was.
func AppendItems(dst []byte, items []Item) ([]byte, error) {
	out := append(dst, `{"items":[`...)
	for i := range items {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = items[i].AppendJSON(out); err != nil {
			return dst, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return append(out, "]}"...), nil
}

// AppendJSON appends the item as a control port takes it. It refuses what a
// proxy would answer with 400 or drop in silence; dst is then returned as it
// was. Content that is not UTF-8 is carried in base64.
func (it *Item) AppendJSON(dst []byte) ([]byte, error) {
	if err := it.validate(); err != nil {
		return dst, err
	}
	out := append(dst, `{"channel":`...)
	out = appendJSONString(out, it.Channel)
	if it.ID != "" {
		out = append(out, `,"id":`...)
		out = appendJSONString(out, it.ID)
	}
	if it.PrevID != "" {
		out = append(out, `,"prev-id":`...)
		out = appendJSONString(out, it.PrevID)
	}
	if it.NoSeq {
		out = append(out, `,"no-seq":true`...)
	}
	if it.Size != 0 {
		out = append(out, `,"size":`...)
		out = strconv.AppendInt(out, int64(it.Size), 10)
	}
	if len(it.Meta) > 0 {
		out = append(out, `,"meta":`...)
		out = appendStringMap(out, it.Meta)
	}
	out = append(out, `,"formats":{`...)
	start := len(out)
	var err error
	if it.HTTPStream != nil {
		if out, err = it.HTTPStream.appendJSON(out); err != nil {
			return dst, fmt.Errorf("http-stream: %w", err)
		}
	}
	if it.HTTPResponse != nil {
		out = appendComma(out, start)
		if out, err = it.HTTPResponse.appendJSON(out); err != nil {
			return dst, fmt.Errorf("http-response: %w", err)
		}
	}
	if it.WSMessage != nil {
		out = appendComma(out, start)
		if out, err = it.WSMessage.appendJSON(out); err != nil {
			return dst, fmt.Errorf("ws-message: %w", err)
		}
	}
	return append(out, "}}"...), nil
}

func (it *Item) validate() error {
	switch {
	case it.Channel == "":
		return errors.New("no channel")
	case !utf8.ValidString(it.Channel):
		return errors.New("channel is not UTF-8")
	case it.ID != "" && !validListText(it.ID):
		return fmt.Errorf("id %q cannot stand in a header", it.ID)
	case it.PrevID != "" && !validListText(it.PrevID):
		return fmt.Errorf("prev-id %q cannot stand in a header", it.PrevID)
	case it.PrevID != "" && it.ID == "":
		// A proxy would forget the channel's position and find no gap again.
		return errors.New("prev-id without id")
	case it.Size < 0 || it.Size > maxInt32:
		return fmt.Errorf("size %d is out of range", it.Size)
	case it.HTTPStream == nil && it.HTTPResponse == nil && it.WSMessage == nil:
		return errors.New("no format")
	}
	for name, value := range it.Meta {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("meta %q: name is empty or text is not UTF-8", name)
		}
	}
	return nil
}

// maxInt32 bounds numbers that a proxy reads into a C++ int.
const maxInt32 = 1<<31 - 1

func (f *HTTPStream) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `"http-stream":{`...)
	switch f.Action {
	case "", ActionSend:
		dst = appendContent(dst, "content", f.Content)
		var err error
		if dst, err = appendContentFilters(dst, f.ContentFilters); err != nil {
			return nil, err
		}
	case ActionHint, ActionClose:
		if f.Content != nil || f.ContentFilters != nil {
			return nil, fmt.Errorf("action %s has no content", f.Action)
		}
		dst = appendAction(dst, f.Action)
	default:
		return nil, fmt.Errorf("unknown action %q", f.Action)
	}
	return append(dst, '}'), nil
}

func (f *HTTPResponse) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `"http-response":{`...)
	switch f.Action {
	case "", ActionSend:
		if err := f.validate(); err != nil {
			return nil, err
		}
		if f.Code != 0 {
			dst = append(dst, `"code":`...)
			dst = strconv.AppendInt(dst, int64(f.Code), 10)
			dst = append(dst, ',')
		}
		if f.Reason != "" {
			dst = append(dst, `"reason":`...)
			dst = appendJSONString(dst, f.Reason)
			dst = append(dst, ',')
		}
		if len(f.Headers) > 0 {
			dst = append(dst, `"headers":`...)
			dst = appendHeaders(dst, f.Headers)
			dst = append(dst, ',')
		}
		if f.BodyPatch != nil {
			dst = append(dst, `"body-patch":`...)
			dst = append(dst, f.BodyPatch...)
		} else {
			dst = appendContent(dst, "body", f.Body)
		}
		var err error
		if dst, err = appendContentFilters(dst, f.ContentFilters); err != nil {
			return nil, err
		}
	case ActionHint:
		if f.Code != 0 || f.Reason != "" || f.Headers != nil || f.Body != nil || f.BodyPatch != nil || f.ContentFilters != nil {
			return nil, errors.New("action hint has no content")
		}
		dst = appendAction(dst, f.Action)
	default:
		return nil, fmt.Errorf("unknown action %q", f.Action)
	}
	return append(dst, '}'), nil
}

func (f *HTTPResponse) validate() error {
	if err := validateStatus(cmp.Or(f.Code, http.StatusOK), f.Reason); err != nil {
		return err
	}
	if err := validateHeaders(f.Headers); err != nil {
		return err
	}
	if f.BodyPatch != nil {
		if f.Body != nil {
			return errors.New("both body and body patch are given")
		}
		var patch []json.RawMessage
		if err := json.Unmarshal(f.BodyPatch, &patch); err != nil || patch == nil || !utf8.Valid(f.BodyPatch) {
			return errors.New("body patch is not a JSON array")
		}
	}
	return nil
}

func (f *WSMessage) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `"ws-message":{`...)
	switch f.Action {
	case "", ActionSend:
		return f.appendSend(dst)
	case ActionClose:
		return f.appendClose(dst)
	case ActionRefresh:
		if f.Type != "" || f.Content != nil || f.ContentFilters != nil || f.Code != 0 || f.Reason != "" {
			return nil, errors.New("action refresh has no content")
		}
		return append(appendAction(dst, f.Action), '}'), nil
	}
	return nil, fmt.Errorf("unknown action %q", f.Action)
}

func (f *WSMessage) appendSend(dst []byte) ([]byte, error) {
	if f.Code != 0 || f.Reason != "" {
		return nil, errors.New("code and reason belong to action close")
	}
	if f.Type != "" {
		if err := validateWSContent(f.Type, f.Content); err != nil {
			return nil, err
		}
	}
	switch f.Type {
	case WSBinary:
		dst = appendBase64(dst, "content-bin", f.Content) // implies its type
	case WSPing, WSPong:
		dst = append(dst, `"type":"`...)
		dst = append(dst, f.Type...)
		dst = append(dst, `",`...)
		dst = appendContent(dst, "content", f.Content)
	default:
		dst = appendContent(dst, "content", f.Content) // text, or binary by content-bin
	}
	dst, err := appendContentFilters(dst, f.ContentFilters)
	if err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

func (f *WSMessage) appendClose(dst []byte) ([]byte, error) {
	if f.Type != "" || f.Content != nil || f.ContentFilters != nil {
		return nil, errors.New("action close has no content")
	}
	if err := validateClose(f.Code, f.Reason); err != nil {
		return nil, err
	}
	dst = appendAction(dst, f.Action)
	if f.Code != 0 {
		dst = append(dst, `,"code":`...)
		dst = strconv.AppendInt(dst, int64(f.Code), 10)
	}
	if f.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = appendJSONString(dst, f.Reason)
	}
	return append(dst, '}'), nil
}

func appendAction(dst []byte, a Action) []byte {
	dst = append(dst, `"action":"`...)
	dst = append(dst, a...)
	return append(dst, '"')
}

// appendContentFilters tells nil, no demand, from empty, which demands that
// the subscription has no content filters.
func appendContentFilters(dst []byte, filters []string) ([]byte, error) {
	if filters == nil {
		return dst, nil
	}
	if slices.ContainsFunc(filters, func(f string) bool { return f == "" || !utf8.ValidString(f) }) {
		return nil, errors.New("content filter is empty or not UTF-8")
	}
	dst = append(dst, `,"content-filters":`...)
	return appendStringList(dst, filters), nil
}
