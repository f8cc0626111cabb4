package logtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// Heads is channels.Log's.
func (m *Memory) Heads(ctx context.Context, names []channels.Channel) (channels.Cursor, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var heads channels.Cursor
	for _, name := range names {
		heads = append(heads, channels.Position{Channel: name, Seq: max(m.channel(name).head, m.base())})
	}
	return heads, nil
}

// Read is channels.Log's.
func (m *Memory) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var pages []channels.Page
	for _, p := range after {
		pages = append(pages, m.page(p, limit))
	}
	return pages, nil
}

func (m *Memory) page(after channels.Position, limit int) channels.Page {
	c := m.channel(after.Channel)
	page := channels.Page{Channel: after.Channel, Next: after.Seq}
	if !m.isPlace(c, after.Seq) {
		page.Lost, page.Next = true, max(c.head, m.base())
		return page
	}
	for _, entry := range c.entries {
		if entry.seq <= after.Seq {
			continue
		}
		if len(page.Events) == limit {
			page.More = true
			break
		}
		page.Events, page.Next = append(page.Events, m.events[entry.id]), entry.seq
	}
	return page
}

// isPlace tells whether a viewer can stand at seq: at an event that is there or just before one, before all that is
// there, or where the channel stood when nothing was behind it.
func (m *Memory) isPlace(c *memoryChannel, seq channels.Seq) bool {
	if seq == max(c.head, m.base()) || seq == c.head {
		return true
	}
	if seq < c.floor || seq > max(c.head, m.base()) {
		return false
	}
	emptied := c.head > c.floor && len(c.entries) == 0 // by hand
	if seq == c.floor || slices.Contains(m.bases, seq) {
		return !emptied && !m.deletedBehind(c, seq)
	}
	return slices.ContainsFunc(c.entries, func(e memoryEntry) bool { return e.seq == seq || e.seq == seq+1 })
}

// deletedBehind tells whether the events that followed seq were deleted by hand.
func (m *Memory) deletedBehind(c *memoryChannel, seq channels.Seq) bool {
	for _, e := range c.entries {
		if e.seq > seq {
			return e.seq != seq+1 && !slices.Contains(m.bases, e.seq-1)
		}
	}
	return c.head > seq
}

// Latest is channels.Log's.
func (m *Memory) Latest(ctx context.Context, name channels.Channel, limit int) (channels.Page, error) {
	if err := m.lock(ctx); err != nil {
		return channels.Page{}, err
	}
	defer m.mu.Unlock()
	c := m.channel(name)
	page := channels.Page{Channel: name, Next: max(c.head, m.base())}
	for _, e := range c.entries[max(0, len(c.entries)-limit):] {
		page.Events = append(page.Events, m.events[e.id])
	}
	return page, nil
}

// SeqAt is channels.Log's.
func (m *Memory) SeqAt(ctx context.Context, name channels.Channel, moment time.Time) (channels.Seq, error) {
	if err := m.lock(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	c := m.channel(name)
	for _, e := range c.entries {
		if !m.events[e.id].Time.Before(moment) {
			return e.seq - 1, nil
		}
	}
	return max(c.head, m.base()), nil
}

// Event is channels.Log's.
func (m *Memory) Event(ctx context.Context, id channels.EventID) (channels.Event, error) {
	if err := m.lock(ctx); err != nil {
		return channels.Event{}, err
	}
	defer m.mu.Unlock()
	e, ok := m.events[id]
	if !ok {
		return e, fmt.Errorf("event %d: %w", id, channels.ErrNotFound)
	}
	return e, nil
}
