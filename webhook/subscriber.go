package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/griphub/griphub/channels"
)

// A Log is what subscribers read, and where they keep their place. Every store is one.
type Log interface {
	channels.Log
	channels.Records
}

// SubscriberOptions say who is told of what. Fields without a remark are required.
type SubscriberOptions struct {
	// Name is what the subscriber's place is kept under. It must not change.
	Name     string
	Endpoint Endpoint
	// Channels are followed, 1 to channels.MaxSubscribed of them; internal ones may be among them.
	Channels []channels.Channel
	// Events are patterns of the event types that are told; empty for all.
	Events []channels.Pattern
	// Retries is how often a message is sent again that the receiver answers with an error, or does not answer.
	Retries int
	Log     Log
	// Bell wakes the subscriber; nil for a look every second.
	Bell   *channels.Bell
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// A Subscriber posts each event of some channels to an endpoint, in the order of the log, at least once: the event's place is
// kept in the log once the receiver has answered with 2xx, and a subscriber that starts again goes on there. The first time
// it begins with what happens from then on.
//
// A receiver that cannot be reached, or says that it has no time now (408, 425, 429, 502, 503, 504), is asked again for as
// long as it takes; so is one that says 410, only rarely. One that answers with another error, or not in time, is asked
// Retries times more; then the message is put away, where it can be looked at and sent again, and the next one goes on.
type Subscriber struct {
	opts   SubscriberOptions
	client *client
	log    *slog.Logger
	pause  pauses
	stats  struct{ delivered, failures, dead, lost atomic.Uint64 }

	// requeuedAt is when the log was last asked for messages that are to be sent again.
	requeuedAt time.Time
	// skipped counts the events since the place was last kept.
	skipped int
}

// pauses are how long a subscriber waits before it tries again.
type pauses struct {
	first, last time.Duration // after one failure, and at most: doubled with each further one, with jitter
	gone        time.Duration // after 410
	idle        time.Duration // between looks for messages that are to be sent again
}

func defaultPauses() pauses {
	return pauses{first: time.Second, last: 5 * time.Minute, gone: time.Hour, idle: 5 * time.Second}
}

const (
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = time.Hour
	// maxSkipped bounds the events that are passed over before the place is kept.
	maxSkipped = 100
	// bookmarks is what stands before a name in the log.
	bookmarks = "webhook/"
)

// NewSubscriber checks the options.
func NewSubscriber(opts SubscriberOptions) (*Subscriber, error) {
	if opts.Name == "" || len(opts.Channels) == 0 || len(opts.Channels) > channels.MaxSubscribed {
		return nil, fmt.Errorf("webhook: want a name and 1 to %d channels", channels.MaxSubscribed)
	}
	client, err := newClient(opts.Endpoint, opts.Now)
	if err != nil {
		return nil, err
	}
	return &Subscriber{opts: opts, client: client, log: opts.Logger.With("subscriber", opts.Name), pause: defaultPauses()}, nil
}

// SubscriberStats counts what a Subscriber has done since it was made.
type SubscriberStats struct {
	// Delivered messages.
	Delivered uint64
	// Failures are tries that failed.
	Failures uint64
	// Dead messages were put away.
	Dead uint64
	// Lost counts the channels whose history was gone before it was told.
	Lost uint64
}

// Stats returns the counts so far.
func (s *Subscriber) Stats() SubscriberStats {
	return SubscriberStats{s.stats.delivered.Load(), s.stats.failures.Load(), s.stats.dead.Load(), s.stats.lost.Load()}
}

// Name is the subscriber's.
func (s *Subscriber) Name() string { return s.opts.Name }

// Run delivers until ctx ends, and returns nil. Of all processes that share a log, one at a time may run a subscriber of a
// name: two would tell everything twice. A log that fails is asked again.
func (s *Subscriber) Run(ctx context.Context) error {
	for pause := newBackoff(s.pause.first, s.pause.last); ctx.Err() == nil; {
		if err := s.follow(ctx, pause); err != nil && ctx.Err() == nil {
			s.log.Error("will try again", "error", err)
			pause.wait(ctx, 0)
		}
	}
	return nil
}

// follow goes on from the kept place until the log fails. What it has taken resets the pause.
func (s *Subscriber) follow(ctx context.Context, pause *backoff) error {
	from, err := s.opts.Log.Bookmark(ctx, bookmarks+s.opts.Name)
	if err != nil {
		return err
	}
	sub, err := channels.Subscribe(ctx, s.opts.Log, s.opts.Bell, s.opts.Channels, from)
	if err != nil {
		return err
	}
	defer sub.Close()
	// From here on, no outage of this process loses anything.
	if err := s.keep(ctx, sub.Cursor()); err != nil {
		return err
	}
	pause.reset()
	for {
		if err := s.sendRequeued(ctx); err != nil {
			return err
		}
		d, err := s.next(ctx, sub)
		if err != nil {
			return err
		}
		if d.Event == nil && len(d.Lost) == 0 {
			continue
		}
		if err := s.deliver(ctx, &d); err != nil {
			return err
		}
	}
}

// next returns an empty delivery where nothing happens for a while.
func (s *Subscriber) next(ctx context.Context, sub *channels.Subscription) (channels.Delivery, error) {
	within, cancel := context.WithTimeout(ctx, s.pause.idle)
	defer cancel()
	d, err := sub.Next(within)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return channels.Delivery{}, nil
	}
	return d, err
}

