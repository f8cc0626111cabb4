package channels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// SetHooks has the hooks asked about every draft that is published. It must be called before Publish is.
func (p *Publisher) SetHooks(hooks Hooks) { p.hooks = hooks }

// A fate is what hooks have decided about a draft.
type fate struct {
	dropped bool
	refused error
}

// askHooks changes the drafts, which are valid, as the hooks say, and tells which are dropped; nil for none.
func (p *Publisher) askHooks(ctx context.Context, drafts []Draft) ([]fate, error) {
	if len(p.hooks.Receive)+len(p.hooks.Send) == 0 {
		return nil, nil
	}
	fates := make([]fate, len(drafts))
	for _, h := range p.hooks.Receive {
		if err := p.askHook(ctx, h, drafts, fates, p.receive); err != nil {
			return nil, err
		}
	}
	var refused RefusedDrafts
	for i := range fates {
		if fates[i].refused != nil {
			refused = append(refused, &DraftError{Index: i, Err: fates[i].refused})
		}
	}
	if refused != nil {
		return nil, refused
	}
	for _, h := range p.hooks.Send {
		if err := p.askHook(ctx, h, drafts, fates, p.show); err != nil {
			return nil, err
		}
	}
	return fates, nil
}

// A decision makes a draft what the hook has answered. The error is that the answer is nonsense.
type decision func(d, changed *Draft, answer error) (outcome, error)

// An outcome is what has become of a draft at a hook.
type outcome struct {
	fate
	changed, hidden bool
}

// askHook asks one hook about all drafts that are left and concern it. Where it fails, none of them changes.
func (p *Publisher) askHook(ctx context.Context, h *HookPoint, drafts []Draft, fates []fate, decide decision) error {
	var asked, views []*Draft
	var places []int
	for i := range drafts {
		d := &drafts[i]
		if fates[i] == (fate{}) && h.matches(d) && p.concerns(h, d) {
			view := d.seen()
			asked, views, places = append(asked, d), append(views, &view), append(places, i)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	after, outcomes, err := h.decide(ctx, asked, views, decide)
	switch {
	case err == nil:
		for i, place := range places {
			drafts[place], fates[place] = after[i], outcomes[i].fate
			h.count(outcomes[i])
		}
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	h.stats.failures.Add(1)
	if h.opts.Open {
		h.stats.passed.Add(uint64(len(asked)))
		return nil
	}
	return &HookError{Name: h.opts.Name, Err: err}
}

func (h *HookPoint) count(o outcome) {
	switch {
	case o.dropped, o.hidden:
		h.stats.dropped.Add(1)
	case o.refused != nil:
		h.stats.refused.Add(1)
	case o.changed:
		h.stats.changed.Add(1)
	}
}

// concerns tells whether what viewers are shown is a question at all.
func (p *Publisher) concerns(h *HookPoint, d *Draft) bool {
	return !slices.Contains(p.hooks.Send, h) || d.Scope != ScopeSystem && !d.hidden()
}

// decide asks the hook, and works out what its answers mean, without a change to the drafts.
func (h *HookPoint) decide(ctx context.Context, asked, views []*Draft, decide decision) ([]Draft, []outcome, error) {
	changed, answers, err := h.ask(ctx, views)
	if err != nil {
		return nil, nil, err
	}
	after, outcomes := make([]Draft, len(asked)), make([]outcome, len(asked))
	for i, d := range asked {
		after[i] = *d
		// A copy, as the hook may have kept the draft.
		if outcomes[i], err = decide(&after[i], changed[i].clone(), answers[i]); err != nil {
			return nil, nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return after, outcomes, nil
}

// receive takes over what a hook may change before an event is stored.
func (p *Publisher) receive(d, changed *Draft, answer error) (o outcome, err error) {
	var refused *RefusedError
	switch {
	case errors.Is(answer, ErrDrop):
		o.dropped = true
		return o, nil
	case errors.As(answer, &refused):
		o.refused = refused
		return o, nil
	case answer != nil:
		return o, answer
	}
	o.changed = !sameContent(d, changed) || !slices.Equal(d.Channels, changed.Channels) || !bytes.Equal(d.Private, changed.Private)
	d.Channels, d.Type, d.Data, d.Raw = changed.Channels, changed.Type, changed.Data, changed.Raw
	d.Private, d.SkipUsers = changed.Private, changed.SkipUsers
	return o, p.validate(d)
}

// show takes over what a hook may change for viewers.
func (p *Publisher) show(d, changed *Draft, answer error) (o outcome, err error) {
	if errors.Is(answer, ErrDrop) {
		d.Shown = &Shown{Nobody: true}
		o.hidden = true
		return o, nil
	}
	if answer != nil {
		return o, answer
	}
	seen := d.seen()
	if o.changed = !sameContent(&seen, changed); !o.changed {
		return o, nil
	}
	for _, user := range changed.SkipUsers {
		if !slices.Contains(d.SkipUsers, user) {
			d.SkipUsers = append(slices.Clip(d.SkipUsers), user)
		}
	}
	seen.Type, seen.Data, seen.Raw, seen.SkipUsers = changed.Type, changed.Data, changed.Raw, d.SkipUsers
	d.Shown = nil
	if seen.Type != d.Type || seen.Raw != d.Raw || !bytes.Equal(seen.Data, d.Data) {
		d.Shown = &Shown{Type: seen.Type, Data: seen.Data, Raw: seen.Raw}
	}
	return o, p.validate(&seen)
}

// seen is the draft as its viewers see it.
func (d *Draft) seen() Draft {
	s := *d
	s.Type, s.Data, s.Raw = d.AsShown()
	s.Shown = nil
	return s
}

func sameContent(a, b *Draft) bool {
	return a.Type == b.Type && a.Raw == b.Raw && bytes.Equal(a.Data, b.Data) && slices.Equal(a.SkipUsers, b.SkipUsers)
}

// kept returns the drafts that no hook has dropped.
func kept(drafts []Draft, fates []fate) []Draft {
	if !slices.ContainsFunc(fates, func(f fate) bool { return f.dropped }) {
		return drafts
	}
	left := make([]Draft, 0, len(drafts))
	for i := range drafts {
		if !fates[i].dropped {
			left = append(left, drafts[i])
		}
	}
	return left
}

// withDropped puts the drafts that hooks have dropped back into their places, as events that are nowhere.
func withDropped(events []Event, drafts []Draft, fates []fate) []Event {
	if len(events) == len(drafts) {
		return events
	}
	all := make([]Event, len(drafts))
	for i := range drafts {
		if fates[i].dropped {
			all[i] = Event{Draft: drafts[i], Dropped: true}
			continue
		}
		all[i], events = events[0], events[1:]
	}
	return all
}
