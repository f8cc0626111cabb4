package channels

import (
	"context"
	"fmt"
	"slices"
)

// Replay bounds: how much of a backlog one reply carries. The proxy buffers at most 100,000 bytes of a reply
// that it renders, and follows a next link at once for the rest.
const (
	// ReplayEvents bounds the events of one reply over all its channels.
	ReplayEvents = 100
	// ReplayBytes bounds the rendered events of one reply; the opening and the frame around it fit
	// between this and the proxy's limit.
	ReplayBytes = 90_000
)

// A Replay is what a viewer missed, ready to be rendered in order.
type Replay struct {
	// Start is where the viewer stood, with the head in place of a position that it did not have or that
	// was Lost.
	Start Cursor
	// Lost are channels whose position was no place in the log: what followed it is unknown. The viewer
	// is told (stream-reset), and continues at the head.
	Lost []Channel
	// Steps are the events, oldest first.
	Steps []Step
	// More tells that the log has further events: the viewer reads on from the last step's place.
	More bool
}

// A Step is one event of a Replay on one of its channels.
type Step struct {
	Event   *Event
	Channel Channel
	Seq     Seq
}

// A Reader reads what viewers missed.
type Reader struct {
	log   Log
	rules Rules
	until func(Channel) (Seq, bool)
}

// NewReader returns a Reader over the log. The rules say which channels are stored.
func NewReader(log Log, rules Rules) *Reader { return &Reader{log: log, rules: rules} }

// Until returns a reader that does not read beyond the place that end tells of a channel; ok is false for a channel that is read to
// its head. So viewers of a channel whose events wait for the proxy come to where the others are, who get them in order from there:
// one that was ahead would not take what comes then for what it missed, and ask each time.
func (r *Reader) Until(end func(c Channel) (place Seq, ok bool)) *Reader {
	return &Reader{log: r.log, rules: r.rules, until: end}
}

// Stored tells whether the channel has numbers to resume from.
func (r *Reader) Stored(c Channel) bool { return r.rules.Stored(c) }

// Read returns what happened on the channels after the positions of from, at most limit events over all
// channels. Channels that from does not name start at their head; positions of other channels are
// ignored; channels that are not stored have no part in it.
func (r *Reader) Read(ctx context.Context, chans []Channel, from Cursor, limit int) (Replay, error) {
	replay, _, err := r.read(ctx, chans, from, limit, nil)
	return replay, err
}

// read also returns the pages after the positions of beside, from the same moment as those of the channels.
func (r *Reader) read(ctx context.Context, chans []Channel, from Cursor, limit int, beside Cursor) (Replay, []Page, error) {
	var fresh []Channel
	after := make(Cursor, 0, len(chans)+len(beside))
	for _, c := range chans {
		if !r.rules.Stored(c) {
			continue
		}
		if seq, ok := from.Find(c); ok {
			after = append(after, Position{c, seq})
		} else {
			fresh = append(fresh, c)
		}
	}
	var replay Replay
	heads, err := r.heads(ctx, fresh)
	if err != nil {
		return replay, nil, err
	}
	own := len(after)
	pages, err := r.pages(ctx, append(after, beside...), max(1, limit/max(1, own)))
	if err != nil {
		return replay, nil, err
	}
	r.end(heads, pages[:own])
	for _, c := range chans {
		if seq, ok := heads.Find(c); ok {
			replay.Start = append(replay.Start, Position{c, seq})
		} else if seq, ok := after.Find(c); ok {
			replay.Start = append(replay.Start, Position{c, seq})
		}
	}
	for i := range own {
		replay.add(&pages[i])
	}
	slices.SortStableFunc(replay.Steps, func(a, b Step) int { return int(a.Event.ID - b.Event.ID) })
	return replay, pages[own:], nil
}

// end leaves out what is not read yet. Who stands beyond that stays there.
func (r *Reader) end(heads Cursor, pages []Page) {
	if r.until == nil {
		return
	}
	for i := range heads {
		if end, ok := r.until(heads[i].Channel); ok {
			heads[i].Seq = min(heads[i].Seq, end)
		}
	}
	for i := range pages {
		page := &pages[i]
		end, ok := r.until(page.Channel)
		if !ok || page.Next <= end {
			continue
		}
		beyond := func(e Event) bool { return e.Seq(page.Channel) > end }
		if at := slices.IndexFunc(page.Events, beyond); at >= 0 {
			page.Events = page.Events[:at]
		}
		page.Next, page.More = end, false
	}
}

func (r *Reader) heads(ctx context.Context, chans []Channel) (Cursor, error) {
	if len(chans) == 0 {
		return nil, nil
	}
	heads, err := r.log.Heads(ctx, chans)
	if err != nil {
		return nil, fmt.Errorf("read the heads of %d channels: %w", len(chans), err)
	}
	return heads, nil
}

func (r *Reader) pages(ctx context.Context, after Cursor, limit int) ([]Page, error) {
	if len(after) == 0 {
		return nil, nil
	}
	pages, err := r.log.Read(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read %d channels: %w", len(after), err)
	}
	return pages, nil
}

func (r *Replay) add(page *Page) {
	if page.Lost {
		r.Lost = append(r.Lost, page.Channel)
		r.Start.Set(page.Channel, page.Next)
		return
	}
	r.More = r.More || page.More
	for i := range page.Events {
		e := &page.Events[i]
		r.Steps = append(r.Steps, Step{Event: e, Channel: page.Channel, Seq: e.Seq(page.Channel)})
	}
}

// Skips tells that the event is not shown to the user, or to nobody at all.
func (e *Event) Skips(user string) bool {
	return e.hidden() || user != "" && slices.Contains(e.SkipUsers, user)
}
