package grip

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// HoldMode says how a proxy holds a request (header Grip-Hold).
type HoldMode string

// The ways to hold. The empty mode does not hold.
const (
	HoldResponse HoldMode = "response" // until one item or the timeout answers it: a long-poll
	HoldStream   HoldMode = "stream"   // sending each item as it comes
)

// Hold asks the proxy to keep the connection. The zero Hold does not.
type Hold struct {
	Mode HoldMode

	// Timeout is after how long a response hold is answered with the initial
	// response. Zero is the proxy's default of 55 s; less than 5 s is taken as 5 s.
	Timeout time.Duration
}

func (h Hold) validate() error {
	switch {
	case h.Mode != "" && h.Mode != HoldResponse && h.Mode != HoldStream:
		return fmt.Errorf("unknown hold mode %q", h.Mode)
	case h.Timeout != 0 && h.Mode != HoldResponse:
		return fmt.Errorf("a timeout belongs to hold mode %s", HoldResponse)
	}
	return validateTimeout(h.Timeout)
}

// validateTimeout checks a duration that zero leaves to the proxy.
func validateTimeout(d time.Duration) error {
	if d < 0 || d > math.MaxInt32*time.Second {
		return fmt.Errorf("timeout %s is out of range", d)
	}
	return nil
}

// appendSeconds appends d in whole seconds, rounded up so that a short wish
// does not become zero.
func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendInt(dst, int64((d+time.Second-1)/time.Second), 10)
}
