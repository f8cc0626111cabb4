package logtest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Memory is a Log that keeps everything in memory and in the plainest way: the model that other logs are held
// against, and a stand-in where a test needs no database. It must be made by NewMemory.
type Memory struct {
	now          func() time.Time
	keyRetention time.Duration
	refusals     channels.Retention

	mu        sync.Mutex
	lastEvent channels.EventID
	bases     []channels.Seq // of jumps, rising
	names     map[channels.Channel]*memoryChannel
	events    map[channels.EventID]channels.Event
	keys      map[string]memoryKey
	refused   []channels.Refusal // rising ids
	lastID    int64              // of refusals
	devices   map[channels.DeviceRef]devices.Device
	marks     map[string][]byte
	records   memoryRecords
}

type memoryChannel struct {
	head, floor channels.Seq
	entries     []memoryEntry // rising
}

type memoryEntry struct {
	seq    channels.Seq
	id     channels.EventID
	stored time.Time
}

type memoryKey struct {
	event  channels.Event
	stored time.Time
}

// NewMemory returns an empty log. now is the clock; keyRetention and refusals say how long Trim keeps
// idempotency keys and refused messages, zero for ever.
func NewMemory(now func() time.Time, keyRetention time.Duration, refusals channels.Retention) *Memory {
	return &Memory{
		now: now, keyRetention: keyRetention, refusals: refusals,
		names:   make(map[channels.Channel]*memoryChannel),
		events:  make(map[channels.EventID]channels.Event),
		keys:    make(map[string]memoryKey),
		devices: make(map[channels.DeviceRef]devices.Device),
		marks:   make(map[string][]byte),
		records: newMemoryRecords(),
	}
}

// lock begins a call, unless its context has ended.
func (m *Memory) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

func (m *Memory) base() channels.Seq {
	if len(m.bases) == 0 {
		return 0
	}
	return m.bases[len(m.bases)-1]
}

// channel returns the channel's state, which is not kept where it is new.
func (m *Memory) channel(name channels.Channel) *memoryChannel {
	if c, ok := m.names[name]; ok {
		return c
	}
	return &memoryChannel{}
}

// Append is channels.Log's.
func (m *Memory) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if err := m.check(batch.State); err != nil {
		return nil, fmt.Errorf("%w: %w", channels.ErrState, err)
	}
	now := time.UnixMicro(m.now().UnixMicro()).UTC()
	for _, r := range batch.Refused {
		m.lastID++
		r.ID, r.Payload = m.lastID, slices.Clone(r.Payload)
		if r.Time.IsZero() {
			r.Time = now
		}
		r.Source, r.Reason = strings.ToValidUTF8(r.Source, "\uFFFD"), strings.ToValidUTF8(r.Reason, "\uFFFD")
		m.refused = append(m.refused, r)
	}
	events := make([]channels.Event, len(batch.Drafts))
	for i, d := range batch.Drafts {
		events[i] = m.append(d, now)
	}
	for _, state := range batch.State {
		m.put(state, now)
	}
	return events, nil
}

// check tells whether the state can be stored.
func (m *Memory) check(state []any) error {
	marks := make(map[string][]byte) // as they will be
	for _, s := range state {
		switch s := s.(type) {
		case devices.Changes, channels.Activity, channels.Bookmark, channels.Undelivered, channels.Settled:
		case devices.Mark:
			current, ok := marks[s.Name]
			if !ok {
				current = m.marks[s.Name]
			}
			if err := s.Over(current); err != nil {
				return err
			}
			marks[s.Name] = append([]byte{}, s.Value...)
		default:
			return fmt.Errorf("nobody knows the type %T", s)
		}
	}
	return nil
}

func (m *Memory) put(state any, now time.Time) {
	switch state := state.(type) {
	case devices.Changes:
		for _, c := range state {
			m.putState(c, now)
		}
	case devices.Mark:
		m.marks[state.Name] = append([]byte{}, state.Value...)
	case channels.Activity:
		if _, ok := m.events[state.Event]; ok {
			m.records.act(state, now)
		}
	default:
		m.records.put(state, now)
	}
}

