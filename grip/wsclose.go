package grip

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxControlPayload is the longest payload of a WebSocket control frame, in
// bytes (RFC 6455 section 5.5).
const maxControlPayload = 125

// validateClose checks what is to stand in a close frame. Code 0 means none.
func validateClose(code int, reason string) error {
	switch {
	case code == 0 && reason != "":
		return errors.New("close reason without a code")
	case code == 0:
		return nil
	case code < 1000 || code > 4999 || code == 1004 || code == 1005 || code == 1006 || code == 1015:
		return fmt.Errorf("close code %d may not be sent", code)
	case !utf8.ValidString(reason):
		return errors.New("close reason is not UTF-8")
	case len(reason) > maxControlPayload-2:
		return fmt.Errorf("close reason of %d bytes is longer than %d", len(reason), maxControlPayload-2)
	}
	return nil
}
