package logtest

import (
	"context"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// memoryRecords are what a Memory knows beside events.
type memoryRecords struct {
	replays     map[channels.EventID]int
	activities  map[channels.EventID][]channels.Activity
	bookmarks   map[string]channels.Cursor
	undelivered []channels.Undelivered // rising ids
	lastID      int64                  // of undelivered
}

func newMemoryRecords() memoryRecords {
	return memoryRecords{
		replays:    make(map[channels.EventID]int),
		activities: make(map[channels.EventID][]channels.Activity),
		bookmarks:  make(map[string]channels.Cursor),
	}
}

func (r *memoryRecords) act(a channels.Activity, now time.Time) {
	if a.Time.IsZero() {
		a.Time = now
	}
	r.activities[a.Event] = append(r.activities[a.Event], a)
}

func (r *memoryRecords) put(state any, now time.Time) {
	switch state := state.(type) {
	case channels.Bookmark:
		r.bookmarks[state.Name] = slices.Clone(state.Cursor)
	case channels.Undelivered:
		if state.ID != 0 {
			r.change(state)
			return
		}
		r.lastID++
		state.ID = r.lastID
		state.Body = append([]byte{}, state.Body...)
		if state.Time.IsZero() {
			state.Time = now
		}
		r.undelivered = append(r.undelivered, state)
	case channels.Settled:
		r.undelivered = slices.DeleteFunc(r.undelivered, func(u channels.Undelivered) bool { return u.ID == int64(state) })
	}
}

func (r *memoryRecords) change(to channels.Undelivered) {
	for i := range r.undelivered {
		if u := &r.undelivered[i]; u.ID == to.ID {
			u.Reason, u.Requeued = to.Reason, to.Requeued
		}
	}
}

func (r *memoryRecords) trim(keep channels.Retention, now time.Time) int {
	before := len(r.undelivered)
	over := 0
	if keep.Count > 0 {
		over = max(0, before-keep.Count)
	}
	r.undelivered = slices.DeleteFunc(r.undelivered[over:], func(u channels.Undelivered) bool {
		return keep.Age > 0 && u.Time.Before(now.Add(-keep.Age))
	})
	return before - len(r.undelivered)
}

// Activities is channels.Records'.
func (m *Memory) Activities(ctx context.Context, id channels.EventID) ([]channels.Activity, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	all := m.records.activities[id]
	return slices.Clone(all[max(0, len(all)-channels.MaxActivities):]), nil
}

// Bookmark is channels.Records'.
func (m *Memory) Bookmark(ctx context.Context, name string) (channels.Cursor, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Clone(m.records.bookmarks[name]), nil
}

// Undelivered is channels.Records'.
func (m *Memory) Undelivered(ctx context.Context, q channels.UndeliveredQuery) ([]channels.Undelivered, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var page []channels.Undelivered
	for _, u := range slices.Backward(m.records.undelivered) {
		wanted := (q.Subscriber == "" || u.Subscriber == q.Subscriber) && (q.Before <= 0 || u.ID < q.Before) && (u.Requeued || !q.Requeued)
		if wanted && len(page) < q.Limit {
			page = append(page, u)
		}
	}
	return page, nil
}
