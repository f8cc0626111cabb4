package grip

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Control messages are events that the proxy keeps for itself, on connections
// that have [WSExtension]. Proxies ignore malformed ones in silence, so these
// functions refuse them.

const controlPrefix = "c:"

// maxControlMessage is the longest control message, in bytes with its prefix:
// Pushpin splits longer texts into frames and ignores control messages that
// are more than one.
const maxControlMessage = 16384

// SubscribeEvent subscribes the connection to a channel. Up to [MaxFilters]
// filters apply; proxies close the connection for more. WebSocket
// subscriptions have no positions, so filters that need them do not work.
func SubscribeEvent(channel string, filters ...string) (WSEvent, error) {
	if err := validateChannelName(channel); err != nil {
		return WSEvent{}, fmt.Errorf("subscribe: %w", err)
	}
	if err := validateFilters(filters); err != nil {
		return WSEvent{}, fmt.Errorf("subscribe to %q: %w", channel, err)
	}
	c := newControl("subscribe")
	c.text("channel", channel)
	if len(filters) > 0 {
		c.json = appendStringList(append(c.json, `,"filters":`...), filters)
	}
	return c.event()
}

// UnsubscribeEvent ends a subscription.
func UnsubscribeEvent(channel string) (WSEvent, error) {
	if err := validateChannelName(channel); err != nil {
		return WSEvent{}, fmt.Errorf("unsubscribe: %w", err)
	}
	c := newControl("unsubscribe")
	c.text("channel", channel)
	return c.event()
}

// DetachEvent frees the backend from the connection: the proxy sends it no
// further events, and goes on delivering what is published.
func DetachEvent() (WSEvent, error) { return newControl("detach").event() }

// SessionEvent makes the connection part of a session; an empty id takes it out.
func SessionEvent(id string) (WSEvent, error) {
	if !utf8.ValidString(id) {
		return WSEvent{}, errors.New("session: id is not UTF-8")
	}
	c := newControl("session")
	if id != "" {
		c.text("id", id)
	}
	return c.event()
}

// SetMetaEvent sets what filters may read of this connection; an empty value
// removes it.
func SetMetaEvent(name, value string) (WSEvent, error) {
	if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
		return WSEvent{}, fmt.Errorf("set-meta %q: name is empty or text is not UTF-8", name)
	}
	c := newControl("set-meta")
	c.text("name", name)
	if value != "" {
		c.text("value", value)
	}
	return c.event()
}

// WSKeepAlive is what the proxy sends by itself on a WebSocket connection. The
// zero WSKeepAlive sends nothing.
type WSKeepAlive struct {
	Type    WSType // empty means text for content that is UTF-8, else binary
	Content []byte // at most 125 bytes for ping and pong

	// Timeout is the time between two; zero is the proxy's default of 55 s.
	Timeout time.Duration

	Mode KeepAliveMode
}

// KeepAliveEvent sets the keep-alive of the connection. The zero WSKeepAlive
// turns it off.
func KeepAliveEvent(k WSKeepAlive) (WSEvent, error) {
	c := newControl("keep-alive")
	off := k.Type == "" && k.Content == nil && k.Timeout == 0 && k.Mode == ""
	if off {
		return c.event()
	}
	if k.Mode != "" && k.Mode != KeepAliveIdle && k.Mode != KeepAliveInterval {
		return WSEvent{}, fmt.Errorf("keep-alive: unknown mode %q", k.Mode)
	}
	if err := c.message(k.Type, k.Content, k.Timeout); err != nil {
		return WSEvent{}, fmt.Errorf("keep-alive: %w", err)
	}
	if k.Mode != "" {
		c.text("mode", string(k.Mode))
	}
	return c.event()
}

// SendDelayedEvent makes the proxy send a message to the client after the
// timeout, or earlier on [FlushDelayedEvent] or a further message to delay. A
// timeout of zero is the proxy's default of 1 s.
func SendDelayedEvent(t WSType, content []byte, timeout time.Duration) (WSEvent, error) {
	c := newControl("send-delayed")
	if err := c.message(t, content, timeout); err != nil {
		return WSEvent{}, fmt.Errorf("send-delayed: %w", err)
	}
	return c.event()
}

// FlushDelayedEvent sends the message of [SendDelayedEvent] now.
func FlushDelayedEvent() (WSEvent, error) { return newControl("flush-delayed").event() }

// control is a control message in the making.
type control struct{ json []byte }

func newControl(kind string) *control {
	return &control{json: appendJSONString([]byte(controlPrefix+`{"type":`), kind)}
}

func (c *control) text(name, value string) {
	c.json = append(c.json, ',')
	c.json = appendJSONString(c.json, name)
	c.json = append(c.json, ':')
	c.json = appendJSONString(c.json, value)
}

// message adds the message that the proxy is to send. The type is always
// written, because proxies send untyped content-bin as text.
func (c *control) message(t WSType, content []byte, timeout time.Duration) error {
	if err := validateTimeout(timeout); err != nil {
		return err
	}
	if t == "" {
		t = WSText
		if !utf8.Valid(content) {
			t = WSBinary
		}
	}
	if err := validateWSContent(t, content); err != nil {
		return err
	}
	c.text("message-type", string(t))
	c.json = append(c.json, ',')
	c.json = appendContent(c.json, "content", content)
	if timeout > 0 {
		c.json = append(c.json, `,"timeout":`...)
		c.json = appendSeconds(c.json, timeout)
	}
	return nil
}

func (c *control) event() (WSEvent, error) {
	c.json = append(c.json, '}')
	if len(c.json) > maxControlMessage {
		return WSEvent{}, fmt.Errorf("control message of %d bytes is longer than %d", len(c.json), maxControlMessage)
	}
	return WSEvent{Type: EventText, Content: c.json, HasContent: true}, nil
}

// validateWSContent checks that a message of the type may have the content.
func validateWSContent(t WSType, content []byte) error {
	switch t {
	case WSText:
		if !utf8.Valid(content) {
			return errors.New("text is not UTF-8")
		}
	case WSPing, WSPong:
		if len(content) > maxControlPayload {
			return fmt.Errorf("%s of %d bytes is longer than %d", t, len(content), maxControlPayload)
		}
	case WSBinary:
	default:
		return fmt.Errorf("unknown type %q", t)
	}
	return nil
}
