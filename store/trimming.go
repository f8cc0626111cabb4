package store

import (
	"math"
	"time"

	"github.com/griphub/griphub/channels"
)

// A dueChannel has events that its retention no longer keeps.
type dueChannel struct {
	id     int64
	name   channels.Channel
	before int64 // events stored before this go, in microseconds since 1970
	count  int   // so many events stay, the newest; 0 for all
}

// newDueChannel says what the retention means now.
func newDueChannel(id int64, name channels.Channel, r channels.Retention, now time.Time) dueChannel {
	return dueChannel{id: id, name: name, before: cutoff(r.Age, now), count: r.Count}
}

// newestNotKept returns the highest number that the count does not keep, 0 for none. Numbers follow each other without
// a gap except over a jump; where there is one among those that stay, ok is false: the events must be counted.
func (c *dueChannel) newestNotKept(head channels.Seq, jumps jumps) (seq channels.Seq, ok bool) {
	if c.count == 0 {
		return 0, true
	}
	seq = head - channels.Seq(c.count)
	for _, base := range jumps {
		if seq <= base && base < head {
			return 0, false
		}
	}
	return max(seq, 0), true
}

// cutoff is the time before which nothing is kept.
func cutoff(age time.Duration, now time.Time) int64 {
	if age == 0 {
		return math.MinInt64
	}
	return now.Add(-age).UnixMicro()
}

// A trimEntry is an event in one channel that may have to go.
type trimEntry struct {
	seq       channels.Seq
	event     int64
	positions string // of the event; empty where someone deleted it by hand
	stored    int64
}

// trimmed tells how many of a channel's oldest entries go, given the highest number that its count does not keep.
// They go from the floor on without a gap: an entry that stays keeps those behind it.
func (c *dueChannel) trimmed(entries []trimEntry, notKept channels.Seq) int {
	for i, e := range entries {
		if e.stored >= c.before && e.seq > notKept {
			return i
		}
	}
	return len(entries)
}

// newFloor returns a channel's floor after the first n of its oldest entries went, 0 for the one that it has, and
// when the next entry was stored. A channel without any entries was emptied by hand: its floor is its head.
func newFloor(head channels.Seq, entries []trimEntry, n int) (floor channels.Seq, next *int64) {
	switch {
	case len(entries) == 0:
		return head, nil
	case n == 0:
		return 0, nil
	case n < len(entries):
		next = &entries[n].stored
	}
	return entries[n-1].seq, next
}

// A floors knows the floors of channels while a trimming transaction raises them. An event goes when all its
// positions are at or below their floors.
type floors struct {
	known map[channels.Channel]channels.Seq
	find  func(channels.Channel) (channels.Seq, error)
}

// covers tells whether the event of these positions is in no channel any more.
func (f *floors) covers(positions channels.Cursor) (bool, error) {
	for _, p := range positions {
		floor, ok := f.known[p.Channel]
		if !ok {
			var err error
			if floor, err = f.find(p.Channel); err != nil {
				return false, err
			}
			f.known[p.Channel] = floor
		}
		if p.Seq > floor {
			return false, nil
		}
	}
	return true, nil
}
