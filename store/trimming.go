package store

import (
	"math"
	"time"

	"github.com/griphub/griphub/channels"
)

// trimAtOnce bounds what one call of Trim deletes, and so how long it keeps others from writing.
const trimAtOnce = 2000

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
