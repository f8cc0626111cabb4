package devices

// applySilence makes a device offline of which nothing was heard, as django-devicehub's heartbeat timeout does. What has
// come in since the monitor looked is in the batches before, so that nobody who spoke is taken for silent.
func (p *Processor) applySilence(f *folding, i int, r *report, device *known) (changed bool, err error) {
	if device.status == Offline || device.lastSeen.IsZero() || !device.lastSeen.Before(r.message.Silent) {
		return false, nil
	}
	draft, err := r.statusDraft(device.status, Offline)
	if err != nil {
		return false, err
	}
	f.draft(i, draft)
	device.status, device.overdue = Offline, true
	return true, nil
}

// wake makes a device online that was overdue. What it was before it fell silent is not known to be true any more: a
// device that has something else to say of itself says so.
func (p *Processor) wake(f *folding, i int, r *report, device *known) error {
	if !device.overdue {
		return nil
	}
	draft, err := r.statusDraft(Offline, Online)
	if err != nil {
		return err
	}
	// The message's own id is its data's; whether that is a repetition is not known before the commit, and a
	// repetition is a sign of life as well.
	draft.Key = ""
	f.draft(i, draft)
	device.status, device.overdue = Online, false
	return nil
}
