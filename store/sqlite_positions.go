package store

import (
	"context"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
)

// moveEvery is how many positions of a channel wait in positions_recent, and how many below its floor, before they are moved and
// deleted together. With more of them fewer places of positions_settled are written to, and more pages of positions_recent.
const moveEvery = 32

// timeToMove tells whether a channel that goes from one number to another passes a place where its positions are moved.
// Channels that are equally busy do so at different times, as their ids differ.
func timeToMove(channelID, from, to int64) bool {
	return (from+channelID)/moveEvery != (to+channelID)/moveEvery
}

// settles tells whether the batch's positions of the channel go to positions_settled, and those that wait in positions_recent
// with them.
func (c *counter) settles() bool { return timeToMove(c.id, c.head-c.fresh, c.head) }

// count finds out which numbers the batch's channels give, above the base.
func (w *sqliteWriter) count(batch *numbering, base int64) error {
	names := make([]channels.Channel, len(batch.counters))
	for i := range batch.counters {
		names[i] = batch.counters[i].name
	}
	states, err := scanHeads(context.Background(), w.do.heads, names)
	if err != nil {
		return fmt.Errorf("count on %d channels: %w", len(names), err)
	}
	for i, state := range states {
		c := &batch.counters[i]
		c.id, c.head, c.latest = state.id, max(int64(state.head), base)+c.fresh, state.latest
		if c.id == 0 {
			if err := w.query(w.do.addChannel, string(c.name)).Scan(&c.id); err != nil {
				return fmt.Errorf("add the channel %s: %w", c.name, err)
			}
		}
	}
	return nil
}

// moveCounters writes how far the batch's channels have come.
func (w *sqliteWriter) moveCounters(batch *numbering, now time.Time) error {
	rows := make([]any, 0, len(batch.counters)*w.do.moveCounters.width)
	for i := range batch.counters {
		c := &batch.counters[i]
		rows = append(rows, c.id, c.head, c.latest, now.UnixMicro())
	}
	return w.do.moveCounters.write(rows)
}

// addPositions writes which numbers the fresh events have.
func (w *sqliteWriter) addPositions(batch *numbering) error {
	for i := range batch.counters {
		if c := &batch.counters[i]; c.settles() {
			if err := w.settle(c); err != nil {
				return fmt.Errorf("settle the positions of %s: %w", c.name, err)
			}
		}
	}
	var recent, settled []any
	for i := range batch.events {
		if !batch.fresh(i) {
			continue
		}
		e := &batch.events[i]
		for j, p := range e.Positions {
			c := batch.counter(i, j)
			c.latest = max(c.latest, e.Time.UnixMicro())
			rows := &recent
			if c.settles() {
				rows = &settled
			}
			*rows = append(*rows, c.id, int64(p.Seq), int64(e.ID), c.latest)
		}
	}
	if err := w.do.addRecent.write(recent); err != nil {
		return err
	}
	return w.do.addSettled.write(settled)
}

// settle moves the recent positions of the channel to the settled ones.
func (w *sqliteWriter) settle(c *counter) error {
	if err := w.exec(w.do.settle, c.id); err != nil {
		return err
	}
	return w.exec(w.do.deleteRecent, c.id, c.head)
}

// deletePositions deletes the positions of the channel up to its floor.
func (w *sqliteWriter) deletePositions(channelID int64, floor channels.Seq) error {
	if err := w.exec(w.do.deleteSettled, channelID, int64(floor)); err != nil {
		return err
	}
	return w.exec(w.do.deleteRecent, channelID, int64(floor))
}
