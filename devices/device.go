package devices

import (
	"context"
	"encoding/json"
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

// Known tells whether the status is one of the constants.
func (s Status) Known() bool {
	switch s {
	case Online, Offline, Warning, Error, Maintenance, LowBattery, Provisioning:
		return true
	}
	return false
}

// A Device is what the registry knows of a device. A device that was never heard of has the zero
// LastSeen and the status Offline.
type Device struct {
	channels.DeviceRef
	Status Status `json:"status"`
	// LastSeen is the server's time of the last message.
	LastSeen time.Time `json:"last_seen"`
	// Firmware is the version the device reported; empty for none.
	Firmware string `json:"firmware_version"`
	// Battery is the charge in percent, 0 to 100; nil for unknown.
	Battery *float64 `json:"battery_level"`
	// Values holds the last value of every field of the device's data.
	Values map[string]json.RawMessage `json:"values"`
}

// Changes are what a commit does to the registry: whole devices as they are after it, each at most once.
// They travel in channels.Batch.State, so that no event is visible whose device state is not, nor the
// other way round.
type Changes []Device

// A Registry answers what is known of devices. Writes travel as Changes in a channels.Batch.
type Registry interface {
	// Devices returns the devices that are known, in any order; unknown ones are left out.
	Devices(ctx context.Context, refs []channels.DeviceRef) ([]Device, error)
	// List returns devices in the order of type and id, those after the given one; the zero value
	// starts at the beginning. limit is 1 or more. deviceType narrows to one type unless empty.
	List(ctx context.Context, deviceType string, after channels.DeviceRef, limit int) ([]Device, error)
}
