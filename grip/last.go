package grip

import (
	"fmt"
	"strings"
)

// maxLast bounds how many positions one request may carry. Proxies limit the
// channels of a connection to 20 unless told otherwise.
const maxLast = 10_000

// Last is a position that a proxy holds on one channel of a connection
// (header Grip-Last). It is sent where a next link is followed and where a
// held request is retried.
type Last struct {
	Channel string
	ID      string
}

// ParseLast reads all values of Grip-Last: one channel each, or several joined
// by commas. The order is kept. What no proxy writes is an error.
func ParseLast(values []string) ([]Last, error) {
	var lasts []Last
	for _, value := range values {
		if trimBlanks(value) == "" {
			continue
		}
		for element := range strings.SplitSeq(value, ",") {
			if len(lasts) == maxLast {
				return nil, fmt.Errorf("%s: more than %d channels", HeaderLast, maxLast)
			}
			last, err := parseLast(element)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", HeaderLast, err)
			}
			lasts = append(lasts, last)
		}
	}
	return lasts, nil
}

func parseLast(element string) (Last, error) {
	name, params, _ := strings.Cut(element, ";")
	last := Last{Channel: trimBlanks(name)}
	if !validListText(last.Channel) {
		return Last{}, fmt.Errorf("bad channel %.100q", last.Channel)
	}
	given := false
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(trimBlanks(key), "last-id") {
			continue // a parameter of a later proxy
		}
		if given {
			return Last{}, fmt.Errorf("channel %.100q: last-id is given twice", last.Channel)
		}
		given = true
		last.ID = trimBlanks(value)
	}
	if !given || !validListText(last.ID) {
		return Last{}, fmt.Errorf("channel %.100q: no last-id", last.Channel)
	}
	return last, nil
}
