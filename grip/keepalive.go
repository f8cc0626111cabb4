package grip

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// KeepAliveMode says when keep-alives are sent.
type KeepAliveMode string

// The modes of keep-alives. The empty mode is [KeepAliveIdle].
const (
	KeepAliveIdle     KeepAliveMode = "idle"     // after that much silence
	KeepAliveInterval KeepAliveMode = "interval" // always at that distance
)

// KeepAlive is what the proxy sends by itself while it holds a stream (header
// Grip-Keep-Alive). The zero KeepAlive sends nothing.
type KeepAlive struct {
	// Data is sent as it is; any bytes.
	Data []byte

	// Timeout is the time between two. Zero is the proxy's default of 55 s.
	// Pushpin sends up to one second early, so that clients do not all
	// receive at once.
	Timeout time.Duration

	Mode KeepAliveMode
}

// IsZero reports whether no keep-alive is asked for.
func (k KeepAlive) IsZero() bool { return k.Data == nil && k.Timeout == 0 && k.Mode == "" }

// Header is the value of Grip-Keep-Alive. The format is the most readable one
// that carries Data unharmed.
func (k KeepAlive) Header() (string, error) {
	if err := k.validate(); err != nil {
		return "", fmt.Errorf("keep-alive: %w", err)
	}
	data, format := encodeKeepAlive(k.Data)
	value := []byte(data)
	if format != "raw" {
		value = append(value, "; format="...)
		value = append(value, format...)
	}
	if k.Timeout != 0 {
		value = append(value, "; timeout="...)
		value = appendSeconds(value, k.Timeout)
	}
	if k.Mode != "" {
		value = append(value, "; mode="...)
		value = append(value, k.Mode...)
	}
	return string(value), nil
}

func (k KeepAlive) validate() error {
	switch {
	case len(k.Data) == 0:
		return errors.New("no data")
	case k.Mode != "" && k.Mode != KeepAliveIdle && k.Mode != KeepAliveInterval:
		return fmt.Errorf("unknown mode %q", k.Mode)
	}
	return validateTimeout(k.Timeout)
}

// encodeKeepAlive finds the first format of raw, cstring and base64 that the
// data survives. A proxy cuts the data at its first semicolon and trims it.
func encodeKeepAlive(data []byte) (encoded, format string) {
	text := string(data)
	escaped := strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\n", `\n`).Replace(text)
	switch {
	case !validHeaderValue(escaped) || strings.Contains(escaped, ";"):
		return base64.StdEncoding.EncodeToString(data), "base64"
	case escaped == text:
		return text, "raw"
	}
	return escaped, "cstring"
}
