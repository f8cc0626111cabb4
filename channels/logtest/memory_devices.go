package logtest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func (m *Memory) putState(c devices.Change, now time.Time) {
	d, known := m.devices[c.DeviceRef]
	if !known && !c.Register {
		return
	}
	if !known {
		d = devices.Device{DeviceRef: c.DeviceRef, Record: devices.DefaultRecord(), Created: now}
	}
	before := d.Measures
	d.State, d.Updated = c.State, now
	d.Temperature, d.Humidity = cmp.Or(c.Temperature, before.Temperature), cmp.Or(c.Humidity, before.Humidity)
	d.Latitude, d.Longitude = cmp.Or(c.Latitude, before.Latitude), cmp.Or(c.Longitude, before.Longitude)
	d.Values = maps.Clone(d.Values)
	if d.Values == nil {
		d.Values = make(map[string]json.RawMessage)
	}
	m.devices[c.DeviceRef] = d
}

// Edit is devices.Editor's.
func (m *Memory) Edit(ctx context.Context, edits []devices.Edit) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	outcomes, err := devices.Resolve(edits, slices.Collect(maps.Values(m.devices)))
	if err != nil {
		return err
	}
	now := time.UnixMicro(m.now().UnixMicro()).UTC()
	for _, o := range outcomes {
		if o.After == nil {
			delete(m.devices, o.DeviceRef)
			continue
		}
		d, known := m.devices[o.DeviceRef]
		if !known {
			d = devices.Device{DeviceRef: o.DeviceRef, Created: now}
			d.Status, d.Values = devices.Offline, make(map[string]json.RawMessage)
		}
		d.Record, d.Updated = *o.After, now
		d.Latitude, d.Longitude = cmp.Or(o.Latitude, d.Latitude), cmp.Or(o.Longitude, d.Longitude)
		m.devices[o.DeviceRef] = d
	}
	return nil
}

// Devices is devices.Registry's.
func (m *Memory) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	return m.list(ctx, func(d *devices.Device) bool { return slices.Contains(refs, d.DeviceRef) })
}

// WithCodes is devices.Registry's.
func (m *Memory) WithCodes(ctx context.Context, codes []string) ([]devices.Device, error) {
	return m.list(ctx, func(d *devices.Device) bool { return d.Code != "" && slices.Contains(codes, d.Code) })
}

// List is devices.Registry's.
func (m *Memory) List(ctx context.Context, f devices.Filter, after channels.DeviceRef, limit int) ([]devices.Device, error) {
	list, err := m.list(ctx, func(d *devices.Device) bool { return compareRefs(d.DeviceRef, after) > 0 && meets(d, f) })
	return list[:min(limit, len(list))], err
}

// Silent is devices.Silence's.
func (m *Memory) Silent(ctx context.Context, before time.Time, after channels.DeviceRef, limit int) ([]channels.DeviceRef, error) {
	list, err := m.list(ctx, func(d *devices.Device) bool {
		return compareRefs(d.DeviceRef, after) > 0 && d.Active && d.Status != devices.Offline && !d.LastSeen.IsZero() && d.LastSeen.Before(before)
	})
	var refs []channels.DeviceRef
	for _, d := range list[:min(limit, len(list))] {
		refs = append(refs, d.DeviceRef)
	}
	return refs, err
}

// At is devices.Moments'.
func (m *Memory) At(ctx context.Context, do func(devices.Moment) error) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	// A copy of what is read, as the calls lock.
	still := &Memory{names: m.names, events: m.events, bases: m.bases, devices: m.devices}
	return do(still)
}

func meets(d *devices.Device, f devices.Filter) bool {
	inGroup := func(g devices.Group) bool { return g.ID == f.Group }
	text := strings.ToLower(d.Type + "/" + d.ID + "\n" + d.Code + "\n" + d.Key + "\n" + d.Name)
	return (f.Type == "" || d.Type == f.Type) && (f.Status == "" || d.Status == f.Status) &&
		(f.Owner == "" || d.Owner == f.Owner) && (f.Group == "" || slices.ContainsFunc(d.Groups, inGroup)) &&
		(f.Active == nil || d.Active == *f.Active) && strings.Contains(text, strings.ToLower(f.Text))
}

// list returns the devices that are wanted, in order.
func (m *Memory) list(ctx context.Context, wanted func(*devices.Device) bool) ([]devices.Device, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var list []devices.Device
	for _, d := range m.devices {
		if wanted(&d) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b devices.Device) int { return compareRefs(a.DeviceRef, b.DeviceRef) })
	return list, nil
}

func compareRefs(a, b channels.DeviceRef) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
}
