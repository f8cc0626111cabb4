package grip

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Channel is a subscription of a held connection (header Grip-Channel).
type Channel struct {
	// Name is the GRIP channel. In a header it cannot carry a comma,
	// semicolon, double quote, control character or blank at either end, since
	// proxies know no quoting there; application/grip-instruct carries any text.
	Name string

	// PrevID is the position that the response's body has brought the client
	// to. A proxy delivers only what follows it and fetches the next link on a
	// gap. Empty leaves the channel without positions. Because Grip-Last
	// repeats both, a PrevID, and the Name of a channel that has one, are
	// restricted as a Name in a header is, in whatever form they travel.
	PrevID string

	// Filters are applied to each item in order; at most [MaxFilters].
	Filters []string
}

// appendHeader appends the channel as an element of Grip-Channel.
func (c Channel) appendHeader(dst []byte) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if !validListText(c.Name) {
		return nil, fmt.Errorf("channel %q cannot stand in a header", c.Name)
	}
	dst = append(dst, c.Name...)
	if c.PrevID != "" {
		dst = append(dst, "; prev-id="...)
		dst = append(dst, c.PrevID...)
	}
	for _, filter := range c.Filters {
		dst = append(dst, "; filter="...)
		dst = append(dst, filter...)
	}
	return dst, nil
}

// appendJSON appends the channel as an element of an instruct's channels.
func (c Channel) appendJSON(dst []byte) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	dst = append(dst, `{"name":`...)
	dst = appendJSONString(dst, c.Name)
	if c.PrevID != "" {
		dst = append(dst, `,"prev-id":`...)
		dst = appendJSONString(dst, c.PrevID)
	}
	if len(c.Filters) > 0 {
		dst = append(dst, `,"filters":`...)
		dst = appendStringList(dst, c.Filters)
	}
	return append(dst, '}'), nil
}

func (c Channel) validate() error {
	if err := validateChannelName(c.Name); err != nil {
		return err
	}
	if c.PrevID != "" && !(validListText(c.PrevID) && validListText(c.Name)) {
		return fmt.Errorf("channel %q with prev-id %q cannot stand in a header", c.Name, c.PrevID)
	}
	if err := validateFilters(c.Filters); err != nil {
		return fmt.Errorf("channel %q: %w", c.Name, err)
	}
	return nil
}

func validateChannelName(name string) error {
	switch {
	case name == "":
		return errors.New("channel has no name")
	case !utf8.ValidString(name):
		return fmt.Errorf("channel %q is not UTF-8", name)
	}
	return nil
}

func validateFilters(filters []string) error {
	if len(filters) > MaxFilters {
		return fmt.Errorf("%d filters are more than %d", len(filters), MaxFilters)
	}
	for _, filter := range filters {
		if !validToken(filter) {
			return fmt.Errorf("filter %q is not a token", filter)
		}
	}
	return nil
}

// validListText reports whether s keeps its meaning as an unquoted part of a
// list such as Grip-Channel. A quote is refused because proxies split lists
// only outside of quotes, so that one would swallow the channels that follow.
func validListText(s string) bool {
	return s != "" && validHeaderValue(s) && !strings.ContainsAny(s, `,;"`)
}
