package devices

import (
	"fmt"
	"strings"

	"github.com/griphub/griphub/channels"
)

// A folding is what a batch of reports comes to: events and refusals in message order, and each device as it
// is after all of them.
type folding struct {
	batch channels.Batch
	// drafted has the report of each draft.
	drafted []int
	// after has the devices that changed, in the order of their first report.
	after map[channels.DeviceRef]*known
	order []channels.DeviceRef
	// ignored and late count reports.
	ignored, late uint64
}

// fold applies the reports, in order, to what was known before. It changes nothing but the reason of reports that it
// refuses.
func (p *Processor) fold(reports []report, v *view) *folding {
	f := &folding{after: make(map[channels.DeviceRef]*known, len(v.before))}
	for i := range reports {
		r := &reports[i]
		if r.refused == "" && !r.ignored {
			p.admit(r, v.before[r.ref])
		}
		switch {
		case r.ignored:
			f.ignored++
		case r.refused == "":
			p.apply(f, i, r, v)
		}
		if r.refused != "" {
			f.batch.Refused = append(f.batch.Refused, refusal(r))
		}
	}
	for place, i := range f.drafted {
		m := reports[i].message
		f.batch.Drafts[place].Arrival = channels.Arrival{At: m.Received, Trace: m.Trace}
	}
	if changes := f.changes(v.before); len(changes) > 0 {
		f.batch.State = append(f.batch.State, changes)
	}
	return f
}

// admit decides what becomes of a device that is not registered.
func (p *Processor) admit(r *report, device *known) {
	switch {
	case device.registered:
	case r.message.Kind == KindSilence:
		r.ignored = true // it was removed meanwhile
	case p.unknown != RegisterUnknown:
		p.turnAway(r, fmt.Errorf("device %s/%s is not registered", r.ref.Type, r.ref.ID))
	}
}

// turnAway refuses or ignores a message of a device that is not registered.
func (p *Processor) turnAway(r *report, reason error) {
	if p.unknown == IgnoreUnknown {
		r.ignored = true
		return
	}
	r.refused = reason.Error()
}

// apply takes over one report, all of it or nothing.
func (p *Processor) apply(f *folding, i int, r *report, v *view) {
	device, known := f.after[r.ref]
	if !known {
		device = v.before[r.ref].clone()
	} else if r.message.Kind == KindState {
		device = device.clone()
	}
	first, status := len(f.drafted), device.status
	changed, err := p.applyKind(f, i, r, device)
	if err == nil && (device.status != status || r.message.Kind == KindState && (changed || !r.message.Retained)) {
		err = f.tellOwner(i, r, device, v.devices[r.ref])
	}
	if err != nil {
		f.batch.Drafts, f.drafted = f.batch.Drafts[:first], f.drafted[:first]
		r.refused = err.Error()
		return
	}
	if first < len(f.drafted) && p.keepState(r.ref.Type) {
		f.keepState(first, device)
	}
	if !changed {
		return
	}
	device.registered = true
	f.after[r.ref] = device
	if !known {
		f.order = append(f.order, r.ref)
	}
}

func (p *Processor) applyKind(f *folding, i int, r *report, device *known) (changed bool, err error) {
	switch {
	case r.repeated:
		return r.applyRepeated(device), nil
	case r.message.Kind == KindStatus:
		return p.applyStatus(f, i, r, device)
	case r.message.Kind == KindState:
		return p.applyState(f, i, r, device)
	case r.message.Kind == KindSilence:
		return p.applySilence(f, i, r, device)
	case r.message.Kind == KindResponse:
		return p.applyResponse(f, i, r, device)
	}
	return p.applyData(f, i, r, device)
}

// applyRepeated takes over nothing of what a repeated message says. But it has shown that an overdue device lives.
func (r *report) applyRepeated(device *known) (changed bool) {
	if !device.overdue || !r.isLife() {
		return false
	}
	device.status, device.overdue = Online, false
	device.seen(r)
	return true
}

