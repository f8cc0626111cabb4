package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// A sidecar is the small file beside a SQLite database, "{path}-mark", by which the log knows itself again. It
// says which file the database is (its inode and time of birth) and how far event ids had been committed at
// some recent moment. A database without its mark, a file that is another one, and a file that knows less
// than the mark says are copies that may lack what was confirmed: the log jumps.
//
// Several processes have the same database open, and any of them may be the first or the last. So the mark is
// read and written by whoever holds the database's write lock, and holds only what was committed
// when that lock was taken; it may lag behind, about a second while events come, and never runs ahead. Lagging
// makes the proof weaker by that second, never wrong. It is not forced to the disk, for the same reason.
//
// A log that confirms before the disk has the event (Options.Relaxed) loses its end with the power. Its mark
// also holds the id of the machine's run (boot), and another run is another reason to jump.
type sidecar struct {
	path     string
	database string
	relaxed  bool
	file     fileIdentity // of the database as it was opened
	written  time.Time    // when this process last wrote the mark
}

// sidecarRecord is a mark's content.
type sidecarRecord struct {
	file  fileIdentity
	event int64
	boot  string // "" unless the log is, or was in this run of the machine, relaxed
}

// sidecarEvery bounds how far the mark lags behind while events come.
const sidecarEvery = time.Second

// errReplaced tells that the database's path leads to another file than the one that is open: what is
// appended now would be in a file that nobody finds again.
var errReplaced = errors.New("the database file was removed or replaced while it was in use; restart")

func openSidecar(database string, relaxed bool) (sidecar, error) {
	file, err := identifyFile(database)
	if err != nil {
		return sidecar{}, err
	}
	return sidecar{path: database + "-mark", database: database, relaxed: relaxed, file: file}, nil
}

// check fails where the database's path no longer leads to the file that is open.
func (c *sidecar) check() error {
	file, err := identifyFile(c.database)
	if errors.Is(err, fs.ErrNotExist) || err == nil && file != c.file {
		return errReplaced
	}
	return err
}

// verdict is what a mark says about a database.
type verdict int

const (
	proven  verdict = iota // the database is the newest copy of itself
	unknown                // there is nothing to prove, and the mark must be written
	doubtful
)

// judge compares the mark with the database's newest event id. The caller holds the write lock.
func (c *sidecar) judge(event int64) verdict {
	record, ok := c.read()
	switch {
	case !ok && event == 0:
		return unknown
	case !ok, event < record.event:
		return doubtful
	case record.file != c.file && event == 0:
		return unknown
	case record.file != c.file:
		return doubtful
	case record.boot != "" && record.boot != bootID():
		return doubtful
	case record.boot == "" && c.relaxed:
		return unknown // from here on there is something to prove
	}
	return proven
}

func (c *sidecar) read() (sidecarRecord, bool) {
	text, err := os.ReadFile(c.path)
	if err != nil {
		return sidecarRecord{}, false
	}
	var r sidecarRecord
	n, _ := fmt.Sscanf(string(text), "griphub-mark-1 inode=%d born=%d event=%d boot=%q\n",
		&r.file.inode, &r.file.born, &r.event, &r.boot)
	return r, n == 4
}

// write notes the newest event id that is committed. The caller holds the write lock. One write of one
// block replaces the content, so that a killed process leaves the old one or the new one.
func (c *sidecar) write(event int64) error {
	r := sidecarRecord{file: c.file, event: event}
	if c.relaxed {
		r.boot = bootID()
	} else if old, ok := c.read(); ok {
		r.boot = old.boot
	}
	text := fmt.Appendf(nil, "griphub-mark-1 inode=%d born=%d event=%d boot=%q\n",
		r.file.inode, r.file.born, r.event, r.boot)
	for len(text) < 200 {
		text = append(text, ' ')
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	if c.relaxed && c.written.IsZero() && err == nil {
		err = f.Sync()
	}
	c.written = time.Now()
	return errors.Join(err, f.Close())
}

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

// jumpBase returns a number far above the given one, and above all that another copy may have given out since:
// the microseconds since 1970, which no log overtakes. A clock that is wrong by a century is not believed, as
// numbers stay below 2^53.
func jumpBase(newest int64, now time.Time) int64 {
	const far, latest = 1_000_000, 1 << 52
	if us := now.UnixMicro(); us < latest {
		return max(newest+far, us)
	}
	return newest + far
}