// keep stores the place, and what else is known by then.
func (s *Subscriber) keep(ctx context.Context, cursor channels.Cursor, state ...any) error {
	s.skipped = 0
	state = append(state, channels.Bookmark{Name: bookmarks + s.opts.Name, Cursor: cursor})
	_, err := s.opts.Log.Append(ctx, channels.Batch{State: state})
	return err
}

// deliver sends a delivery for as long as it takes, and keeps the place behind it.
func (s *Subscriber) deliver(ctx context.Context, d *channels.Delivery) error {
	if d.Event != nil && !s.wants(d.Event) {
		if s.skipped++; s.skipped < maxSkipped {
			return nil
		}
		return s.keep(ctx, d.Cursor)
	}
	if len(d.Lost) > 0 {
		s.stats.lost.Add(uint64(len(d.Lost)))
		s.log.Error("the log no longer has all events that were not delivered yet", "channels", d.Lost)
	}
	message, err := s.message(d)
	if err != nil {
		return err
	}
	reason, err := s.send(ctx, &message)
	if err != nil {
		return err
	}
	done := channels.Activity{Event: message.Event, Kind: channels.ActivityDelivered, Who: s.opts.Name}
	if reason == "" {
		return s.keep(ctx, d.Cursor, done)
	}
	done.Kind, message.Reason = channels.ActivityDead, reason
	return s.keep(ctx, d.Cursor, done, message)
}

func (s *Subscriber) wants(e *channels.Event) bool {
	return len(s.opts.Events) == 0 || slices.ContainsFunc(s.opts.Events, func(p channels.Pattern) bool {
		return p.Match(channels.Channel(e.Type))
	})
}

// message is the delivery as it is sent.
func (s *Subscriber) message(d *channels.Delivery) (channels.Undelivered, error) {
	form := d.Backend()
	m := channels.Undelivered{Subscriber: s.opts.Name}
	if d.Event != nil {
		m.Event, m.Message = d.Event.Original(), form.ID
		if d.Event.Replay > 0 {
			m.Message = fmt.Sprintf("%s-%d", form.ID, d.Event.Replay)
		}
	} else {
		form.Time = s.opts.Now().UTC()
		place := sha256.Sum256([]byte(d.Cursor.String()))
		m.Message = "reset-" + hex.EncodeToString(place[:8])
	}
	var err error
	m.Body, err = json.Marshal(form)
	return m, err
}

// send posts a message until the receiver has it, or is to be asked no more: reason says why then. The error is ctx's.
func (s *Subscriber) send(ctx context.Context, m *channels.Undelivered) (reason string, err error) {
	refused := 0
	for pause := newBackoff(s.pause.first, s.pause.last); ; {
		a, err := s.client.post(ctx, m.Message, m.Body, maxText)
		if err == nil && a.status/100 == 2 {
			s.stats.delivered.Add(1)
			return "", nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		s.stats.failures.Add(1)
		reason = why(a, err)
		verdict := judge(a, err)
		if verdict == refuses {
			if refused++; refused > s.opts.Retries {
				s.stats.dead.Add(1)
				s.log.Error("put away: the receiver does not take it", "message", m.Message, "tries", refused, "reason", reason)
				return reason, nil
			}
		}
		s.log.Warn("not delivered, will try again", "message", m.Message, "reason", reason)
		atLeast := min(a.retryAfter, maxRetryAfter)
		if verdict == gone {
			atLeast = s.pause.gone
		}
		if !pause.wait(ctx, atLeast) {
			return "", ctx.Err()
		}
	}
}

// sendRequeued sends, once in a while, what was put away and is wanted after all.
func (s *Subscriber) sendRequeued(ctx context.Context) error {
	now := s.opts.Now()
	if now.Sub(s.requeuedAt) < s.pause.idle && now.After(s.requeuedAt) {
		return nil
	}
	s.requeuedAt = now
	for {
		list, err := s.opts.Log.Undelivered(ctx, channels.UndeliveredQuery{Subscriber: s.opts.Name, Requeued: true, Limit: 100})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, m := range slices.Backward(list) { // the oldest first
			reason, err := s.send(ctx, &m)
			if err != nil {
				return err
			}
			done := channels.Activity{Event: m.Event, Kind: channels.ActivityDelivered, Who: s.opts.Name}
			state := []any{done, channels.Settled(m.ID)}
			if reason != "" {
				done.Kind, m.Reason, m.Requeued = channels.ActivityDead, reason, false
				state = []any{done, m}
			}
			if _, err := s.opts.Log.Append(ctx, channels.Batch{State: state}); err != nil {
				return err
			}
		}
	}
}
