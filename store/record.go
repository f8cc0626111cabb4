package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// micro is a time as the database has it, NULL for the zero time.
func micro(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	us := t.UnixMicro()
	return &us
}

// fromMicro is the reverse of micro.
func fromMicro(us *int64) time.Time {
	if us == nil {
		return time.Time{}
	}
	return time.UnixMicro(*us).UTC()
}

// microCeil is the first microsecond that is not before the moment.
func microCeil(moment time.Time) int64 {
	us := moment.UnixMicro()
	if time.UnixMicro(us).Before(moment) {
		us++
	}
	return us
}

// orNow is a time as the database has it, now for the zero time.
func orNow(t, now time.Time) int64 {
	if t.IsZero() {
		t = now
	}
	return t.UnixMicro()
}

func encodeSkipUsers(users []string) string {
	if len(users) == 0 {
		return ""
	}
	text, _ := json.Marshal(users) // strings always encode
	return string(text)
}

func decodeSkipUsers(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var users []string
	if err := json.Unmarshal([]byte(text), &users); err != nil {
		return nil, fmt.Errorf("skip_users: %w", err)
	}
	return users, nil
}

// place gives the event its positions as the database has them.
func place(e *channels.Event, positions string) error {
	cursor, err := channels.ParseCursor(positions)
	if err != nil {
		return fmt.Errorf("positions: %w", err)
	}
	e.Positions = cursor
	e.Channels = make([]channels.Channel, len(cursor))
	for i, p := range cursor {
		e.Channels[i] = p.Channel
	}
	return nil
}

// deviceChanges collects what a batch does to the registry, the last change of a device winning. Other types
// of state are an error.
func deviceChanges(state []any) (devices.Changes, error) {
	var all devices.Changes
	for _, s := range state {
		changes, ok := s.(devices.Changes)
		if !ok {
			return nil, fmt.Errorf("state of type %T cannot be stored", s)
		}
		all = append(all, changes...)
	}
	return all, nil
}

func encodeValues(values map[string]json.RawMessage) ([]byte, error) {
	if values == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(values)
}

func decodeValues(text []byte) (map[string]json.RawMessage, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	return values, nil
}

// printable makes text that people read out of what a device sent: a database's text holds neither NUL
// nor bytes that are not UTF-8.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
