package devices

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/griphub/griphub/channels"
)

// An Editor changes what administrators say of devices.
type Editor interface {
	// Edit does all the edits in one transaction, or none: an error that is about one of them is an *EditError. It
	// has a transaction of its own and not one that events share, since an edit can be wrong in a way that only the
	// registry can tell, and then fails alone.
	Edit(ctx context.Context, edits []Edit) error
}

// An EditKind tells what an edit does, and whether the device has to be there. The zero EditKind is none.
type EditKind uint8

// The kinds of edits.
const (
	// EditAdd adds a device that must not be there.
	EditAdd EditKind = iota + 1
	// EditSet changes a device that must be there.
	EditSet
	// EditPut changes the device, and adds it where it is not there.
	EditPut
	// EditRemove removes a device that must be there, with all that is known of it. Its events stay.
	EditRemove
)

// An Edit is what an administrator does to one device.
type Edit struct {
	channels.DeviceRef
	Kind  EditKind
	Patch Patch
}

// An EditError tells which edit is wrong.
type EditError struct {
	// Index is the edit's place, from 0.
	Index int
	// Err is a *channels.InvalidError, a *TakenError, or wraps channels.ErrNotFound.
	Err error
}

// Error returns "edit {index}: …".
func (e *EditError) Error() string { return fmt.Sprintf("edit %d: %v", e.Index, e.Err) }

// Unwrap returns Err.
func (e *EditError) Unwrap() error { return e.Err }

// A TakenError tells that a value that is unique in the registry is another device's, or, of Field "device_id", that
// the device is there already.
type TakenError struct {
	Field string
	By    channels.DeviceRef
}

// Error returns a sentence.
func (e *TakenError) Error() string {
	if e.Field == "device_id" {
		return fmt.Sprintf("device %s/%s is there already", e.By.Type, e.By.ID)
	}
	return fmt.Sprintf("%s: is that of %s/%s", e.Field, e.By.Type, e.By.ID)
}

// Validate tells the first thing that is wrong with the edit, as a *channels.InvalidError, or nil.
func (e *Edit) Validate() error {
	if err := checkRef(e.DeviceRef); err != nil {
		return &channels.InvalidError{Field: "device_id", Reason: err.Error()}
	}
	return e.Patch.Validate()
}

// Wanted returns the codes and the keys that the edits give to devices. Whoever has one of them has to be known to
// Resolve.
func Wanted(edits []Edit) (codes, keys []string) {
	for i := range edits {
		if code := edits[i].Patch.Code; code != nil && *code != "" {
			codes = append(codes, *code)
		}
		if key := edits[i].Patch.Key; key != nil && *key != "" {
			keys = append(keys, *key)
		}
	}
	return codes, keys
}

// An Outcome is what an edit comes to.
type Outcome struct {
	channels.DeviceRef
	// Before is the record as it was, nil where the device is new.
	Before *Record
	// After is the record as it is to be, nil where the device goes.
	After *Record
	// Latitude and Longitude replace the device's where they are not nil.
	Latitude, Longitude *float64
}

// Resolve works out what the edits come to, for an Editor: known are the devices that they name, and those that have
// one of the Wanted codes and keys. The error is an *EditError.
func Resolve(edits []Edit, known []Device) ([]Outcome, error) {
	before := make(map[channels.DeviceRef]*Record, len(known))
	for i := range known {
		before[known[i].DeviceRef] = &known[i].Record
	}
	outcomes := make([]Outcome, len(edits))
	after := make(map[channels.DeviceRef]*Record, len(edits))
	for i := range edits {
		outcome, err := edits[i].resolve(before[edits[i].DeviceRef])
		if _, twice := after[edits[i].DeviceRef]; twice && err == nil {
			err = invalid("device_id", "%s/%s is edited twice", edits[i].Type, edits[i].ID)
		}
		if err != nil {
			return nil, &EditError{i, err}
		}
		outcomes[i], after[edits[i].DeviceRef] = outcome, outcome.After
	}
	return outcomes, checkUnique(outcomes, before, after)
}

func (e *Edit) resolve(before *Record) (Outcome, error) {
	if err := e.Validate(); err != nil {
		return Outcome{}, err
	}
	o := Outcome{DeviceRef: e.DeviceRef, Before: before}
	switch {
	case before != nil && e.Kind == EditAdd:
		return o, &TakenError{"device_id", e.DeviceRef}
	case before == nil && (e.Kind == EditSet || e.Kind == EditRemove):
		return o, fmt.Errorf("device %s/%s: %w", e.Type, e.ID, channels.ErrNotFound)
	case e.Kind == EditRemove:
		return o, nil
	}
	record := DefaultRecord()
	if before != nil {
		record = *before
	}
	record = e.Patch.apply(record)
	o.After, o.Latitude, o.Longitude = &record, e.Patch.Latitude, e.Patch.Longitude
	return o, nil
}

// checkUnique sees that no two devices have one code or key when all is done; on the way there they may change hands.
func checkUnique(outcomes []Outcome, before, after map[channels.DeviceRef]*Record) error {
	for _, unique := range []struct {
		field string
		of    func(*Record) string
	}{
		{"device_code", func(r *Record) string { return r.Code }},
		{"key", func(r *Record) string { return r.Key }},
	} {
		holders := make(map[string]channels.DeviceRef)
		for ref, record := range before {
			if _, edited := after[ref]; !edited {
				holders[unique.of(record)] = ref
			}
		}
		delete(holders, "")
		for i := range outcomes {
			if outcomes[i].After == nil || unique.of(outcomes[i].After) == "" {
				continue
			}
			value := unique.of(outcomes[i].After)
			if by, taken := holders[value]; taken {
				return &EditError{i, &TakenError{unique.field, by}}
			}
			holders[value] = outcomes[i].DeviceRef
		}
	}
	return nil
}

// compareRefs orders devices by type and id, as lists do.
func compareRefs(a, b channels.DeviceRef) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
}
