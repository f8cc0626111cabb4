package logtest

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/griphub/griphub/channels"
)

// Browse is channels.Overview's.
func (m *Memory) Browse(ctx context.Context, q channels.EventQuery) (page channels.EventPage, err error) {
	if err := m.lock(ctx); err != nil {
		return page, err
	}
	defer m.mu.Unlock()
	before := q.Before
	if before <= 0 {
		before = math.MaxInt64
	}
	depth := 0
	for _, entry := range slices.Backward(m.entries(q.Channel)) {
		place := int64(entry.id)
		if q.Channel != "" {
			place = int64(entry.seq)
		}
		e, ok := m.events[entry.id]
		if !ok || place >= before || entry.stored.Before(q.From) || !q.Until.IsZero() && !entry.stored.Before(q.Until) {
			continue
		}
		if len(page.Events) == q.Limit || depth == channels.BrowseDepth && q.Filters() {
			page.Next = before
			return page, nil
		}
		before, depth = place, depth+1
		if q.Meets(&e) {
			page.Events = append(page.Events, channels.StoredEvent{Event: e, Stored: entry.stored})
		}
	}
	return page, nil
}

// entries are those of the channel, or of everything, each event once.
func (m *Memory) entries(channel channels.Channel) []memoryEntry {
	if channel != "" {
		return m.channel(channel).entries
	}
	var all []memoryEntry
	for _, c := range m.names {
		all = append(all, c.entries...)
	}
	slices.SortFunc(all, func(a, b memoryEntry) int { return int(a.id - b.id) })
	return slices.CompactFunc(all, func(a, b memoryEntry) bool { return a.id == b.id })
}

// Channels is channels.Overview's.
func (m *Memory) Channels(ctx context.Context, q channels.ChannelQuery) ([]channels.ChannelInfo, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []channels.ChannelInfo
	for name, c := range m.names {
		if name <= q.After || q.Name != "" && name != q.Name || !strings.Contains(string(name), q.Text) {
			continue
		}
		info := channels.ChannelInfo{Channel: name, Head: c.head}
		for i, entry := range c.entries {
			if i == 0 {
				info.Oldest = entry.stored
			}
			info.Newest = entry.stored
			if !entry.stored.Before(q.Since) {
				info.Recent = min(info.Recent+1, channels.MaxRecent)
			}
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b channels.ChannelInfo) int { return strings.Compare(string(a.Channel), string(b.Channel)) })
	return all[:min(len(all), q.Limit)], nil
}
