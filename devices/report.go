package devices

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/griphub/griphub/channels"
)

// maxFirmwareBytes bounds a device's firmware version.
const maxFirmwareBytes = 255

// A report is what one message says, before anyone asks what is known of the device.
type report struct {
	message *Message
	ref     channels.DeviceRef
	// refused is why the message cannot become an event; empty where it can.
	refused string
	// repeated tells that the log knew the message's own id.
	repeated bool

	// at is the device's own time where it gave one (timed), else the time of arrival.
	at    time.Time
	timed bool
	// key is the message's own id, unique among all devices; empty for none.
	key string

	// fields are what a data message reads, without its timestamp.
	fields []field

	// What a status or state message says; zero for what it leaves out.
	status   Status
	battery  *float64
	firmware string
	// measures are those that a data or state message tells.
	measures Measures

	// code names the device of a state message.
	code string
	// ignored tells that nobody is to hear of the message.
	ignored bool

	// What an answer to a command says, and the command's id; empty for none.
	response []byte
	answered string
}

// readAll looks at messages, and at what their decoders make of them.
func readAll(messages []Message) []report {
	reports := make([]report, 0, len(messages))
	for i := range messages {
		m := &messages[i]
		if m.Decoder == nil {
			reports = append(reports, read(m))
			continue
		}
		decoded, err := m.Decoder.Decode(*m)
		if err != nil {
			reports = append(reports, report{message: m, at: m.Received, refused: err.Error()})
		}
		for j := range decoded {
			r := read(&decoded[j])
			if r.refused != "" {
				r.message = m // what is kept is what has arrived
			}
			reports = append(reports, r)
		}
	}
	return reports
}

// read looks at one message. What is wrong with it is in the report.
func read(m *Message) report {
	r := report{message: m, at: m.Received}
	var err error
	switch m.Kind {
	case KindData:
		err = r.readData()
	case KindStatus:
		err = r.readStatus()
	case KindResponse:
		err = r.readResponse()
	case KindState:
		err = r.readState()
	case KindSilence:
		err = r.readRef()
	default:
		err = fmt.Errorf("messages of %v are not known", m.Kind)
	}
	if err != nil {
		r.refused = err.Error()
	}
	return r
}

// readRef takes over the device's name if it is one.
func (r *report) readRef() error {
	ref := channels.DeviceRef{Type: r.message.Type, ID: r.message.ID}
	if err := checkRef(ref); err != nil {
		return err
	}
	r.ref = ref
	return nil
}

func (r *report) readData() (err error) {
	if err := r.readRef(); err != nil {
		return err
	}
	if len(r.message.Payload) > channels.MaxDataBytes {
		return tooLong(r.message.Payload)
	}
	fields, err := parseObject(r.message.Payload)
	if err != nil {
		return err
	}
	r.readKey(fields)
	r.fields, err = flatten(r.readTimestamp(fields))
	r.readMeasures()
	return err
}

// readMeasures takes over what data tells of the measures. Data may say anything under their names: what is no such
// measure is a value like any other.
func (r *report) readMeasures() {
	for _, f := range r.fields {
		if m, ok := r.measures.named(f.name); ok {
			_ = m.set(f.value)
		}
	}
}

func tooLong(payload []byte) error {
	return fmt.Errorf("the payload has %d bytes, the most is %d", len(payload), channels.MaxDataBytes)
}

// newest bounds what a device's own time may hold back: a clock that is ahead is not believed beyond the server's.
func (r *report) newest() time.Time {
	if r.at.After(r.message.Received) {
		return r.message.Received
	}
	return r.at
}

// late tells that the device itself dates the message before what is known.
func (r *report) late(newest time.Time) bool {
	return r.timed && r.at.Truncate(time.Microsecond).Before(newest)
}

// isLife tells whether the message shows that the device lives. What is retained was said at any time; and "offline"
// is mostly what the broker says, in the device's will.
func (r *report) isLife() bool { return !r.message.Retained && r.status != Offline }

// readTimestamp takes the device's own time out of the fields. A "timestamp" that is no ISO 8601 time stays among
// them, as a value like any other.
func (r *report) readTimestamp(fields []field) []field {
	for i := range fields {
		if fields[i].name != "timestamp" {
			continue
		}
		text, ok := unquote(fields[i].value)
		if !ok {
			return fields
		}
		at, ok := parseTimestamp(text)
		if !ok {
			return fields
		}
		r.at, r.timed = at, true
		return append(fields[:i:i], fields[i+1:]...)
	}
	return fields
}

// readKey finds the message's own id. One that is neither text nor a number, or empty, is none.
func (r *report) readKey(fields []field) {
	if r.message.KeyField == "" {
		return
	}
	for i := range fields {
		if fields[i].name != r.message.KeyField {
			continue
		}
		value := fields[i].value
		text, ok := unquote(value)
		if !ok {
			if c := value[0]; c != '-' && (c < '0' || c > '9') {
				return
			}
			text = string(value)
		}
		if text != "" {
			r.key = deliveryKey(r.message.Kind, r.ref, text)
		}
		return
	}
}

