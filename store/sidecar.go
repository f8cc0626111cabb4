package store

import (
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
	mode     fs.FileMode  // of the database: who may write that writes the mark
	file     fileIdentity // of the database as it was opened
	written  time.Time    // when this process last wrote the mark
}

// sidecarRecord is a mark's content.
type sidecarRecord struct {
	file  fileIdentity
	event int64
	boot  string // the run of the machine in which the log was relaxed, "" for none
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
	info, err := os.Stat(database)
	if err != nil {
		return sidecar{}, err
	}
	return sidecar{path: database + "-mark", database: database, relaxed: relaxed, mode: info.Mode().Perm(), file: file}, nil
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
	return r, n == 4 && r.event >= 0 && r.event < latestBase
}

// write notes the newest event id that is committed. The caller holds the write lock. One write of one
// block replaces the content, so that a killed process leaves the old one or the new one.
func (c *sidecar) write(event int64) error {
	r := sidecarRecord{file: c.file, event: event}
	// A process that is not relaxed leaves alone what one that is may still need.
	if old, _ := c.read(); c.relaxed || old.boot == bootID() {
		r.boot = bootID()
	}
	text := fmt.Appendf(nil, "griphub-mark-1 inode=%d born=%d event=%d boot=%q\n",
		r.file.inode, r.file.born, r.event, r.boot)
	for len(text) < 200 {
		text = append(text, ' ')
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, c.mode)
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
