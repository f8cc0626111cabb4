package channels

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// MaxSubscribed bounds the channels of one Subscription.
	MaxSubscribed = 100
	// subscribeEvents bounds the events that a Subscription reads at once.
	subscribeEvents = 100
	// subscribeEvery is how often a Subscription looks into the log where nobody wakes it.
	subscribeEvery = time.Second
)

// A Subscription follows channels in the log for a backend: each event once, in the order of its channels, with its private
// data. It sees what was committed, whoever committed it. Who keeps the cursor of a delivery that is done with, and
// subscribes there again, gets every event at least once.
//
// Its methods must not be called concurrently.
type Subscription struct {
	log    Log
	cursor Cursor // the place after what Next has returned
	wake   <-chan struct{}
	close  func()

	lost   []Channel
	events []*Event // that were read and not returned yet, in order
}

// A Delivery is what a Subscription yields: an event, or the news that some were lost.
type Delivery struct {
	// Event is nil where Lost is not.
	Event *Event
	// Lost are channels whose events after the last delivery, or some of them, the log no longer has. The subscription
	// goes on with the oldest that is left; if its place was of another history, with what happens from now on.
	Lost []Channel
	// Cursor is the place after the delivery in all channels of the subscription.
	Cursor Cursor
}

// Subscribe follows 1 to MaxSubscribed channels, internal ones included, each from its position in from, or from now on.
// They must be stored. The bell wakes the subscription; nil for a look into the log every second.
func Subscribe(ctx context.Context, log Log, bell *Bell, chans []Channel, from Cursor) (*Subscription, error) {
	if err := checkSubscribed(chans); err != nil {
		return nil, err
	}
	s := &Subscription{log: log, close: func() {}}
	// Before the heads are read, so that nothing is missed between the two.
	if bell != nil {
		s.wake, s.close = bell.listen(chans)
	}
	heads, err := log.Heads(ctx, chans)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("subscribe to %d channels: %w", len(chans), err)
	}
	for _, p := range heads {
		if seq, ok := from.Find(p.Channel); ok {
			p.Seq = seq
		}
		s.cursor = append(s.cursor, p)
	}
	return s, nil
}

func checkSubscribed(chans []Channel) error {
	if len(chans) == 0 || len(chans) > MaxSubscribed {
		return fmt.Errorf("subscribe: want 1 to %d channels, not %d", MaxSubscribed, len(chans))
	}
	for i, c := range chans {
		if _, err := parseStored(string(c)); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		if slices.Contains(chans[:i], c) {
			return fmt.Errorf("subscribe: channel %q is named twice", clip(string(c)))
		}
	}
	return nil
}

// Cursor is the place after the last delivery, or where the subscription began.
func (s *Subscription) Cursor() Cursor { return slices.Clone(s.cursor) }

// Close ends the subscription.
func (s *Subscription) Close() { s.close() }

// Next returns the next delivery, and waits until there is one. After an error, which is ctx's or the log's, it may be called
// again, and misses nothing.
func (s *Subscription) Next(ctx context.Context) (Delivery, error) {
	for {
		if len(s.lost) > 0 {
			lost := s.lost
			s.lost = nil
			return Delivery{Lost: lost, Cursor: s.Cursor()}, nil
		}
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = s.events[1:]
			s.pass(e)
			return Delivery{Event: e, Cursor: s.Cursor()}, nil
		}
		if err := s.read(ctx); err != nil {
			return Delivery{}, err
		}
		if len(s.lost)+len(s.events) > 0 {
			continue
		}
		if err := s.wait(ctx); err != nil {
			return Delivery{}, err
		}
	}
}

// pass moves the cursor behind the event in every channel that has it.
func (s *Subscription) pass(e *Event) {
	for _, p := range e.Positions {
		if seq, ok := s.cursor.Find(p.Channel); ok && seq < p.Seq {
			s.cursor.Set(p.Channel, p.Seq)
		}
	}
}

// read takes what follows the cursor from the log. Ids rise with the numbers of each channel, so that their order is right for
// all channels together. Where a channel has more than its page, what others have beyond that must wait: it may be on that
// channel too, and would carry the cursor over events that were not read.
func (s *Subscription) read(ctx context.Context) error {
	pages, err := s.log.Read(ctx, s.cursor, max(1, subscribeEvents/len(s.cursor)))
	if err != nil {
		return fmt.Errorf("read %d channels: %w", len(s.cursor), err)
	}
	if err := s.recover(ctx, pages); err != nil || len(s.lost) > 0 {
		return err
	}
	horizon := EventID(MaxSeq)
	for i := range pages {
		page := &pages[i]
		for j := range page.Events {
			s.events = append(s.events, &page.Events[j])
		}
		if page.More {
			horizon = min(horizon, page.Events[len(page.Events)-1].ID)
		}
	}
	s.events = slices.DeleteFunc(s.events, func(e *Event) bool { return e.ID > horizon })
	slices.SortFunc(s.events, func(a, b *Event) int { return int(a.ID - b.ID) })
	s.events = slices.CompactFunc(s.events, func(a, b *Event) bool { return a.ID == b.ID })
	return nil
}

// recover moves the cursor in channels whose place is lost to the oldest event that is left, or, where that is no way forward
// (the place is of another history, or someone deleted events by hand), to the head. Everything is read anew from there.
func (s *Subscription) recover(ctx context.Context, pages []Page) error {
	from := s.Cursor()
	var lost []Channel
	for i := range pages {
		if !pages[i].Lost {
			continue
		}
		c := pages[i].Channel
		oldest, err := s.log.SeqAt(ctx, c, time.Time{})
		if err != nil {
			return fmt.Errorf("find the oldest event of %s: %w", c, err)
		}
		if seq, _ := from.Find(c); oldest <= seq {
			oldest = pages[i].Next
		}
		from.Set(c, oldest)
		lost = append(lost, c)
	}
	s.cursor, s.lost = from, lost
	return nil
}

func (s *Subscription) wait(ctx context.Context) error {
	timer := time.NewTimer(subscribeEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.wake:
	case <-timer.C:
	}
	return nil
}

// Backend returns the delivery as backends read it. Loss is an event of type stream-reset whose data names the channels, as
// viewers are told.
func (d *Delivery) Backend() BackendEvent {
	if d.Event == nil {
		data := appendJSONString([]byte(`{"channels":[`), string(d.Lost[0]))
		for _, c := range d.Lost[1:] {
			data = appendJSONString(append(data, ','), string(c))
		}
		return BackendEvent{
			Cursor: d.Cursor, Channels: d.Lost, Event: "stream-reset", Scope: ScopeSystem, Data: append(data, "]}"...),
		}
	}
	b := d.Event.Backend()
	b.Cursor = d.Cursor
	return b
}

// CursorAt returns the place in the channels before the first event at or after the moment.
func CursorAt(ctx context.Context, log Log, chans []Channel, moment time.Time) (Cursor, error) {
	var at Cursor
	for _, c := range chans {
		seq, err := log.SeqAt(ctx, c, moment)
		if err != nil {
			return nil, err
		}
		at = append(at, Position{c, seq})
	}
	return at, nil
}
