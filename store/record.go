package store

import (
	"encoding/json"
	"fmt"
	"slices"
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

// encodeShown is what viewers get as the database has it, NULL for the event itself.
func encodeShown(shown *channels.Shown) []byte {
	if shown == nil {
		return nil
	}
	text, _ := json.Marshal(shown) // strings, bytes and booleans always encode
	return text
}

func decodeShown(text []byte) (*channels.Shown, error) {
	if text == nil {
		return nil, nil
	}
	shown := new(channels.Shown)
	if err := json.Unmarshal(text, shown); err != nil {
		return nil, fmt.Errorf("shown: %w", err)
	}
	return shown, nil
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

// A stateChange is what a batch commits beside its events and refusals: each device and bookmark once, and marks.
type stateChange struct {
	devices []deviceRow
	marks   []devices.Mark
	records recordChange
}

// empty tells that there is nothing to commit.
func (c *stateChange) empty() bool { return len(c.devices)+len(c.marks) == 0 && c.records.empty() }

// parseState sorts a batch's state out. Of several changes to a device the last one stays; other types of state are
// an error. What it returns is ordered, as writers that lock rows in one order never block each other.
func parseState(state []any) (change stateChange, err error) {
	for _, s := range state {
		switch s := s.(type) {
		case devices.Changes:
			rows, err := newDeviceRows(s)
			if err != nil {
				return change, fmt.Errorf("%w: %w", channels.ErrState, err)
			}
			change.devices = append(change.devices, rows...)
		case devices.Mark:
			change.marks = append(change.marks, s)
		default:
			if !change.records.add(s) {
				return change, fmt.Errorf("%w: nobody knows the type %T", channels.ErrState, s)
			}
		}
	}
	change.devices = lastOfEach(change.devices, func(a, b deviceRow) int { return compareRefs(a.DeviceRef, b.DeviceRef) })
	// Of one mark all stay, as each is written over the one before.
	slices.SortStableFunc(change.marks, func(a, b devices.Mark) int { return strings.Compare(a.Name, b.Name) })
	change.records.order()
	return change, nil
}

// lastOfEach returns the items in order, and of those that are equal the last.
func lastOfEach[T any](items []T, compare func(a, b T) int) []T {
	slices.SortStableFunc(items, compare)
	last := items[:0]
	for i := range items {
		if i+1 == len(items) || compare(items[i], items[i+1]) != 0 {
			last = append(last, items[i])
		}
	}
	return last
}

// printable makes text that people read out of what a device sent: a database's text holds neither NUL
// nor bytes that are not UTF-8.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// scanner is a row to be read.
type scanner interface{ Scan(dest ...any) error }

// prefixed is a row with more columns in front.
type prefixed struct {
	row   scanner
	first []any
}

func (p prefixed) Scan(dest ...any) error {
	return p.row.Scan(append(p.first[:len(p.first):len(p.first)], dest...)...)
}

// scanEvent reads an event's columns.
func scanEvent(row scanner) (e channels.Event, err error) {
	var positions, skip string
	var private, shown []byte
	var us int64
	if err := row.Scan(&e.ID, &positions, &e.Type, &e.Data, &e.Raw, &private, &e.Scope, &e.User, &skip,
		&e.Device.Type, &e.Device.ID, &e.Key, &shown, &e.ReplayOf, &e.Replay, &us); err != nil {
		return e, err
	}
	e.Private, e.Time = private, time.UnixMicro(us).UTC()
	if e.Shown, err = decodeShown(shown); err != nil {
		return e, fmt.Errorf("event %d: %w", e.ID, err)
	}
	if e.SkipUsers, err = decodeSkipUsers(skip); err != nil {
		return e, fmt.Errorf("event %d: %w", e.ID, err)
	}
	if err := place(&e, positions); err != nil {
		return e, fmt.Errorf("event %d: %w", e.ID, err)
	}
	return e, nil
}