func (m *Memory) append(d channels.Draft, now time.Time) channels.Event {
	if first, ok := m.keys[d.Key]; ok && d.Key != "" {
		first.event.Repeated = true
		return first.event
	}
	if d.Time.IsZero() {
		d.Time = now
	}
	d.Time = time.UnixMicro(d.Time.UnixMicro()).UTC()
	d.Data = slices.Clone(d.Data)
	m.lastEvent++
	e := channels.Event{Draft: d, ID: m.lastEvent}
	if _, ok := m.events[d.ReplayOf]; ok {
		m.records.replays[d.ReplayOf]++
		e.Replay = m.records.replays[d.ReplayOf]
	}
	for _, name := range d.Channels {
		c := m.channel(name)
		m.names[name] = c
		c.head = max(c.head, m.base()) + 1
		c.entries = append(c.entries, memoryEntry{c.head, e.ID, now})
		e.Positions = append(e.Positions, channels.Position{Channel: name, Seq: c.head})
	}
	m.events[e.ID] = e
	if d.Key != "" {
		m.keys[d.Key] = memoryKey{e, now}
	}
	return e
}

// Trim is channels.Log's.
func (m *Memory) Trim(ctx context.Context, keep func(channels.Channel) channels.Retention, now time.Time) (
	int, error) {
	if err := m.lock(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	n := 0
	for name, c := range m.names {
		if r := keep(name); r != (channels.Retention{}) {
			n += m.trim(c, r, now, channels.TrimAtOnce-n)
		}
	}
	maps.DeleteFunc(m.keys, func(_ string, k memoryKey) bool {
		expired := m.keyRetention > 0 && k.stored.Before(now.Add(-m.keyRetention))
		if expired {
			n++
		}
		return expired
	})
	kept := m.refused[:0]
	for i, r := range m.refused {
		old := m.refusals.Age > 0 && r.Time.Before(now.Add(-m.refusals.Age))
		if old || m.refusals.Count > 0 && len(m.refused)-i > m.refusals.Count {
			n++
		} else {
			kept = append(kept, r)
		}
	}
	m.refused = kept
	return n + m.records.trim(m.refusals, now), nil
}

func (m *Memory) trim(c *memoryChannel, r channels.Retention, now time.Time, limit int) int {
	n := 0
	for n < min(len(c.entries), limit) {
		old := r.Age > 0 && c.entries[n].stored.Before(now.Add(-r.Age))
		if !old && (r.Count == 0 || len(c.entries)-n <= r.Count) {
			break
		}
		c.floor = c.entries[n].seq
		m.drop(c.entries[n].id)
		n++
	}
	c.entries = c.entries[n:]
	if len(c.entries) == 0 {
		c.floor = c.head
	}
	return n
}

// drop deletes the event if it is above no floor.
func (m *Memory) drop(id channels.EventID) {
	for _, p := range m.events[id].Positions {
		if p.Seq > m.names[p.Channel].floor {
			return
		}
	}
	delete(m.events, id)
	delete(m.records.activities, id)
}

// Refusals is channels.Log's.
func (m *Memory) Refusals(ctx context.Context, before int64, limit int) ([]channels.Refusal, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if before <= 0 {
		before = math.MaxInt64
	}
	var page []channels.Refusal
	for _, r := range slices.Backward(m.refused) {
		if r.ID < before && len(page) < limit {
			page = append(page, r)
		}
	}
	return page, nil
}

// Mark is devices.Marks'.
func (m *Memory) Mark(ctx context.Context, name string) ([]byte, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.marks[name], nil
}

// Jump makes the log continue far above every number it gave.
func (m *Memory) Jump(ctx context.Context) error {
	return m.JumpTo(ctx, max(channels.Seq(m.lastEvent)+1_000_000, channels.Seq(m.now().UnixMicro())))
}

// JumpTo makes the log continue at the base, which must be above every number it gave.
func (m *Memory) JumpTo(ctx context.Context, base channels.Seq) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if base <= channels.Seq(m.lastEvent) {
		return fmt.Errorf("jump to %d: the log is at %d already", base, m.lastEvent)
	}
	m.bases = append(m.bases, base)
	m.lastEvent = channels.EventID(base)
	return nil
}

// DeleteEvents deletes all events, as someone with a database's shell would.
func (m *Memory) DeleteEvents() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.events)
	for _, c := range m.names {
		c.entries = nil
	}
}
