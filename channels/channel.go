package channels

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameBytes bounds a channel's name, in bytes of UTF-8. Ten percent-encoded names of this length
// still fit the response headers that a proxy accepts.
const MaxNameBytes = 255

// A Channel is the name of an ordered sequence of events. A value made by ParseChannel,
// Device or User is valid; the zero value is not a channel.
//
// Names that start with "@" are internal: ParseChannel refuses them, so that nothing a client writes
// can name one.
type Channel string

const (
	// Public carries the events of scope global, for every viewer.
	Public Channel = "@public"
	// System carries the events of scope system, which only backend subscribers read.
	System Channel = "@system"
)

// ErrInternalChannel tells that a client named a channel that only griphub itself may name.
var ErrInternalChannel = errors.New(`names that start with "@" are reserved`)

// ParseChannel validates a channel's name as a client or a configuration gives it: 1 to MaxNameBytes
// bytes of UTF-8, no control characters, no "@" in front.
func ParseChannel(name string) (Channel, error) {
	if strings.HasPrefix(name, "@") {
		return "", fmt.Errorf("channel %q: %w", clip(name), ErrInternalChannel)
	}
	return parseStored(name)
}

// ParseBackendChannel validates a channel's name as an operator gives it to follow it: what ParseChannel takes, System, Public, or
// the channel of a user, as User has it.
func ParseBackendChannel(name string) (Channel, error) {
	c, err := parseStored(name)
	if err != nil || !c.Internal() || c == System || c == Public {
		return c, err
	}
	if id, ok := strings.CutPrefix(name, "@user/"); ok {
		return User(id)
	}
	return "", fmt.Errorf("channel %q: the internal channels are %s, %s and @user/ID", clip(name), System, Public)
}

// parseStored validates a name that griphub itself wrote, in a cursor or a database: internal names
// are allowed.
func parseStored(name string) (Channel, error) {
	switch {
	case name == "":
		return "", errors.New("channel: the name is empty")
	case len(name) > MaxNameBytes:
		return "", fmt.Errorf("channel %q: the name is longer than %d bytes", clip(name), MaxNameBytes)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("channel %q: the name is not UTF-8", clip(name))
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return "", fmt.Errorf("channel %q: the name holds a control character", clip(name))
	}
	return Channel(name), nil
}

// clip shortens hostile input for an error message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// userPrefix begins the names that User makes.
const userPrefix = "@user/"

// User returns the channel of one user's own events, named "@user/" and the user's id. It fails where
// the id is empty or makes no valid name.
func User(id string) (Channel, error) {
	if id == "" {
		return "", errors.New("user: the id is empty")
	}
	return parseStored(userPrefix + id)
}

// devicesPrefix begins the names that UserDevices makes.
const devicesPrefix = "@devices/"

// UserDevices returns the channel of the devices of one user, named "@devices/" and the user's id. WebSockets get its
// events bare: the data and nothing around it. It fails where User fails.
func UserDevices(id string) (Channel, error) {
	if id == "" {
		return "", errors.New("user: the id is empty")
	}
	return parseStored(devicesPrefix + id)
}

// Internal tells whether only griphub itself may name the channel.
func (c Channel) Internal() bool { return strings.HasPrefix(string(c), "@") }

// Escape returns the name percent-encoded as Python's quote does it: letters, digits and "_.-~/" stay.
// It is the one encoding of names in cursors, GRIP channels and GRIP metadata.
func (c Channel) Escape() string { return escape(string(c), keepInCursor) }

// Grip returns the channel's name at the proxy, without the deployment's prefix: "events-" and the
// escaped name, as django-eventstream has it.
func (c Channel) Grip() string { return c.GripIn(FormEvents) }

// FromGrip is the reverse of Grip and GripIn: it reads a channel's name back from the proxy's Grip-Last header. ok is
// false for names that are not an event channel's.
func FromGrip(name string) (c Channel, ok bool) {
	form, escaped, ok := strings.Cut(name, "-")
	if !ok || !slices.Contains(Forms(), Form(form)) {
		return "", false
	}
	c, err := unescape(escaped)
	return c, err == nil
}

// Device returns the channel of one device's events, "iot_{type}_{id}", or, where id is empty, that of
// all devices of the type, "iot_{type}". "_" and "%" inside the type are percent-encoded, so that
// type "a_b" and device "b" of type "a" never share a channel.
func Device(deviceType, id string) (Channel, error) {
	if deviceType == "" {
		return "", errors.New("device: the type is empty")
	}
	name := "iot_" + escape(deviceType, func(b byte) bool { return b != '_' && b != '%' })
	if id != "" {
		name += "_" + id
	}
	return parseStored(name)
}

// DeviceOf is the reverse of Device: the device, or with an empty ID the type, whose events the channel carries. ok is
// false for channels of other names.
func DeviceOf(c Channel) (ref DeviceRef, ok bool) {
	name, ok := strings.CutPrefix(string(c), "iot_")
	if !ok {
		return DeviceRef{}, false
	}
	// Inside the type, "_" is percent-encoded.
	escaped, id, one := strings.Cut(name, "_")
	deviceType, err := unescape(escaped)
	if err != nil || one && id == "" {
		return DeviceRef{}, false
	}
	ref = DeviceRef{Type: string(deviceType), ID: id}
	again, err := Device(ref.Type, ref.ID)
	return ref, err == nil && again == c
}

func keepInCursor(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("_.-~/", b) >= 0
}

func escape(s string, keep func(byte) bool) string {
	escaped := 0
	for i := range len(s) {
		if !keep(s[i]) {
			escaped++
		}
	}
	if escaped == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+2*escaped)
	for i := range len(s) {
		if b := s[i]; keep(b) {
			out = append(out, b)
		} else {
			out = append(out, '%', hex[b>>4], hex[b&15])
		}
	}
	return string(out)
}

// unescape reads an escaped name. Bytes that need no escape may be escaped all the same: other writers of
// cursors have other habits, and the name that results is validated like any other.
func unescape(s string) (Channel, error) {
	raw := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			raw = append(raw, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("channel %q: cut percent-encoding", clip(s))
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi > 15 || lo > 15 {
			return "", fmt.Errorf("channel %q: bad percent-encoding", clip(s))
		}
		raw = append(raw, hi<<4|lo)
		i += 2
	}
	return parseStored(string(raw))
}

func unhex(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10
	}
	return 0xff
}
