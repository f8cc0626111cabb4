package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A numbering turns the drafts of one batch into events: it finds out which of them are new, how many numbers
// each channel must give, and then who gets which. The dialects do the asking and the writing.
type numbering struct {
	events      []channels.Event
	counters    []counter // the channels of the fresh events, each once, in order of appearance
	freshEvents int

	byName  map[channels.Channel]int // into counters
	sources []int                    // per event: the event whose key it repeats, or one of the constants
	places  []int                    // per position of each fresh event: its channel, an index of counters
	first   []int                    // per event: where its places begin
}

// What an event may be in numbering.sources.
const (
	fresh    = -1
	recalled = -2 // stored by an earlier batch
)

// A counter is a channel of a batch.
type counter struct {
	name   channels.Channel
	fresh  int64 // how many numbers the batch takes
	id     int64 // the channel's row, once counted
	head   int64 // the last of the numbers taken, once counted
	latest int64 // the latest time of the channel's events so far, once counted
}

func newNumbering(drafts []channels.Draft, now time.Time) *numbering {
	n := &numbering{
		events:  make([]channels.Event, len(drafts)),
		sources: make([]int, len(drafts)),
		first:   make([]int, len(drafts)),
		byName:  make(map[channels.Channel]int),
	}
	for i := range drafts {
		n.events[i].Draft = drafts[i]
		n.events[i].Time = time.UnixMicro(orNow(drafts[i].Time, now)).UTC()
		n.sources[i] = fresh
	}
	return n
}

func (n *numbering) fresh(i int) bool { return n.sources[i] == fresh }

// counter is the channel of the event's j-th position.
func (n *numbering) counter(i, j int) *counter { return &n.counters[n.places[n.first[i]+j]] }

// recall asks find for each key that the batch brings, once, and then knows which numbers are needed.
func (n *numbering) recall(find func(key string) (channels.Event, bool, error)) error {
	var keys map[string]int
	for i := range n.events {
		e := &n.events[i]
		if e.Key == "" {
			n.count(i)
			continue
		}
		if source, twice := keys[e.Key]; twice {
			n.sources[i] = source
			continue
		}
		if keys == nil {
			keys = make(map[string]int)
		}
		keys[e.Key] = i
		first, found, err := find(e.Key)
		if err != nil {
			return err
		}
		if found {
			n.sources[i] = recalled
			repeat(e, &first)
		} else {
			n.count(i)
		}
	}
	return nil
}

// count asks for a number in each channel of the fresh event.
func (n *numbering) count(i int) {
	n.freshEvents++
	n.first[i] = len(n.places)
	for _, c := range n.events[i].Channels {
		place, ok := n.byName[c]
		if !ok {
			place = len(n.counters)
			n.byName[c] = place
			n.counters = append(n.counters, counter{name: c})
		}
		n.counters[place].fresh++
		n.places = append(n.places, place)
	}
}

// sortedCounters returns the counters by name.
func (n *numbering) sortedCounters() []counter {
	return slices.SortedFunc(slices.Values(n.counters), func(a, b counter) int {
		return strings.Compare(string(a.name), string(b.name))
	})
}

// number gives ids and numbers to the fresh events, in the order of their drafts, once every counter knows
// its head. id returns the id of the first of them, the second, and so on.
func (n *numbering) number(id func(nth int) int64) error {
	next := make([]channels.Seq, len(n.counters))
	for i := range n.counters {
		c := &n.counters[i]
		if c.head > int64(channels.MaxSeq) {
			return fmt.Errorf("channel %s: no numbers are left", c.name)
		}
		next[i] = channels.Seq(c.head - c.fresh + 1)
	}
	positions := make([]channels.Position, len(n.places))
	nth := 0
	for i := range n.events {
		if !n.fresh(i) {
			continue
		}
		e := &n.events[i]
		e.ID = channels.EventID(id(nth))
		nth++
		at := n.first[i]
		e.Positions = positions[at : at+len(e.Channels) : at+len(e.Channels)]
		for j, c := range e.Channels {
			place := n.places[at+j]
			e.Positions[j] = channels.Position{Channel: c, Seq: next[place]}
			next[place]++
		}
	}
	return nil
}

// A replayCount is how often a batch replays which events, by rising ids.
type replayCount struct {
	ids    []int64
	counts []int
}

// replays counts the replays among the fresh events.
func (n *numbering) replays() replayCount {
	counts := make(map[int64]int)
	for i := range n.events {
		if of := n.events[i].ReplayOf; of != 0 && n.fresh(i) {
			counts[int64(of)]++
		}
	}
	c := replayCount{ids: slices.Sorted(maps.Keys(counts))}
	for _, id := range c.ids {
		c.counts = append(c.counts, counts[id])
	}
	return c
}

// countedReplays numbers the batch's replays of the event, which with them has been replayed so often.
func (n *numbering) countedReplays(of channels.EventID, counted int) {
	for i := len(n.events) - 1; i >= 0; i-- {
		if n.fresh(i) && n.events[i].ReplayOf == of {
			n.events[i].Replay = counted
			counted--
		}
	}
}

// finish returns the events, one per draft.
func (n *numbering) finish() []channels.Event {
	for i, source := range n.sources {
		if source >= 0 {
			n.events[i] = n.events[source]
			n.events[i].Repeated = true
		}
	}
	return n.events
}

// repeat makes e the event that was stored before. Where that was trimmed, and only its place is known,
// the draft at hand stands for it.
func repeat(e, first *channels.Event) {
	draft := e.Draft
	*e = *first
	e.Repeated = true
	if first.Time.IsZero() {
		draft.Channels = first.Channels
		e.Draft = draft
	}
}
