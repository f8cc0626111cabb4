package grip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Close codes of RFC 6455 section 7.4.1 that backends have use for.
const (
	CloseNormal    = 1000
	CloseGoingAway = 1001
	CloseNoStatus  = 1005 // never sent: what [CloseStatus] says of a close without a code
	ClosePolicy    = 1008
	CloseTooBig    = 1009
	CloseInternal  = 1011
)

// maxControlPayload is the longest payload of a WebSocket control frame, in
// bytes (RFC 6455 section 5.5).
const maxControlPayload = 125

// CloseEvent closes a connection. Code 0 sends no code; other codes must be of
// those that may be sent, and the reason UTF-8 of at most 123 bytes.
func CloseEvent(code int, reason string) (WSEvent, error) {
	if err := validateClose(code, reason); err != nil {
		return WSEvent{}, err
	}
	if code == 0 {
		return WSEvent{Type: EventClose}, nil
	}
	content := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reason)), uint16(code))
	return WSEvent{Type: EventClose, Content: append(content, reason...), HasContent: true}, nil
}

// CloseStatus reads the code and reason of a CLOSE event. One without a code
// is [CloseNoStatus], as RFC 6455 section 7.1.5 has it.
func CloseStatus(e WSEvent) (code int, reason string, err error) {
	switch {
	case e.Type != EventClose:
		return 0, "", fmt.Errorf("%s is not a close", e.Type)
	case len(e.Content) == 0:
		return CloseNoStatus, "", nil
	case len(e.Content) == 1:
		return 0, "", errors.New("close code is cut off")
	case !utf8.Valid(e.Content[2:]):
		return 0, "", errors.New("close reason is not UTF-8")
	}
	return int(binary.BigEndian.Uint16(e.Content)), string(e.Content[2:]), nil
}

// validateClose checks what is to stand in a close frame. Code 0 means none.
func validateClose(code int, reason string) error {
	switch {
	case code == 0 && reason != "":
		return errors.New("close reason without a code")
	case code == 0:
		return nil
	case code < 1000 || code > 4999 || code == 1004 || code == CloseNoStatus || code == 1006 || code == 1015:
		return fmt.Errorf("close code %d may not be sent", code)
	case !utf8.ValidString(reason):
		return errors.New("close reason is not UTF-8")
	case len(reason) > maxControlPayload-2:
		return fmt.Errorf("close reason of %d bytes is longer than %d", len(reason), maxControlPayload-2)
	}
	return nil
}
