package devices

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// A view is what is known when a batch comes.
type view struct {
	// before has the devices of the batch's reports.
	before map[channels.DeviceRef]*known
	// devices are those whose owners may have to be told, as the registry has them at this moment.
	devices map[channels.DeviceRef]*Device
}

// look finds out what is known of the devices that the reports are about: one question to the registry for codes, and
// one for those that the cache does not have, or not all that is needed.
func (p *Processor) look(ctx context.Context, reports []report) (*view, error) {
	v := &view{before: make(map[channels.DeviceRef]*known, len(reports)), devices: make(map[channels.DeviceRef]*Device)}
	now := time.Now()
	if err := p.resolve(ctx, reports, v, now); err != nil {
		return nil, err
	}
	var ask []channels.DeviceRef
	for i := range reports {
		r := &reports[i]
		if r.refused != "" || r.ignored || v.devices[r.ref] != nil {
			continue
		}
		device, cached := p.cache.get(r.ref, now.Add(-cacheAge))
		switch {
		case !cached || r.mayTellOwner(device):
			ask = append(ask, r.ref)
			v.before[r.ref] = unknown()
		case v.before[r.ref] == nil:
			v.before[r.ref] = device
		}
	}
	if len(ask) == 0 {
		return v, nil
	}
	slices.SortFunc(ask, compareRefs)
	ask = slices.Compact(ask)
	found, err := p.registry.Devices(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("ask the registry for %d devices: %w", len(ask), err)
	}
	v.take(found, p.names)
	for _, ref := range ask {
		v.before[ref].loaded = now
	}
	return v, nil
}

// mayTellOwner tells whether the report may change the status of the device that is known, which is news for its owner.
// Those are few, so the registry is asked whose it is now.
func (r *report) mayTellOwner(device *known) bool {
	return r.message.Kind == KindSilence || device.overdue || r.status != "" && r.status != device.status
}

// resolve finds the devices that state messages name by their codes. They are asked for every time: what the registry
// says now decides who may write the device, and who is told.
func (p *Processor) resolve(ctx context.Context, reports []report, v *view, now time.Time) error {
	var codes []string
	for i := range reports {
		if r := &reports[i]; r.refused == "" && r.code != "" {
			codes = append(codes, r.code)
		}
	}
	if len(codes) == 0 {
		return nil
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	found, err := p.registry.WithCodes(ctx, codes)
	if err != nil {
		return fmt.Errorf("ask the registry for %d codes: %w", len(codes), err)
	}
	byCode := make(map[string]*Device, len(found))
	for i := range found {
		byCode[found[i].Code] = &found[i]
	}
	for i := range reports {
		r := &reports[i]
		if r.refused != "" || r.code == "" {
			continue
		}
		device := byCode[r.code]
		if device == nil {
			p.turnAway(r, fmt.Errorf("device code %q is not registered", clip(r.code)))
			continue
		}
		if r.message.User != "" && r.message.User != device.Owner {
			// Nobody writes another's device.
			r.refused = fmt.Sprintf("device code %q is no device of user %q", clip(r.code), clip(r.message.User))
			continue
		}
		r.ref = device.DeviceRef
	}
	v.take(found, p.names)
	for i := range found {
		v.before[found[i].DeviceRef].loaded = now
	}
	return nil
}

func (v *view) take(found []Device, names names) {
	for i := range found {
		v.before[found[i].DeviceRef], v.devices[found[i].DeviceRef] = newKnown(&found[i], names), &found[i]
	}
}
