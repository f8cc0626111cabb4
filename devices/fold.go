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
}

// fold applies the reports, in order, to what was known before. It changes nothing but the reason of reports that it
// refuses.
func (p *Processor) fold(reports []report, before map[channels.DeviceRef]*known) *folding {
	f := &folding{after: make(map[channels.DeviceRef]*known, len(before))}
	for i := range reports {
		r := &reports[i]
		if r.refused == "" && !p.register && !before[r.ref].registered {
			r.refused = fmt.Sprintf("device %s/%s is not registered", r.ref.Type, r.ref.ID)
		}
		if r.refused == "" && !r.repeated {
			p.apply(f, i, r, before)
		}
		if r.refused != "" {
			f.batch.Refused = append(f.batch.Refused, refusal(r))
		}
	}
	if changes := f.changes(before); len(changes) > 0 {
		f.batch.State = append(f.batch.State, changes)
	}
	return f
}

func (p *Processor) apply(f *folding, i int, r *report, before map[channels.DeviceRef]*known) {
	device, changed := f.after[r.ref]
	if !changed {
		device = before[r.ref].clone()
	}
	var err error
	switch r.message.Kind {
	case KindStatus:
		changed, err = p.applyStatus(f, i, r, device)
	case KindResponse:
		changed, err = p.applyResponse(f, i, r, device)
	default:
		changed, err = p.applyData(f, i, r, device)
	}
	if err != nil {
		r.refused = err.Error()
		return
	}
	if n := len(f.drafted); n > 0 && f.drafted[n-1] == i && p.keepState(r.ref.Type) {
		f.batch.Drafts[n-1].Private = device.state()
	}
	if _, known := f.after[r.ref]; changed && !known {
		device.registered = true
		f.after[r.ref] = device
		f.order = append(f.order, r.ref)
	}
}

// applyData takes over the values and makes the event. The status stays what the device, or the monitor, said
// last: the contract gives data no say in it. A retained message is no event; it tells the values of a device that
// was unknown, or of one whose own time shows that it spoke while nobody listened.
func (p *Processor) applyData(f *folding, i int, r *report, device *known) (changed bool, err error) {
	if r.message.Retained {
		news := r.timed && r.at.After(device.lastSeen) && !r.at.After(r.message.Received)
		if !news && device.registered {
			return false, nil
		}
		if news {
			device.lastSeen = r.at
		}
		device.set(r.fields, p.names)
		return true, nil
	}
	draft, err := r.dataDraft()
	if err != nil {
		return false, err
	}
	f.draft(i, draft)
	device.seen(r)
	device.set(r.fields, p.names)
	return true, nil
}

// applyStatus takes over what the message tells, and makes an event if the status is another than before. A
// retained status is applied too, since it is the device's last word on itself, but it is no sign of life. Neither
// is "offline": it is mostly the broker who says it, in the device's will.
func (p *Processor) applyStatus(f *folding, i int, r *report, device *known) (changed bool, err error) {
	changed = !device.registered
	if r.status != "" && r.status != device.status {
		draft, err := r.statusDraft(device.status)
		if err != nil {
			return false, err
		}
		f.draft(i, draft)
		device.status, changed = r.status, true
	}
	if r.battery != nil && (device.battery == nil || *device.battery != *r.battery) {
		device.battery, changed = r.battery, true
	}
	if r.firmware != "" && device.firmware != r.firmware {
		device.firmware, changed = r.firmware, true
	}
	if !r.message.Retained && r.status != Offline {
		device.seen(r)
		changed = true
	}
	return changed, nil
}

// seen notes a sign of life.
func (k *known) seen(r *report) {
	if r.message.Received.After(k.lastSeen) {
		k.lastSeen = r.message.Received
	}
}

func (f *folding) draft(i int, draft channels.Draft) {
	f.batch.Drafts = append(f.batch.Drafts, draft)
	f.drafted = append(f.drafted, i)
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
