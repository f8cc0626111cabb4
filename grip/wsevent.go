package grip

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// The types of WebSocket-over-HTTP events.
const (
	EventOpen       = "OPEN"       // the first event of a connection, and of its answer
	EventText       = "TEXT"       // a text message
	EventBinary     = "BINARY"     // a binary message
	EventPing       = "PING"       // a ping frame
	EventPong       = "PONG"       // a pong frame
	EventClose      = "CLOSE"      // a close frame, to be answered by one; see [CloseStatus]
	EventDisconnect = "DISCONNECT" // the connection was lost
)

// WSEvent is one event of a WebSocket-over-HTTP body. A body without events is
// a keep-alive.
type WSEvent struct {
	Type    string
	Content []byte

	// HasContent tells empty content from none: with it an empty text message
	// is written "TEXT 0", without it just "TEXT". Pushpin 1.36 writes the
	// latter, so a message without content is to be read as an empty one.
	HasContent bool
}

// maxWSLengthDigits bounds the hexadecimal length of a content; 7 digits are
// 256 MiB and fit any int.
const maxWSLengthDigits = 7

// DecodeWSEvents reads a WebSocket-over-HTTP body. The contents are parts of
// body, not copies. Lengths count bytes. The whole body has to be well formed;
// text is not checked to be UTF-8, so that one bad message cannot take others
// with it.
func DecodeWSEvents(body []byte) ([]WSEvent, error) {
	var events []WSEvent
	for rest := body; len(rest) > 0; {
		event, tail, err := decodeWSEvent(rest)
		if err != nil {
			return nil, fmt.Errorf("WebSocket event %d at byte %d: %w", len(events), len(body)-len(rest), err)
		}
		events = append(events, event)
		rest = tail
	}
	return events, nil
}

func decodeWSEvent(b []byte) (event WSEvent, rest []byte, err error) {
	// A line is a type and perhaps a length, so what has no end within a few
	// bytes is not one, however long the body is.
	const longestLine = len(EventDisconnect) + 1 + maxWSLengthDigits
	end := bytes.Index(b[:min(len(b), longestLine+2)], []byte("\r\n"))
	if end < 0 {
		return WSEvent{}, nil, errors.New("no line")
	}
	name, length, hasContent := bytes.Cut(b[:end], []byte(" "))
	rest = b[end+2:]
	if event.Type = wsEventType(name); event.Type == "" {
		return WSEvent{}, nil, fmt.Errorf("unknown type %q", name)
	}
	switch {
	case !hasContent:
		return event, rest, nil
	case !mayHaveContent(event.Type):
		return WSEvent{}, nil, fmt.Errorf("%s has no content", event.Type)
	}
	n, err := parseWSLength(length)
	if err != nil {
		return WSEvent{}, nil, err
	}
	if len(rest) < n+2 {
		return WSEvent{}, nil, fmt.Errorf("content of %d bytes is cut off", n)
	}
	if rest[n] != '\r' || rest[n+1] != '\n' {
		return WSEvent{}, nil, fmt.Errorf("content of %d bytes does not end in a line end", n)
	}
	event.Content, event.HasContent = rest[:n:n], true
	return event, rest[n+2:], nil
}

// wsEventType is the constant that equals name, or "".
func wsEventType(name []byte) string {
	switch string(name) {
	case EventOpen:
		return EventOpen
	case EventText:
		return EventText
	case EventBinary:
		return EventBinary
	case EventPing:
		return EventPing
	case EventPong:
		return EventPong
	case EventClose:
		return EventClose
	case EventDisconnect:
		return EventDisconnect
	}
	return ""
}

func mayHaveContent(eventType string) bool {
	return eventType != EventOpen && eventType != EventDisconnect
}

// parseWSLength reads hexadecimal digits and nothing else: no sign, no prefix.
func parseWSLength(b []byte) (int, error) {
	if len(b) == 0 || len(b) > maxWSLengthDigits {
		return 0, fmt.Errorf("bad length %q", b)
	}
	n := 0
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, fmt.Errorf("bad length %q", b)
		}
	}
	return n, nil
}

// EncodeWSEvents makes a WebSocket-over-HTTP body.
func EncodeWSEvents(events []WSEvent) ([]byte, error) {
	var body []byte
	for i, event := range events {
		var err error
		if body, err = AppendWSEvent(body, event); err != nil {
			return nil, fmt.Errorf("WebSocket event %d: %w", i, err)
		}
	}
	return body, nil
}

// AppendWSEvent appends one event of a WebSocket-over-HTTP body. Content
// counts where HasContent is set or where it is not empty. On an error dst is
// returned as it was.
func AppendWSEvent(dst []byte, e WSEvent) ([]byte, error) {
	hasContent := e.HasContent || len(e.Content) > 0
	switch {
	case wsEventType([]byte(e.Type)) == "":
		return dst, fmt.Errorf("unknown type %q", e.Type)
	case hasContent && !mayHaveContent(e.Type):
		return dst, fmt.Errorf("%s has no content", e.Type)
	case len(e.Content) >= 1<<(4*maxWSLengthDigits):
		return dst, fmt.Errorf("content of %d bytes is too long", len(e.Content))
	}
	dst = append(dst, e.Type...)
	if hasContent {
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, uint64(len(e.Content)), 16)
		dst = append(dst, "\r\n"...)
		dst = append(dst, e.Content...)
	}
	return append(dst, "\r\n"...), nil
}

// OpenEvent accepts a connection.
func OpenEvent() WSEvent { return WSEvent{Type: EventOpen} }

// TextEvent is a text message to the client, marked by [MessagePrefix] as
// connections with [WSExtension] need it. The content is copied.
func TextEvent(content string) WSEvent {
	return WSEvent{Type: EventText, Content: []byte(MessagePrefix + content), HasContent: true}
}

// BinaryEvent is a binary message to the client, marked as [TextEvent] is. The
// content is copied.
func BinaryEvent(content []byte) WSEvent {
	marked := append([]byte(MessagePrefix), content...)
	return WSEvent{Type: EventBinary, Content: marked, HasContent: true}
}
