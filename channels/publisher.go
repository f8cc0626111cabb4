package channels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Sink takes events to viewers, such as the client of a proxy's control port. Send must not block; what
// it loses is repaired from the log.
type Sink interface {
	Send(events []Event)
}

// ErrStopped tells that the publisher no longer takes drafts. Nothing of the batch was stored.
var ErrStopped = errors.New("the publisher has stopped")

// Bounds of one transaction of a Publisher. A batch larger than them has a transaction of its own.
const (
	maxCommitEvents = 2000
	maxCommitBytes  = 8 << 20
	// maxWaiting bounds the batches that wait for their transaction; more senders than that wait to hand over.
	maxWaiting = 1024
)

// A Publisher validates drafts, appends what several senders bring at the same time in one transaction
// (group commit), and then hands the stored events to a Sink in the order of their numbers.
type Publisher struct {
	log   Log
	rules Rules
	sink  Sink
	now   func() time.Time
	hooks Hooks

	in      chan *submission
	stopped chan struct{}
}

type submission struct {
	batch  Batch
	events []Event
	err    error
	done   chan struct{}
}

// NewPublisher returns a Publisher that works while its Run does. The rules say which channels are
// stored; now is the clock.
func NewPublisher(log Log, rules Rules, sink Sink, now func() time.Time) *Publisher {
	return &Publisher{
		log: log, rules: rules, sink: sink, now: now,
		in:      make(chan *submission, maxWaiting),
		stopped: make(chan struct{}),
	}
}

// Publish asks the hooks, stores the batch and returns its events once the transaction has committed: one event per
// draft, in order. Errors of validation are *InvalidError inside a *DraftError, what hooks refuse is RefusedDrafts, and a
// hook that fails a *HookError; with any error except ctx's nothing was stored. When ctx ends while the transaction is under way, the outcome is unknown to the
// caller; a draft's Key makes it safe to try again.
func (p *Publisher) Publish(ctx context.Context, batch Batch) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	batch.Drafts = slices.Clone(batch.Drafts)
	now := p.now()
	for i := range batch.Drafts {
		d := &batch.Drafts[i]
		if err := p.validate(d); err != nil {
			return nil, &DraftError{Index: i, Err: err}
		}
		if d.Scope == "" {
			d.Scope = ScopeChannel
		}
		if d.Time.IsZero() {
			d.Time = now
		}
	}
	fates, err := p.askHooks(ctx, batch.Drafts)
	if err != nil {
		return nil, err
	}
	drafts := batch.Drafts
	if batch.Drafts = kept(drafts, fates); len(batch.Drafts) < len(drafts) && len(batch.Drafts)+len(batch.Refused)+len(batch.State) == 0 {
		return withDropped(nil, drafts, fates), nil
	}
	events, err := p.submit(ctx, batch)
	if err != nil {
		return nil, err
	}
	return withDropped(events, drafts, fates), nil
}

// Waiting is how many batches wait for their transaction now.
func (p *Publisher) Waiting() int { return len(p.in) }

