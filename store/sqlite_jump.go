package store

import (
	"context"
	"fmt"
)

// judge decides, as the database is opened, whether the log may continue where it ends or has to jump.
// It decides under the write lock, so that what it sees is all that any process committed.
func (w *sqliteWriter) judge(ctx context.Context) error {
	var found verdict
	err := w.transact(ctx, func() error {
		event, _, err := w.lastEvent()
		if err != nil {
			return err
		}
		if found = w.sidecar.judge(event); found == doubtful {
			return w.jump(event)
		}
		return nil
	})
	if err == nil && found != proven {
		// After the commit: written before it, the mark would prove the log also where the jump failed.
		err = w.transact(ctx, w.stampLocked)
	}
	if err != nil {
		return fmt.Errorf("find out whether the log is complete: %w", err)
	}
	w.judged = true
	return nil
}

// stamp brings the mark up to date, for whoever has the turn.
func (w *sqliteWriter) stamp(ctx context.Context) error {
	return w.transactInTurn(ctx, w.stampLocked)
}

func (w *sqliteWriter) stampLocked() error {
	event, _, err := w.lastEvent()
	if err != nil {
		return err
	}
	if err := w.sidecar.check(); err != nil {
		return err
	}
	if err := w.sidecar.write(event); err != nil {
		return fmt.Errorf("write the mark: %w", err)
	}
	return nil
}

// lastEvent returns the newest event id, and the base below which no number may be given.
func (w *sqliteWriter) lastEvent() (event, base int64, err error) {
	if err := w.query(w.do.lastEvent).Scan(&event, &base); err != nil {
		return 0, 0, fmt.Errorf("read the counters: %w", err)
	}
	return event, base, nil
}

// jump lets the log continue above every number that another copy may have given out.
func (w *sqliteWriter) jump(event int64) error {
	if record, ok := w.sidecar.read(); ok {
		event = max(event, record.event)
	}
	now := w.options.Now()
	base := jumpBase(event, now)
	if err := w.exec(w.do.jump, base, now.UnixMicro()); err != nil {
		return fmt.Errorf("jump: %w", err)
	}
	return w.exec(w.do.setLastEvent, base)
}

// Jump is Store's.
func (s *SQLite) Jump(ctx context.Context) error {
	return s.writer.transact(ctx, func() error {
		event, _, err := s.writer.lastEvent()
		if err != nil {
			return err
		}
		return s.writer.jump(event)
	})
}
