package devices

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A Status is what a device says about itself, or what the monitor finds.
type Status string

// The statuses of django-devicehub and of DeviceStatusProcessor together.
const (
	Online       Status = "online"
	Offline      Status = "offline"
	Warning      Status = "warning"
	Error        Status = "error"
	Maintenance  Status = "maintenance"
	LowBattery   Status = "low_battery"
	Provisioning Status = "provisioning"
)

// Statuses returns all that are known.
func Statuses() []Status {
	return []Status{Online, Offline, Warning, Error, Maintenance, LowBattery, Provisioning}
}

// Known tells whether the status is one of the constants.
func (s Status) Known() bool { return slices.Contains(Statuses(), s) }

// A Device is what the registry knows of a device. Its two halves have different authors and never overwrite each
// other: administrators write the Record, messages and the monitor write the State.
type Device struct {
	channels.DeviceRef
	Record
	State
	// Created is when the registry got the device, Updated when anything of it was last written.
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

// A State is what a device has said, and what the monitor found. A device that was never heard of has the zero
// LastSeen and the status Offline.
type State struct {
	Status Status `json:"status"`
	// Overdue tells that the status is Offline because the device fell silent, and not because anybody said so: its
	// next sign of life makes it Online.
	Overdue bool `json:"overdue"`
	// LastSeen is the server's time of the last message.
	LastSeen time.Time `json:"last_seen,omitzero"`
	// Firmware is the version the device reported; empty for none.
	Firmware string `json:"firmware_version"`
	// Battery is the charge in percent, 0 to 100; nil for unknown.
	Battery *float64 `json:"battery_level"`
	// Measures are the readings that have a place of their own.
	Measures
	// Values holds the last value of every field of the device's data.
	Values map[string]json.RawMessage `json:"values"`
	// DataTime and StatusTime are the newest times that the device itself gave with its data and with its status; zero
	// for none. What comes with an older one is late, and turns nothing back.
	DataTime   time.Time `json:"-"`
	StatusTime time.Time `json:"-"`
}

// Measures are readings in units that the device and its viewers agree on, the coordinates in degrees (WGS 84). nil is
// unknown.
type Measures struct {
	Temperature *float64 `json:"temperature"`
	Humidity    *float64 `json:"humidity"`
	Latitude    *float64 `json:"latitude"`
	Longitude   *float64 `json:"longitude"`
}

// A Change is the state of one device as it is after a commit.
type Change struct {
	channels.DeviceRef
	// State replaces the state before, but for Measures that are nil, which stay as they are: an administrator may
	// have set a position meanwhile.
	State
	// Register adds the device where the registry does not have it. Without, a device that was removed meanwhile stays
	// removed.
	Register bool
}

// Changes are what a commit does to the states of devices, each at most once. They travel in channels.Batch.State, so
// that no event is visible whose device state is not, nor the other way round.
type Changes []Change

// A Registry answers what is known of devices. States are written as Changes in a channels.Batch, records by an Editor.
type Registry interface {
	// Devices returns the devices that are known, in any order; unknown ones are left out.
	Devices(ctx context.Context, refs []channels.DeviceRef) ([]Device, error)
	// WithCodes returns the devices that have the codes, in any order; the empty code is nobody's.
	WithCodes(ctx context.Context, codes []string) ([]Device, error)
	// List returns devices in the order of type and id, those after the given one; the zero value starts at the
	// beginning. limit is 1 or more.
	List(ctx context.Context, filter Filter, after channels.DeviceRef, limit int) ([]Device, error)
}

// A Filter narrows a list of devices to those that meet all of its fields. The zero value is met by all.
type Filter struct {
	// Type and Status are met by devices of the type, and of the status.
	Type   string
	Status Status
	// Owner is a user's id.
	Owner string
	// Group is a group's id.
	Group string
	// Active is met by devices that are active, or by those that are not; nil by both.
	Active *bool
	// Text stands in the device's type/id, code, key or name, in any case.
	Text string
}

// Validate tells what no device can meet, as a *channels.InvalidError, or nil.
func (f *Filter) Validate() error {
	if f.Status != "" && !f.Status.Known() {
		return invalid("status", "%q is not known", clip(string(f.Status)))
	}
	for _, text := range []struct{ field, value string }{{"type", f.Type}, {"owner", f.Owner}, {"group", f.Group}, {"text", f.Text}} {
		if err := checkText(text.field, text.value, MaxNameBytes); err != nil {
			return err
		}
	}
	return nil
}

// ParseRef reads TYPE/ID.
func ParseRef(text string) (channels.DeviceRef, error) {
	deviceType, id, _ := strings.Cut(text, "/")
	ref := channels.DeviceRef{Type: deviceType, ID: id}
	if err := checkRef(ref); err != nil {
		return channels.DeviceRef{}, fmt.Errorf("%q is not TYPE/ID: %w", clip(text), err)
	}
	return ref, nil
}
