package channels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A Hook is asked about events before they are stored. The drafts are valid copies that nobody else has: it may change them in
// place, and answers for each in order: nil for going on, ErrDrop, or a *RefusedError. err is the failure of the hook itself.
// It may be called concurrently, and is given up where it does not return in time or panics.
type Hook interface {
	Ask(ctx context.Context, drafts []*Draft) (answers []error, err error)
}

// A HookFunc is a Hook that is asked about one draft at a time.
type HookFunc func(ctx context.Context, d *Draft) error

// Ask calls the function for each draft.
func (f HookFunc) Ask(ctx context.Context, drafts []*Draft) ([]error, error) {
	answers := make([]error, len(drafts))
	for i, d := range drafts {
		answers[i] = f(ctx, d)
	}
	return answers, nil
}

// ErrDrop is a hook's answer that there is to be no such event, or, where it is asked what viewers are shown, nothing.
var ErrDrop = errors.New("dropped")

// A RefusedError is a hook's answer that the publisher is to be told that the event is not wanted.
type RefusedError struct {
	// Reason is for the publisher to read.
	Reason string
}

// Error returns "refused: " and the reason.
func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// RefusedDrafts are all drafts of a batch that hooks have refused. Nothing of the batch was stored.
type RefusedDrafts []*DraftError

// Error tells of the first.
func (r RefusedDrafts) Error() string { return r[0].Error() }

// Unwrap returns them.
func (r RefusedDrafts) Unwrap() []error {
	all := make([]error, len(r))
	for i, e := range r {
		all[i] = e
	}
	return all
}

// A HookError tells that a hook has failed whose events are not published then. Nothing of the batch was stored; it may be tried
// again.
type HookError struct {
	// Name is the hook's.
	Name string
	Err  error
}

// Error returns "hook {name}: …".
func (e *HookError) Error() string { return fmt.Sprintf("hook %s: %v", e.Name, e.Err) }

// Unwrap returns Err.
func (e *HookError) Unwrap() error { return e.Err }

// HookOptions say when a hook is asked. Fields without a remark are required.
type HookOptions struct {
	// Name is for errors and counts.
	Name string
	// Match selects events by their channels, internal ones included: one that matches is enough.
	Match Pattern
	// Open publishes events as they are where the hook fails; else they are not published.
	Open bool
	// Timeout bounds one call.
	Timeout time.Duration
}

// A HookPoint is a hook and when it is asked. It must be made by NewHookPoint.
type HookPoint struct {
	hook Hook
	opts HookOptions
	// calls has a place for each call that may be under way: one that was given up may still be.
	calls chan struct{}
	stats struct{ asked, changed, dropped, refused, failures, passed atomic.Uint64 }
}

// hookCalls bounds the calls of a hook at the same time.
const hookCalls = 64

// NewHookPoint returns the hook with its options.
func NewHookPoint(hook Hook, opts HookOptions) *HookPoint {
	return &HookPoint{hook: hook, opts: opts, calls: make(chan struct{}, hookCalls)}
}

// HookStats counts what became of events at a hook.
type HookStats struct {
	// Asked counts the events that the hook was asked about, Changed, Dropped and Refused what it answered.
	Asked, Changed, Dropped, Refused uint64
	// Failures are calls that failed, did not return in time, panicked, or answered nonsense.
	Failures uint64
	// Passed are events that were published as they were because of a failure.
	Passed uint64
}

// Stats returns the counts so far.
func (h *HookPoint) Stats() HookStats {
	s := &h.stats
	return HookStats{s.asked.Load(), s.changed.Load(), s.dropped.Load(), s.refused.Load(), s.failures.Load(), s.passed.Load()}
}

// Name is the hook's.
func (h *HookPoint) Name() string { return h.opts.Name }

// Hooks are asked about every event, in their order.
type Hooks struct {
	// Receive is asked once for each event before it is stored, and may change its channels, type, data, private data and
	// skip_users, drop it or refuse it.
	Receive []*HookPoint
	// Send is asked once for each event what its viewers are shown: it may change type and data, add to skip_users, or
	// drop it. The log and subscribers keep the original. One item serves all viewers of a channel (GRIP), so that what
	// they are shown is one thing for all of them; only skip_users tells them apart.
	Send []*HookPoint
}

// matches tells whether the hook is asked about the draft. Kicks are griphub's own.
func (h *HookPoint) matches(d *Draft) bool {
	return slices.ContainsFunc(d.Channels, func(c Channel) bool { return c != Kicks && h.opts.Match.Match(c) })
}

// ask calls the hook with copies of the drafts and returns them as it has changed them. The error is that of the hook.
func (h *HookPoint) ask(ctx context.Context, drafts []*Draft) (changed []*Draft, answers []error, err error) {
	h.stats.asked.Add(uint64(len(drafts)))
	ctx, cancel := context.WithTimeout(ctx, h.opts.Timeout)
	defer cancel()
	select {
	case h.calls <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%d calls are under way: %w", hookCalls, ctx.Err())
	}
	changed = make([]*Draft, len(drafts))
	for i, d := range drafts {
		changed[i] = d.clone()
	}
	type result struct {
		answers []error
		err     error
	}
	done := make(chan result, 1)
	given := slices.Clone(changed)
	// A hook that hangs keeps its copies and its place, and nobody waits for it.
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.err = fmt.Errorf("panic: %v", v)
			}
			<-h.calls
			done <- r
		}()
		r.answers, r.err = h.hook.Ask(ctx, given)
	}()
	select {
	case r := <-done:
		if r.err == nil && len(r.answers) != len(drafts) {
			r.err = fmt.Errorf("%d answers to %d events", len(r.answers), len(drafts))
		}
		return changed, r.answers, r.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// clone returns a copy that shares nothing.
func (d *Draft) clone() *Draft {
	c := *d
	c.Channels, c.Data, c.Private, c.SkipUsers = slices.Clone(d.Channels), slices.Clone(d.Data), slices.Clone(d.Private), slices.Clone(d.SkipUsers)
	if d.Shown != nil {
		shown := *d.Shown
		shown.Data = slices.Clone(shown.Data)
		c.Shown = &shown
	}
	return &c
}
