package devices

import (
	"errors"
	"fmt"

	"github.com/griphub/griphub/channels"
)

// readState reads what DeviceStatusProcessor gets: {"status","temperature","humidity","latitude","longitude"}, each of
// which may be absent or null, and is then not told. battery_level and firmware_version are read as in status
// messages; other fields are left alone.
func (r *report) readState() error {
	if len(r.message.Payload) > channels.MaxDataBytes {
		return tooLong(r.message.Payload)
	}
	fields, err := parseObject(r.message.Payload)
	if err != nil {
		return err
	}
	if r.code = r.message.Code; r.code == "" {
		if err := r.readCode(fields); err != nil {
			return err
		}
	}
	for _, f := range r.readTimestamp(fields) {
		if err := r.readStateField(f); err != nil {
			return err
		}
	}
	return nil
}

// readCode finds the device's code in the payload.
func (r *report) readCode(fields []field) error {
	for _, f := range fields {
		if f.name != "device_code" {
			continue
		}
		if err := readID(&r.code, f.name, f.value); err != nil {
			return err
		}
	}
	if r.code == "" {
		return errors.New("device_code: neither the topic nor the payload has one")
	}
	return nil
}

func (r *report) readStateField(f field) error {
	if m, ok := r.measures.named(f.name); ok {
		if err := m.set(f.value); err != nil {
			return err
		}
		if string(f.value) != "null" {
			r.fields = append(r.fields, f)
		}
		return nil
	}
	if err := r.readStatusField(f); err != nil {
		return err
	}
	switch r.status {
	case "", Online, Offline, Warning, Error:
		return nil
	}
	return fmt.Errorf("status %q is none of online, offline, warning, error", r.status)
}

// applyState takes over what a state message tells. It makes a status event where the status changes, and a data event of
// the measures, so that the device's viewers see all that the registry gets to know.
func (p *Processor) applyState(f *folding, i int, r *report, device *known) (changed bool, err error) {
	late := r.late(device.statusTime)
	if changed, err = p.applyStatus(f, i, r, device); err != nil || late || len(r.fields) == 0 {
		return changed, err
	}
	if r.message.Retained {
		return r.applyRetained(device, p.names) || changed, nil
	}
	draft, err := r.dataDraft()
	if err != nil {
		return false, err
	}
	f.draft(i, draft)
	device.tell(r, p.names)
	return true, nil
}