// deliveryKey makes an id that a device chose unique among all devices: neither type nor id of a device holds a
// "/". Keys that would be too long, or hold what a key must not, are hashed.
func deliveryKey(kind Kind, ref channels.DeviceRef, id string) string {
	return shortKey("mqtt/" + kind.String() + "/" + ref.Type + "/" + ref.ID + "/" + id)
}

func shortKey(key string) string {
	if len(key) <= channels.MaxKeyBytes && strings.IndexByte(key, 0) < 0 {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "mqtt-sha256/" + hex.EncodeToString(sum[:])
}

// flatten turns {"readings":[{"type":"temperature","value":25.3}]} into {"temperature":25.3}, at the place of
// "readings". Fields beside it stay. "readings" that is no array is a field like any other.
func flatten(fields []field) ([]field, error) {
	for i := range fields {
		if fields[i].name != "readings" {
			continue
		}
		elements, ok := parseArray(fields[i].value)
		if !ok {
			return fields, nil
		}
		flat := make([]field, 0, len(fields)+len(elements)-1)
		flat = append(flat, fields[:i]...)
		for n, element := range elements {
			reading, err := parseReading(element)
			if err != nil {
				return nil, fmt.Errorf("readings[%d]: %w", n, err)
			}
			flat = setField(flat, reading)
		}
		for _, f := range fields[i+1:] {
			flat = setField(flat, f)
		}
		if len(flat) > maxFields {
			return nil, fmt.Errorf("the payload has more than %d fields", maxFields)
		}
		return flat, nil
	}
	return fields, nil
}

// setField puts a field in the place of the one of that name, or at the end.
func setField(fields []field, f field) []field {
	for i := range fields {
		if fields[i].name == f.name {
			fields[i].value = f.value
			return fields
		}
	}
	return append(fields, f)
}

func parseReading(element []byte) (field, error) {
	if len(element) == 0 || element[0] != '{' {
		return field{}, errors.New("not an object")
	}
	members, err := parseObject(element)
	if err != nil {
		return field{}, err
	}
	var reading field
	for _, m := range members {
		switch m.name {
		case "type":
			name, ok := unquote(m.value)
			if !ok || name == "" {
				return field{}, errors.New(`"type" is not a name`)
			}
			reading.name, reading.literal = name, m.value
		case "value":
			reading.value = m.value
		}
	}
	switch {
	case reading.literal == nil:
		return field{}, errors.New(`"type" is missing`)
	case reading.value == nil:
		return field{}, errors.New(`"value" is missing`)
	}
	return reading, nil
}

func (r *report) readStatus() (err error) {
	if err := r.readRef(); err != nil {
		return err
	}
	if len(r.message.Payload) > channels.MaxDataBytes {
		return tooLong(r.message.Payload)
	}
	// Last wills are often a bare word.
	text := strings.TrimSpace(string(r.message.Payload))
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	if !strings.HasPrefix(text, "{") && text != "" {
		r.status, err = parseStatus(text)
		return err
	}
	fields, err := parseObject(r.message.Payload)
	if err != nil {
		return err
	}
	r.readKey(fields)
	for _, f := range r.readTimestamp(fields) {
		if err := r.readStatusField(f); err != nil {
			return err
		}
	}
	return nil
}

// readStatusField reads one field of a status message. null means "not told", and fields that the contract does
// not know are left alone.
func (r *report) readStatusField(f field) (err error) {
	if string(f.value) == "null" {
		return nil
	}
	switch f.name {
	case "status":
		text, ok := unquote(f.value)
		if !ok {
			return errors.New("status: not text")
		}
		r.status, err = parseStatus(text)
		return err
	case "battery_level":
		level, err := strconv.ParseFloat(string(f.value), 64)
		if err != nil || level < 0 || level > 100 {
			return fmt.Errorf("battery_level: %s is not a number from 0 to 100", clip(string(f.value)))
		}
		r.battery = &level
	case "firmware_version":
		text, ok := unquote(f.value)
		if !ok || len(text) > maxFirmwareBytes || strings.IndexFunc(text, unicode.IsControl) >= 0 {
			return fmt.Errorf("firmware_version: not text of at most %d bytes without control characters", maxFirmwareBytes)
		}
		r.firmware = text
	}
	return nil
}

// parseStatus reads a status in any case, since wills are written by hand.
func parseStatus(text string) (Status, error) {
	status := Status(strings.ToLower(strings.TrimSpace(text)))
	if !status.Known() {
		return "", fmt.Errorf("status %q is not known", clip(text))
	}
	return status, nil
}

// clip shortens hostile input for a reason.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
