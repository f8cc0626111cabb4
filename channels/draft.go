package channels

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a draft. They keep every event deliverable: a proxy buffers at most 100,000 bytes of a
// reply that it has to render (GRIP, build-id), so a larger event could be published but never repaired.
const (
	// MaxChannels bounds the channels of one event.
	MaxChannels = 16
	// MaxTypeBytes bounds the event's type.
	MaxTypeBytes = 255
	// MaxDataBytes bounds the data as it is rendered for a viewer: a "%" counts twice, a line break six times.
	MaxDataBytes = 64 << 10
	// MaxSystemBytes bounds private data, and the data of events that only the backend reads.
	MaxSystemBytes = 1 << 20
	// MaxDepth bounds how deep objects and arrays are nested in JSON: many a reader of it calls itself for each level.
	MaxDepth = 64
	// MaxKeyBytes bounds an idempotency key.
	MaxKeyBytes = 255
	// MaxSkipUsers bounds the users that an event skips.
	MaxSkipUsers = 100
)

// An InvalidError tells what is wrong with a draft and where.
type InvalidError struct {
	// Field is the draft's field in the publish API's spelling, such as "channel" or "data".
	Field string
	// Reason completes the sentence "{field}: …".
	Reason string
}

// Error returns "field: reason".
func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Validate tells why the draft cannot be stored and sent, as an *InvalidError, or nil. Publisher calls it for
// every draft; there is no way around it.
func (d *Draft) Validate() error {
	if err := d.validateChannels(); err != nil {
		return err
	}
	if err := d.validateAudience(); err != nil {
		return err
	}
	if err := validateType(d.Type); err != nil {
		return err
	}
	if err := d.validateData(); err != nil {
		return err
	}
	switch {
	case d.Key != "" && d.ReplayOf != 0:
		return invalid("id", "a replay has none of its own")
	case len(d.Key) > MaxKeyBytes:
		return invalid("id", "longer than %d bytes", MaxKeyBytes)
	case !utf8.ValidString(d.Key) || strings.ContainsRune(d.Key, 0):
		return invalid("id", "not UTF-8 text")
	}
	return nil
}

func (d *Draft) validateChannels() error {
	if len(d.Channels) == 0 {
		return invalid("channel", "no channel is named")
	}
	if len(d.Channels) > MaxChannels {
		return invalid("channels", "more than %d", MaxChannels)
	}
	for i, c := range d.Channels {
		if _, err := parseStored(string(c)); err != nil {
			return invalid("channel", "%v", err)
		}
		for _, other := range d.Channels[:i] {
			if c == other {
				return invalid("channels", "%q is named twice", clip(string(c)))
			}
		}
	}
	return nil
}

func (d *Draft) validateAudience() error {
	if err := d.validateScope(); err != nil {
		return err
	}
	for _, named := range []struct{ field, text string }{{"user", d.User}, {"device", d.Device.Type}, {"device", d.Device.ID}} {
		if len(named.text) > MaxNameBytes || !utf8.ValidString(named.text) || strings.ContainsRune(named.text, 0) {
			return invalid(named.field, "not UTF-8 text of at most %d bytes", MaxNameBytes)
		}
	}
	if len(d.SkipUsers) > MaxSkipUsers {
		return invalid("skip_users", "more than %d", MaxSkipUsers)
	}
	for _, u := range d.SkipUsers {
		// The proxy takes them as one comma list.
		if u == "" || len(u) > MaxNameBytes || strings.ContainsAny(u, ",\r\n\x00") || !utf8.ValidString(u) {
			return invalid("skip_users", "%q is not a user's id", clip(u))
		}
	}
	return nil
}

// validateScope sees that the channels are those of the scope, so that no event for one user or for the backend
// stands where others read.
func (d *Draft) validateScope() error {
	var only Channel
	switch d.Scope {
	case "", ScopeChannel:
		for _, c := range d.Channels {
			if c.Internal() {
				return invalid("channel", "%q: %v", clip(string(c)), ErrInternalChannel)
			}
		}
		return nil
	case ScopeUser:
		own, err := User(d.User)
		if err != nil {
			return invalid("user", "%v", err)
		}
		only = own
		if d.Device != (DeviceRef{}) && len(d.Channels) == 2 && d.Channels[0] == own && d.Channels[1] == Channel(devicesPrefix+d.User) {
			return nil // the state of one of the user's devices
		}
	case ScopeGlobal:
		only = Public
	case ScopeSystem:
		if only = System; len(d.Channels) == 1 && d.Channels[0] == Kicks {
			return nil
		}
	default:
		return invalid("scope", "%q is not known", clip(string(d.Scope)))
	}
	if len(d.Channels) != 1 || d.Channels[0] != only {
		return invalid("channel", "events of scope %s are on %q alone", d.Scope, only)
	}
	return nil
}

// reservedTypes are the names that the stream protocol itself sends; an application's event of that name
// would be mistaken for one.
var reservedTypes = []string{"stream-open", "stream-reset", "stream-error", "stream-replay", "keep-alive"}

// ReservedType tells whether the stream protocol itself sends events of that type.
func ReservedType(t string) bool { return slices.Contains(reservedTypes, t) }

func validateType(t string) error {
	if len(t) > MaxTypeBytes {
		return invalid("event", "longer than %d bytes", MaxTypeBytes)
	}
	if strings.ContainsAny(t, "\r\n\x00") || !utf8.ValidString(t) {
		return invalid("event", "holds a line break or is not UTF-8")
	}
	if ReservedType(t) {
		return invalid("event", "%q is reserved by the stream protocol", t)
	}
	return nil
}

func (d *Draft) validateData() error {
	if !utf8.Valid(d.Data) {
		return invalid("data", "not UTF-8")
	}
	if !d.Raw && !json.Valid(d.Data) {
		return invalid("data", "not JSON")
	}
	if !d.Raw && (d.Scope == ScopeUser || d.Scope == ScopeGlobal) && !isObject(d.Data) {
		return invalid("data", "events for users are JSON objects, to which their type is added")
	}
	if size := renderedSize(d.Data); d.Scope != ScopeSystem && size > MaxDataBytes {
		return invalid("data", "%d bytes as sent, the most is %d", size, MaxDataBytes)
	}
	if len(d.Data) > MaxSystemBytes {
		return invalid("data", "longer than %d bytes", MaxSystemBytes)
	}
	if len(d.Private) > MaxSystemBytes {
		return invalid("private_data", "longer than %d bytes", MaxSystemBytes)
	}
	if d.Private != nil && !json.Valid(d.Private) {
		return invalid("private_data", "not JSON")
	}
	if !d.Raw && depth(d.Data) > MaxDepth {
		return invalid("data", "nested deeper than %d levels", MaxDepth)
	}
	if depth(d.Private) > MaxDepth {
		return invalid("private_data", "nested deeper than %d levels", MaxDepth)
	}
	return nil
}

// depth is how deep objects and arrays are nested in valid JSON.
func depth(valid []byte) int {
	level, deepest := 0, 0
	quoted := false
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}', c == ']':
			level--
		}
	}
	return deepest
}

func isObject(valid []byte) bool {
	trimmed := bytes.TrimLeft(valid, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

// renderedSize is what data weighs in a stream whose reply the proxy renders: "%" is doubled, and each
// line has a "data:" of its own.
func renderedSize(data []byte) int {
	breaks := bytes.Count(data, []byte{'\n'}) + bytes.Count(data, []byte{'\r'})
	return len(data) + bytes.Count(data, []byte{'%'}) + breaks*len("data: ")
}
