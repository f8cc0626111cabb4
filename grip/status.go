package grip

import (
	"errors"
	"fmt"
	"strconv"
)

// Status is the status that the client receives, where it differs from the
// response's own (header Grip-Status): instructions by JSON, and next links,
// need a 200 to the proxy. The zero Status changes nothing.
type Status struct {
	Code   int    // 100 to 999
	Reason string // empty means the code's usual phrase
}

// Header is the value of Grip-Status.
func (s Status) Header() (string, error) {
	if err := validateStatus(s.Code, s.Reason); err != nil {
		return "", fmt.Errorf("status: %w", err)
	}
	if s.Reason == "" {
		return strconv.Itoa(s.Code), nil
	}
	return strconv.Itoa(s.Code) + " " + s.Reason, nil
}

func validateStatus(code int, reason string) error {
	if code < 100 || code > 999 {
		return fmt.Errorf("code %d is not 100 to 999", code)
	}
	if !validHeaderValue(reason) {
		return errors.New("reason has bytes that cannot stand in a status line")
	}
	return nil
}
