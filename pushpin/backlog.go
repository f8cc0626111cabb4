package pushpin

import (
	"context"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

const (
	// backlogChannels bounds the channels that are left to the log.
	backlogChannels = 10_000
	// From the log are read so many events at once, of so many channels.
	readEvents   = 2 * batchItems
	readChannels = 50
)

// A Log is where events are found that have been sent, in their order. A channels.Log is one.
type Log interface {
	Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error)
}

// A backlog is what one proxy has not been given yet and the queue had no room for: of each channel the place from which to read
// on in the log. So what waits takes no memory however much it is, and the proxy's viewers get it in order, all with one request,
// instead of each of them asking for it. It is not safe for concurrent use.
type backlog struct {
	channels map[channels.Channel]*absence
	turns    []channels.Channel // that have something to read, in the order of their turns
}

// An absence is what a channel has in the log and not in the queue.
type absence struct {
	at     channels.Seq // what comes after it
	newest channels.Seq // what has come so far
	names  []string     // of the channel at the proxy
}

// pending tells whether there is something to read.
func (b *backlog) pending() bool { return len(b.turns) > 0 }

// leave tells whether the event at the place is left to the log, because the channel's events before it are, or the queue is full,
// or because it has been read from there already. prev is the event's place before it.
func (b *backlog) leave(place channels.Position, prev channels.Seq, name string, full bool) bool {
	a := b.channels[place.Channel]
	switch {
	case a != nil && (a.at >= place.Seq || a.at < a.newest):
		a.newest = max(a.newest, place.Seq)
		if !slices.Contains(a.names, name) {
			a.names = append(a.names, name)
		}
		return true
	case a != nil:
		// It goes on behind what was read.
		delete(b.channels, place.Channel)
	}
	if !full || len(b.channels) >= backlogChannels {
		return false
	}
	if b.channels == nil {
		b.channels = make(map[channels.Channel]*absence)
	}
	b.channels[place.Channel] = &absence{at: prev, newest: place.Seq, names: []string{name}}
	b.turns = append(b.turns, place.Channel)
	return true
}

// next is from where to read.
func (b *backlog) next() channels.Cursor {
	after := make(channels.Cursor, 0, min(len(b.turns), readChannels))
	for _, c := range b.turns[:cap(after)] {
		after = append(after, channels.Position{Channel: c, Seq: b.channels[c].at})
	}
	return after
}

// pass notes what was read after the places that next has told.
func (b *backlog) pass(pages []channels.Page) {
	b.turns = b.turns[len(pages):]
	for i := range pages {
		c, page := pages[i].Channel, &pages[i]
		a := b.channels[c]
		a.at = page.Next
		switch {
		case a.at < a.newest && (len(page.Events) > 0 || page.More || page.Lost):
			b.turns = append(b.turns, c)
		case a.at <= a.newest:
			// Where the log does not have what has come it is gone, and viewers are told when they ask.
			delete(b.channels, c)
		}
		// Else the log has more than has come here. What comes next may be of that.
	}
}

// leaveToLog returns those of the messages that are not left to the log. An event's messages go the same way. The lock is held.
func (s *sender) leaveToLog(messages []message) []message {
	// The rest is for what is nowhere else, and for what is being read.
	size, room := 0, s.queue.limit/2-s.queue.bytes
	for i := range messages {
		size += messages[i].size()
	}
	if s.events == nil || size <= room && len(s.backlog.channels) == 0 {
		return messages
	}
	kept := make([]message, 0, len(messages))
	full := room < 0
	for i := range messages {
		m := &messages[i]
		if i == 0 || m.origin.event == 0 || m.origin.event != messages[i-1].origin.event {
			full = room < 0
		}
		if place, ok := s.place(&m.item); ok {
			if prev, err := channels.ParseSeq(m.item.PrevID); err == nil && s.backlog.leave(place, prev, m.item.Channel, full) {
				continue
			}
		}
		room -= m.size()
		kept = append(kept, *m)
	}
	return kept
}

// readOn fills the queue with what was left to the log, and waits while the log does not answer and nothing else is to be done.
func (s *sender) readOn(ctx context.Context) {
	for {
		after, queued := s.toRead()
		if after == nil {
			return
		}
		pages, err := s.events.Read(ctx, after, max(1, readEvents/len(after)))
		if err == nil {
			s.fill(after, pages)
		} else if !s.unread(ctx, err) {
			return
		}
		if queued {
			return
		}
	}
}

// unread notes that the log does not answer, and waits. It tells whether ctx lasted that long.
func (s *sender) unread(ctx context.Context, err error) bool {
	if !s.unreadable && ctx.Err() == nil {
		s.log.Error("read on from the log", "error", err)
	}
	s.unreadable = true
	return sleep(ctx, s.pacing.first)
}

// toRead is from where to read; nil where nothing is to be read now, because the queue has enough.
func (s *sender) toRead() (after channels.Cursor, queued bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.backlog.pending() || s.queue.bytes > s.queue.limit/4 {
		return nil, false
	}
	return s.backlog.next(), len(s.queue.messages) > 0
}

// fill queues what was read after the places, as far as there is room.
func (s *sender) fill(after channels.Cursor, pages []channels.Page) {
	s.unreadable = false
	room := s.queue.limit / 4
	var messages []message
	for i := range pages {
		page := &pages[i]
		for j := range page.Events {
			if room < 0 && len(messages) > 0 {
				page.Events, page.Next, page.More = page.Events[:j], after[i].Seq, true
				break
			}
			e := page.Events[j]
			place := channels.Position{Channel: page.Channel, Seq: e.Seq(page.Channel)}
			after[i].Seq, e.Positions = place.Seq, channels.Cursor{place}
			items := s.render(nil, &e)
			// What would be refused was logged when it was sent.
			for _, m := range encode(items, make([]origin, len(items)), s.bodyLimit, func(*grip.Item, error) {}) {
				messages = append(messages, m)
				room -= m.size()
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog.pass(pages)
	s.drop(s.queue.push(messages), errBehind)
	if !s.backlog.pending() {
		s.log.Info("all that was left to the log is queued", "after", time.Since(s.behind).Round(time.Millisecond))
		s.await()
	}
}

// Horizon tells up to where the proxies have been given a channel that they do not keep up with, so that who asks for its events
// from the log is not told more than the others are. Of several proxies the first counts. ok is false where one keeps up, or does not
// answer.
func (c *Client) Horizon(channel channels.Channel) (place channels.Seq, ok bool) {
	for _, s := range c.senders {
		given, behind := s.horizon(channel)
		if !behind {
			return 0, false
		}
		place, ok = max(place, given), true
	}
	return place, ok
}

func (s *sender) horizon(channel channels.Channel) (place channels.Seq, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.backlog.channels[channel]
	if a == nil || a.at >= a.newest || s.report.Err != nil {
		return 0, false
	}
	for i := range s.queue.messages {
		item := &s.queue.messages[i].item
		if !slices.Contains(a.names, item.Channel) {
			continue
		}
		if prev, err := channels.ParseSeq(item.PrevID); err == nil {
			return prev, true
		}
	}
	return a.at, true
}

// abandon gives up what was left to the log: viewers are told to ask. The lock is held.
func (s *sender) abandon(why error) {
	left := s.backlog
	s.backlog = backlog{}
	if !left.pending() {
		return
	}
	for _, c := range left.turns {
		for _, name := range left.channels[c].names {
			s.lost.addChannel(name)
		}
	}
	s.missed, s.why = s.queue.end()+1, why
	s.lost.due = max(s.lost.due, s.queue.end())
	s.await()
}
