package grip

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// LinkRel says what a link is for.
type LinkRel string

// The relations of links.
const (
	RelNext LinkRel = "next" // fetched by the proxy to continue the response
	RelGone LinkRel = "gone" // posted to, with an empty body, when the client leaves; Pushpin 1.41 and later
)

// Link is an address that the proxy itself asks (header Grip-Link). It asks
// without the client's headers and cookies, so the URI has to carry all that
// the backend needs.
type Link struct {
	// URI may be relative to the request. Characters that would end the link
	// or split the header are percent-encoded when it is written.
	URI string

	Rel LinkRel

	// Timeout is after how much silence a next link is asked. Zero is the
	// proxy's default of 120 s. A gone link has none.
	Timeout time.Duration
}

// Header is the value of Grip-Link.
func (l Link) Header() (string, error) {
	if err := l.validate(); err != nil {
		return "", fmt.Errorf("link: %w", err)
	}
	value := append([]byte{'<'}, escapeLink(l.URI)...)
	value = append(value, ">; rel="...)
	value = append(value, l.Rel...)
	if l.Timeout != 0 {
		value = append(value, "; timeout="...)
		value = appendSeconds(value, l.Timeout)
	}
	return string(value), nil
}

func (l Link) validate() error {
	switch {
	case l.URI == "":
		return errors.New("no URI")
	case l.Rel != RelNext && l.Rel != RelGone:
		return fmt.Errorf("unknown relation %q", l.Rel)
	case l.Rel == RelGone && l.Timeout != 0:
		return errors.New("a gone link has no timeout")
	}
	return validateTimeout(l.Timeout)
}

// escapeLink percent-encodes every byte that may not stand in a URI, and of
// those that may, the three that proxies take for the header's own: the comma
// and semicolon, at which they cut before they look for brackets, and the quote.
func escapeLink(uri string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(uri) {
		c := uri[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|},;", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
