package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Append is channels.Log's.
func (s *SQLite) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	change, err := parseState(batch.State)
	if err != nil {
		return nil, err
	}
	if len(batch.Drafts)+len(batch.Refused) == 0 && change.empty() {
		return nil, ctx.Err()
	}
	var events []channels.Event
	err = s.writer.transact(ctx, func() error {
		if err := s.writer.sidecar.check(); err != nil {
			return err
		}
		if err := s.writer.moveMarks(change.marks); err != nil {
			return err
		}
		now := s.options.Now()
		if err := s.writer.addRefusals(batch.Refused, now); err != nil {
			return err
		}
		if err := s.writer.putDevices(change.devices, now); err != nil {
			return err
		}
		if events, err = s.writer.appendDrafts(batch.Drafts, now); err != nil {
			return err
		}
		return s.writer.putRecords(&change.records, now)
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// appendDrafts stores the drafts in a transaction that has begun.
func (w *sqliteWriter) appendDrafts(drafts []channels.Draft, now time.Time) ([]channels.Event, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	last, base, err := w.lastEvent()
	if err != nil {
		return nil, err
	}
	if time.Since(w.sidecar.written) >= sidecarEvery {
		// A mark that cannot be written lags, which is no reason to refuse events.
		_ = w.sidecar.write(last)
	}
	batch := newNumbering(drafts, now)
	if err := batch.recall(w.recall); err != nil {
		return nil, err
	}
	if err := w.count(batch, base); err != nil {
		return nil, err
	}
	if err := w.countReplays(batch); err != nil {
		return nil, err
	}
	if err := batch.number(func(nth int) int64 { return last + 1 + int64(nth) }); err != nil {
		return nil, err
	}
	if batch.freshEvents > 0 {
		if err := w.addEvents(batch, now); err != nil {
			return nil, err
		}
		if err := w.addPositions(batch); err != nil {
			return nil, err
		}
		if err := w.moveCounters(batch, now); err != nil {
			return nil, err
		}
		if err := w.exec(w.do.setLastEvent, last+int64(batch.freshEvents)); err != nil {
			return nil, fmt.Errorf("set the counter of events: %w", err)
		}
	}
	return batch.finish(), nil
}

// recall returns the event that has the key, its draft included where it is still stored.
func (w *sqliteWriter) recall(key string) (first channels.Event, found bool, err error) {
	var id int64
	var positions string
	err = w.query(w.do.findKey, key).Scan(&id, &positions)
	if errors.Is(err, sql.ErrNoRows) {
		return first, false, nil
	}
	if err != nil {
		return first, false, fmt.Errorf("find key: %w", err)
	}
	first, err = scanEvent(w.query(w.do.event, id))
	if errors.Is(err, sql.ErrNoRows) {
		first = channels.Event{ID: channels.EventID(id)}
		return first, true, place(&first, positions)
	}
	return first, err == nil, err
}

// addEvents writes the batch's fresh events.
func (w *sqliteWriter) addEvents(batch *numbering, now time.Time) error {
	stored := now.UnixMicro()
	events := make([]any, 0, batch.freshEvents*w.do.addEvents.width)
	var text []byte
	for i := range batch.events {
		if !batch.fresh(i) {
			continue
		}
		e := &batch.events[i]
		text = e.Cursor().Append(text[:0])
		positions := string(text)
		events = append(events, int64(e.ID), positions, e.Type, notNil(e.Data), e.Raw, []byte(e.Private),
			string(e.Scope), e.User, encodeSkipUsers(e.SkipUsers), e.Device.Type, e.Device.ID, e.Key,
			encodeShown(e.Shown), int64(e.ReplayOf), e.Replay, e.Time.UnixMicro(), stored)
		if e.Key != "" {
			if err := w.exec(w.do.addKey, e.Key, int64(e.ID), positions, stored); err != nil {
				return fmt.Errorf("add key: %w", err)
			}
		}
	}
	return w.do.addEvents.write(events)
}

func (w *sqliteWriter) addRefusals(refused []channels.Refusal, now time.Time) error {
	for i := range refused {
		r := &refused[i]
		if err := w.exec(w.do.addRefusal, printable(r.Source), printable(r.Reason), notNil(r.Payload),
			orNow(r.Time, now)); err != nil {
			return fmt.Errorf("add refusal: %w", err)
		}
	}
	return nil
}

func (w *sqliteWriter) putDevices(all []deviceRow, now time.Time) error {
	for i := range all {
		if err := w.putDevice(&all[i], now); err != nil {
			return fmt.Errorf("device %s/%s: %w", all[i].Type, all[i].ID, err)
		}
	}
	return nil
}

// moveMarks writes the marks over what their writers know of them.
func (w *sqliteWriter) moveMarks(marks []devices.Mark) error {
	for i := range marks {
		m := &marks[i]
		var current []byte
		err := w.query(w.do.mark, m.Name).Scan(&current)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return fmt.Errorf("read the mark %s: %w", m.Name, err)
		default:
			current = notNil(current)
		}
		if err := m.Over(current); err != nil {
			return fmt.Errorf("%w: %w", channels.ErrState, err)
		}
		if err := w.exec(w.do.putMark, m.Name, notNil(m.Value)); err != nil {
			return fmt.Errorf("write the mark %s: %w", m.Name, err)
		}
	}
	return nil
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
