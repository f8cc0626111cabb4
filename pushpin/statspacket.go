package pushpin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// subPrefix begins the statistics that tell how many subscribers a channel has.
const subPrefix = "sub "

// A subscription is what a statistic "sub" says: how many connections listen to a channel in one way.
type subscription struct {
	channel string
	mode    string // stream, response or ws
	// subscribers is 0 where the last has left.
	subscribers int
	// ttl is how long the statistic holds. Within three quarters of it comes another.
	ttl time.Duration
}

// Bounds of what is believed.
const (
	maxSubscribers = 1 << 30
	maxStatsTTL    = 24 * time.Hour
)

// parseSubscription reads a statistic: "sub ", then "T" and a tnetstring, or "J" and JSON (Pushpin's stats_format).
func parseSubscription(message []byte) (subscription, error) {
	body, ok := bytes.CutPrefix(message, []byte(subPrefix))
	if !ok || len(body) == 0 {
		return subscription{}, errors.New("not a statistic of subscribers")
	}
	var fields struct {
		Channel     string  `json:"channel"`
		Mode        string  `json:"mode"`
		Subscribers float64 `json:"subscribers"`
		TTL         float64 `json:"ttl"`
		Unavailable bool    `json:"unavailable"`
	}
	switch body[0] {
	case 'J':
		if err := json.Unmarshal(body[1:], &fields); err != nil {
			return subscription{}, fmt.Errorf("not JSON: %w", err)
		}
	case 'T':
		err := eachMember(body[1:], func(name string, kind byte, value []byte) (err error) {
			switch {
			case name == "channel" && kind == ',':
				fields.Channel = string(value)
			case name == "mode" && kind == ',':
				fields.Mode = string(value)
			case name == "subscribers" && kind == '#':
				fields.Subscribers, err = strconv.ParseFloat(string(value), 64)
			case name == "ttl" && kind == '#':
				fields.TTL, err = strconv.ParseFloat(string(value), 64)
			case name == "unavailable" && kind == '!':
				fields.Unavailable = string(value) == "true"
			}
			return err
		})
		if err != nil {
			return subscription{}, fmt.Errorf("not a tnetstring: %w", err)
		}
	default:
		return subscription{}, fmt.Errorf("the format %q is not known", body[0])
	}
	s := subscription{channel: fields.Channel, mode: fields.Mode}
	// The comparisons are false for NaN, too.
	switch {
	case s.channel == "" || s.mode == "":
		return subscription{}, errors.New("channel or mode is missing")
	case fields.Unavailable:
		return s, nil
	case !(fields.Subscribers >= 0 && fields.Subscribers <= maxSubscribers):
		return subscription{}, fmt.Errorf("%v subscribers", fields.Subscribers)
	case !(fields.TTL > 0 && fields.TTL <= maxStatsTTL.Seconds()):
		return subscription{}, fmt.Errorf("ttl of %v seconds", fields.TTL)
	}
	s.subscribers = int(fields.Subscribers)
	s.ttl = time.Duration(fields.TTL * float64(time.Second))
	return s, nil
}

// eachMember gives the members of a tnetstring dictionary to take. Values of values are left alone.
func eachMember(text []byte, take func(name string, kind byte, value []byte) error) error {
	kind, members, rest, err := cutTnet(text)
	switch {
	case err != nil:
		return err
	case kind != '}' || len(rest) > 0:
		return errors.New("not one dictionary")
	}
	for len(members) > 0 {
		var name, value []byte
		if kind, name, members, err = cutTnet(members); err != nil {
			return err
		}
		if kind != ',' {
			return errors.New("a name that is not text")
		}
		if kind, value, members, err = cutTnet(members); err != nil {
			return err
		}
		if err := take(string(name), kind, value); err != nil {
			return err
		}
	}
	return nil
}

// cutTnet takes the first value off: its length in decimal, ":", so many bytes, and a letter for its kind
// (tnetstrings.org).
func cutTnet(text []byte) (kind byte, value, rest []byte, err error) {
	const digits = 9
	colon := bytes.IndexByte(text[:min(len(text), digits+1)], ':')
	if colon < 0 {
		return 0, nil, nil, errors.New("a length is missing")
	}
	size, err := strconv.ParseUint(string(text[:colon]), 10, 31)
	text = text[colon+1:]
	if err != nil || size >= uint64(len(text)) {
		return 0, nil, nil, errors.New("a length is wrong")
	}
	return text[size], text[:size], text[size+1:], nil
}
