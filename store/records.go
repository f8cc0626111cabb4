package store

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A recordChange is what a batch says of subscribers and of what was done with events.
type recordChange struct {
	activities  []channels.Activity
	bookmarks   []channels.Bookmark
	undelivered []channels.Undelivered
	settled     []channels.Settled
}

// add takes a value of a batch's state, and tells whether it is a record.
func (c *recordChange) add(state any) bool {
	switch s := state.(type) {
	case channels.Activity:
		c.activities = append(c.activities, s)
	case channels.Bookmark:
		c.bookmarks = append(c.bookmarks, s)
	case channels.Undelivered:
		c.undelivered = append(c.undelivered, s)
	case channels.Settled:
		c.settled = append(c.settled, s)
	default:
		return false
	}
	return true
}

func (c *recordChange) empty() bool {
	return len(c.activities)+len(c.bookmarks)+len(c.undelivered)+len(c.settled) == 0
}

// order leaves the last of several bookmarks of one name, and puts what is locked in the order that everybody's has.
func (c *recordChange) order() {
	c.bookmarks = lastOfEach(c.bookmarks, func(a, b channels.Bookmark) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.undelivered, func(a, b channels.Undelivered) int { return int(a.ID - b.ID) })
	slices.Sort(c.settled)
}

func scanActivity(row scanner) (a channels.Activity, err error) {
	var us int64
	err = row.Scan(&a.Kind, &a.Who, &us)
	a.Time = time.UnixMicro(us).UTC()
	return a, err
}

func scanUndelivered(row scanner) (u channels.Undelivered, err error) {
	var us int64
	err = row.Scan(&u.ID, &u.Subscriber, &u.Event, &u.Message, &u.Body, &u.Reason, &us, &u.Requeued)
	u.Time = time.UnixMicro(us).UTC()
	return u, err
}

// before is an upper bound for ids, where 0 means none.
func before(id int64) int64 {
	if id <= 0 {
		return math.MaxInt64
	}
	return id
}
