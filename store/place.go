package store

import (
	"slices"

	"github.com/griphub/griphub/channels"
)

// channelState is what the counters say of a channel at one moment. The zero state is a channel that never
// had an event.
type channelState struct {
	id     int64
	head   channels.Seq // the newest event's number
	floor  channels.Seq // the newest trimmed event's number
	base   channels.Seq // where the log last jumped to, 0 for never
	latest int64        // the latest time of its events; only SQLite's
}

// jumps are the bases that the log ever jumped to.
type jumps []channels.Seq

func (j jumps) has(seq channels.Seq) bool { return slices.Contains(j, seq) }

// effectiveHead is where the channel stands: after a jump, at the base, though it has no event there yet.
func (c *channelState) effectiveHead() channels.Seq { return max(c.head, c.base) }

// What a number may be in a channel.
type placeKind int

const (
	nowhere        placeKind = iota // no position: trimmed away, never given, or from a lost history
	somewhere                       // a position with something behind it
	atTheEnd                        // a position with nothing behind it
	perhapsAnEvent                  // a position if there is an event of that number, or of the next
)

// place tells what a number is that a reader says it has come to. Positions are the numbers of events, and the
// places between them where a reader may have been told to stand: the beginning, the floor, and the bases of
// jumps, which Heads returns for channels that have no event after them.
func (c *channelState) place(seq channels.Seq, jumps jumps) placeKind {
	switch {
	case seq == c.head, seq == c.effectiveHead():
		return atTheEnd
	case seq < c.floor, seq > c.effectiveHead():
		return nowhere
	case seq == c.floor, jumps.has(seq):
		if seq >= c.head {
			return atTheEnd
		}
		return somewhere
	case seq > c.head:
		return nowhere
	}
	return perhapsAnEvent
}

// lost is the answer to whoever comes with a number that is no position.
func (c *channelState) lost(name channels.Channel) channels.Page {
	return channels.Page{Channel: name, Next: c.effectiveHead(), Lost: true}
}

// A run is some events of a channel as they were found, oldest first, with their numbers.
type run struct {
	seqs   []channels.Seq
	events []channels.Event
}

// follows tells whether the run begins right behind the number, which proves that the number is of this history.
func (r *run) follows(seq channels.Seq) bool { return len(r.seqs) > 0 && r.seqs[0] == seq+1 }

// page makes the page that follows a position out of what was found behind it. Numbers follow each other
// without a gap except over a jump; where one is missing, someone deleted events by hand. The page ends
// before such a gap, and a reader that stands before it has lost what was there. (What was deleted right before a
// jump is not noticed.)
func (c *channelState) page(after channels.Position, found run, jumps jumps) channels.Page {
	last := after.Seq
	whole := 0
	for _, seq := range found.seqs {
		if seq != last+1 && !jumps.has(seq-1) {
			break
		}
		last = seq
		whole++
	}
	if whole == 0 {
		return c.lost(after.Channel)
	}
	return channels.Page{
		Channel: after.Channel,
		Events:  found.events[:whole:whole],
		Next:    last,
		More:    last < c.head,
	}
}