// applyData takes over the values and makes the event. The status stays what the device said last: the contract gives
// data no say in it, except that a device that is offline because nothing was heard is heard again.
func (p *Processor) applyData(f *folding, i int, r *report, device *known) (changed bool, err error) {
	if r.message.Retained {
		return r.applyRetained(device, p.names), nil
	}
	draft, err := r.dataDraft()
	if err != nil {
		return false, err
	}
	if err := p.wake(f, i, r, device); err != nil {
		return false, err
	}
	f.draft(i, draft)
	device.seen(r)
	if r.late(device.dataTime) {
		f.late++
		return true, nil
	}
	if r.timed {
		device.dataTime = r.newest()
	}
	device.tell(r, p.names)
	return true, nil
}

// applyRetained takes over what the broker has kept. It is no event; it tells the values of a device of which nothing
// was heard, or of one whose own time shows that it spoke while nobody listened.
func (r *report) applyRetained(device *known, names names) (changed bool) {
	news := r.timed && r.at.After(device.lastSeen) && !r.at.After(r.message.Received)
	if !news && (len(device.values) > 0 || !device.lastSeen.IsZero()) {
		return false
	}
	if news {
		device.lastSeen = r.at
		device.dataTime = r.at
	}
	device.tell(r, names)
	return true
}

// applyStatus takes over what the message tells, and makes an event if the status is another than before. A
// retained status is applied too, since it is the device's last word on itself, but it is no sign of life.
func (p *Processor) applyStatus(f *folding, i int, r *report, device *known) (changed bool, err error) {
	changed = !device.registered
	if r.isLife() {
		if r.status == "" || r.late(device.statusTime) {
			if err := p.wake(f, i, r, device); err != nil {
				return false, err
			}
		}
		device.seen(r)
		changed = true
	}
	if r.late(device.statusTime) {
		f.late++
		return changed, nil
	}
	if r.status != "" && r.status != device.status {
		draft, err := r.statusDraft(device.status, r.status)
		if err != nil {
			return false, err
		}
		f.draft(i, draft)
		device.status, changed = r.status, true
	}
	if r.status != "" && device.overdue {
		device.overdue, changed = false, true
	}
	if r.timed {
		device.statusTime, changed = r.newest(), true
	}
	if r.battery != nil && (device.battery == nil || *device.battery != *r.battery) {
		device.battery, changed = r.battery, true
	}
	if r.firmware != "" && device.firmware != r.firmware {
		device.firmware, changed = r.firmware, true
	}
	return changed, nil
}

func (f *folding) draft(i int, draft channels.Draft) {
	f.batch.Drafts = append(f.batch.Drafts, draft)
	f.drafted = append(f.drafted, i)
}

// keepState puts what is now known of the device into the events of its channels from the first draft on.
func (f *folding) keepState(first int, device *known) {
	for i := range f.batch.Drafts[first:] {
		if d := &f.batch.Drafts[first+i]; d.Scope == channels.ScopeChannel {
			d.Private = device.state()
		}
	}
}

func (f *folding) changes(before map[channels.DeviceRef]*known) Changes {
	changes := make(Changes, 0, len(f.order))
	for _, ref := range f.order {
		changes = append(changes, f.after[ref].change(ref, !before[ref].registered))
	}
	return changes
}

// maxRefusedBytes bounds what is kept of a message that is too long to be an event.
const maxRefusedBytes = 4 << 10

func refusal(r *report) channels.Refusal {
	reason, payload := r.refused, r.message.Payload
	if len(payload) > channels.MaxDataBytes {
		payload = payload[:maxRefusedBytes]
		reason += fmt.Sprintf("; its first %d are kept", maxRefusedBytes)
	}
	return channels.Refusal{
		Source:  plain(r.message.Topic),
		Reason:  reason,
		Payload: append([]byte(nil), payload...),
		Time:    r.message.Received,
	}
}

// plain makes text of a topic that is none, so that no database refuses the refusal.
func plain(topic string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(topic, "\uFFFD"), "\x00", "\uFFFD")
}