// submit hands the batch to Run and waits for its transaction.
func (p *Publisher) submit(ctx context.Context, batch Batch) ([]Event, error) {
	s := &submission{batch: batch, done: make(chan struct{})}
	select {
	case <-p.stopped:
		return nil, ErrStopped
	default:
	}
	select {
	case p.in <- s:
	case <-p.stopped:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-s.done:
		return s.events, s.err
	case <-p.stopped:
		// Run has ended: it either answered this submission or will never see it.
		select {
		case <-s.done:
			return s.events, s.err
		default:
			return nil, ErrStopped
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Publisher) validate(d *Draft) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if len(d.SkipUsers) == 0 {
		return nil
	}
	for _, c := range d.Channels {
		if p.rules.For(c).Shared {
			return invalid("skip_users", "the viewers of %q are all alike (its rule says shared)", clip(string(c)))
		}
	}
	return nil
}

// A DraftError tells which draft of a batch is wrong.
type DraftError struct {
	// Index is the draft's place in the batch, from 0.
	Index int
	// Err is an *InvalidError, or the *RefusedError of a hook.
	Err error
}

// Error returns "draft {index}: …".
func (e *DraftError) Error() string { return fmt.Sprintf("draft %d: %v", e.Index, e.Err) }

// Unwrap returns Err.
func (e *DraftError) Unwrap() error { return e.Err }

// Run commits what Publish brings until ctx ends, then commits what was already handed over, and returns
// nil. It must be called once.
func (p *Publisher) Run(ctx context.Context) error {
	defer close(p.stopped)
	// What was handed over is committed also when ctx ends in the middle.
	commit := context.WithoutCancel(ctx)
	for {
		select {
		case <-ctx.Done():
			for group := p.collect(nil); len(group) > 0; group = p.collect(nil) {
				p.commit(commit, group)
			}
			return nil
		case s := <-p.in:
			p.commit(commit, p.collect([]*submission{s}))
		}
	}
}

// collect adds to the group what waits already, within the bounds of one transaction.
func (p *Publisher) collect(group []*submission) []*submission {
	events, bytes := 0, 0
	for _, s := range group {
		events, bytes = events+len(s.batch.Drafts), bytes+s.batch.size()
	}
	for events < maxCommitEvents && bytes < maxCommitBytes {
		select {
		case s := <-p.in:
			group = append(group, s)
			events, bytes = events+len(s.batch.Drafts), bytes+s.batch.size()
		default:
			return group
		}
	}
	return group
}

func (b *Batch) size() int {
	n := 0
	for i := range b.Drafts {
		n += len(b.Drafts[i].Data) + len(b.Drafts[i].Private)
	}
	return n
}

// commit stores the group in one transaction and tells every sender what became of its part. Drafts were
// validated before, so a failure is the log's and everybody's, unless it is about somebody's State.
func (p *Publisher) commit(ctx context.Context, group []*submission) {
	var whole Batch
	for _, s := range group {
		whole.Drafts = append(whole.Drafts, s.batch.Drafts...)
		whole.Refused = append(whole.Refused, s.batch.Refused...)
		whole.State = append(whole.State, s.batch.State...)
	}
	events, err := p.append(ctx, whole)
	if errors.Is(err, ErrState) && len(group) > 1 {
		p.commitApart(ctx, group)
		return
	}
	if err == nil {
		p.send(events)
	}
	for _, s := range group {
		if s.err = err; err == nil {
			n := len(s.batch.Drafts)
			s.events, events = events[:n:n], events[n:]
		}
		close(s.done)
	}
}

// commitApart stores each batch with State in a transaction of its own, and the others together.
func (p *Publisher) commitApart(ctx context.Context, group []*submission) {
	var others []*submission
	for _, s := range group {
		if len(s.batch.State) > 0 {
			p.commit(ctx, []*submission{s})
		} else {
			others = append(others, s)
		}
	}
	if len(others) > 0 {
		p.commit(ctx, others)
	}
}

// append stores the drafts' stored channels and makes events of the others as they are.
func (p *Publisher) append(ctx context.Context, batch Batch) ([]Event, error) {
	stored, places := batch, []int(nil)
	if unstored := p.unstored(batch.Drafts); unstored {
		stored.Drafts, places = p.storedPart(batch.Drafts)
	}
	events, err := p.log.Append(ctx, stored)
	if err != nil {
		return nil, fmt.Errorf("append %d events: %w", len(stored.Drafts), err)
	}
	if places == nil {
		return events, nil
	}
	all := make([]Event, len(batch.Drafts))
	for i := range batch.Drafts {
		all[i].Draft = batch.Drafts[i]
		for _, c := range batch.Drafts[i].Channels {
			all[i].Positions = append(all[i].Positions, Position{Channel: c})
		}
	}
	for i, place := range places {
		if events[i].Repeated {
			all[place] = events[i]
			continue
		}
		e := &all[place]
		e.ID = events[i].ID
		for _, position := range events[i].Positions {
			(*Cursor)(&e.Positions).Set(position.Channel, position.Seq)
		}
	}
	return all, nil
}

func (p *Publisher) unstored(drafts []Draft) bool {
	for i := range drafts {
		for _, c := range drafts[i].Channels {
			if !p.rules.Stored(c) {
				return true
			}
		}
	}
	return false
}

// storedPart returns the drafts with their stored channels only, and each one's place among all.
func (p *Publisher) storedPart(drafts []Draft) (stored []Draft, places []int) {
	places = make([]int, 0, len(drafts))
	for i, d := range drafts {
		var channels []Channel
		for _, c := range d.Channels {
			if p.rules.Stored(c) {
				channels = append(channels, c)
			}
		}
		if len(channels) > 0 {
			d.Channels = channels
			stored, places = append(stored, d), append(places, i)
		}
	}
	return stored, places
}

// send hands over what has not been sent before.
func (p *Publisher) send(events []Event) {
	fresh := events
	for i := range events {
		if events[i].Repeated {
			fresh = make([]Event, 0, len(events))
			for _, e := range events {
				if !e.Repeated {
					fresh = append(fresh, e)
				}
			}
			break
		}
	}
	if len(fresh) > 0 {
		p.sink.Send(fresh)
	}
}
