package devices

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
)

// Limits of a device's name. The name of its channel, in which "_" and "%" of the type take three bytes each, has a limit
// of its own: channels.MaxNameBytes.
const (
	// MaxTypeBytes bounds a device's type, in bytes of UTF-8.
	MaxTypeBytes = 64
	// MaxIDBytes bounds a device's id, in bytes of UTF-8.
	MaxIDBytes = 128
)

// A Kind tells what a message is about.
type Kind uint8

// The kinds of messages, named in configurations "data", "status" and "state". The zero Kind is none.
const (
	// KindData messages carry readings: {"temperature":25.3} or {"readings":[{"type","value"}…]}.
	KindData Kind = iota + 1
	// KindStatus messages carry {"status","battery_level","firmware_version"}, or the status as a word.
	KindStatus
	// KindState messages are about the device of a user, named by its code (DeviceStatusProcessor).
	KindState
	// KindResponse messages answer commands.
	KindResponse
	// KindSilence messages are the monitor's and nobody else's: nothing was heard of the device since Message.Silent.
	// They take their turn with the device's own, so that none is overtaken that waits already. They have no name.
	KindSilence
)

var kindNames = [...]string{KindData: "data", KindStatus: "status", KindState: "state", KindResponse: "response"}

// ParseKind reads a kind's name.
func ParseKind(name string) (Kind, error) {
	for kind, known := range kindNames {
		if name != "" && name == known {
			return Kind(kind), nil
		}
	}
	return 0, fmt.Errorf("kind %q: want data, status, state or response", name)
}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k != 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// A Message is what arrived from a device, before anyone looked at the payload.
type Message struct {
	// Kind tells how to read the payload.
	Kind Kind
	// Type and ID name the device of data and status messages.
	Type, ID string
	// User and Code name the device of state messages.
	User, Code string
	// Topic is where the message arrived, for refusals.
	Topic string
	// Field names the reading, where the topic does and the payload does not.
	Field string
	// Decoder reads the payload; nil for one in griphub's own form.
	Decoder Decoder
	// Payload is the message, byte for byte. The Processor keeps no reference to it.
	Payload []byte
	// KeyField names the top-level field of the payload that holds the message's own id; empty for none.
	KeyField string
	// Correlation is what the message says of itself to be the answer to, beside its payload (MQTT 5's correlation data); empty
	// for nothing.
	Correlation string
	// Received is the server's time of arrival.
	Received time.Time
	// Trace is the trace id of who sent it, as channels.ParseTrace has it; empty for none.
	Trace string
	// Silent is the moment since which the device would have had to be heard, of silence messages.
	Silent time.Time
	// Retained tells that the broker sent what it had kept, on subscribing: a snapshot of what the
	// device once said, and no news.
	Retained bool
}

// A Decoder turns a message of devices of another convention into messages of griphub's own form, none for one that says nothing of
// a device. An error is why the message is refused. A message may be decoded again, after a failure of something else.
type Decoder interface {
	Decode(m Message) ([]Message, error)
}

// checkRef tells what is wrong with a device's name.
func checkRef(ref channels.DeviceRef) error {
	if err := checkName("type", ref.Type, MaxTypeBytes); err != nil {
		return err
	}
	if err := checkName("id", ref.ID, MaxIDBytes); err != nil {
		return err
	}
	_, err := channels.Device(ref.Type, ref.ID)
	return err
}

// checkName refuses what could not be one level of a topic, since no command could reach such a device.
func checkName(what, name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("device %s: empty", what)
	case len(name) > most:
		return fmt.Errorf("device %s: longer than %d bytes", what, most)
	case !utf8.ValidString(name):
		return fmt.Errorf("device %s: not UTF-8", what)
	case strings.ContainsAny(name, "/+#"):
		return fmt.Errorf(`device %s %q: holds one of "/", "+", "#"`, what, name)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("device %s %q: holds a control character", what, name)
	}
	return nil
}
