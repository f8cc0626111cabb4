package doctor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/griphub/griphub/store"
)

// examineDatabase looks at the database as serve would open it.
func (d *examination) examineDatabase(ctx context.Context, r *Report) {
	const check = "database"
	e, err := store.Examine(ctx, string(d.Config.Database))
	if err != nil {
		r.Fail(check, err.Error(), databaseCure(err, e))
		return
	}
	switch {
	case e.Version == 0:
		r.OK(check, "%s can be written; griphub serve makes the tables when it starts", e.Engine)
	case e.Version < e.Newest:
		r.Warn(check, fmt.Sprintf("%s: the schema has version %d of %d", e.Engine, e.Version, e.Newest),
			"run griphub migrate, or let griphub serve do it when it starts")
	default:
		r.OK(check, "%s, schema version %d, can be written", e.Engine, e.Version)
	}
	if e.Path != "" {
		r.OK("database synchronous", "FULL: an event is on the disk before it is acknowledged")
		examineDisk(r, filepath.Dir(e.Path))
		return
	}
	r.postgres(e)
}

func databaseCure(err error, e store.Examination) string {
	switch {
	case errors.Is(err, store.ErrLocked):
		return "stop what holds the lock: a backup that copies the file, or a program that has it open in a transaction"
	case errors.Is(err, store.ErrFull):
		return "make room on the disk"
	case e.Newest > 0 && e.Version > e.Newest:
		return "install the griphub that was here before, or a newer one"
	case strings.HasPrefix(e.Engine, "SQLite"):
		return "correct database, and let the user that griphub runs as write to the file and its directory"
	case e.Settings == nil:
		return "start PostgreSQL, or correct database: its host, port, user, password and name"
	}
	return "make the database's user the owner of the schema griphub, or give it CREATE on the database"
}

// postgres reports the settings that decide whether what PostgreSQL confirms is safe.
func (r *Report) postgres(e store.Examination) {
	if e.Settings["fsync"] == "off" {
		r.Fail("database fsync", "off: a crash of the machine can lose or damage events that were acknowledged", "set fsync = on in postgresql.conf")
	} else {
		r.OK("database fsync", "on")
	}
	if e.Settings["full_page_writes"] == "off" {
		r.Warn("database full_page_writes", "off: a crash of the machine can damage the database", "set full_page_writes = on in postgresql.conf")
	}
	if e.Settings["synchronous_commit"] == "off" {
		r.OK("database synchronous_commit", "off; griphub turns it on for what it stores")
	}
	if encoding := e.Settings["server_encoding"]; encoding != "UTF8" {
		r.Fail("database encoding", encoding+": texts of devices and users cannot be stored",
			"create the database anew with ENCODING 'UTF8' TEMPLATE template0")
	}
	r.clock("the clock of PostgreSQL", e.Ahead)
}

// Room on the disk, in bytes, below which events may soon not be stored.
const (
	littleRoom = 1 << 30
	noRoom     = 100 << 20
)

// examineDisk reports the disk that holds a SQLite database.
func examineDisk(r *Report, dir string) {
	const check = "database disk"
	disk, err := diskOf(dir)
	if err != nil {
		r.Warn(check, "cannot be examined: "+err.Error(), "see that "+dir+" has room")
		return
	}
	r.add(disk.finding(check, dir))
}

// A disk is the file system that a directory is on.
type disk struct {
	free uint64 // bytes that griphub may use
	kind string // as mount(8) calls it; empty for one that is not known here
}

func (k disk) finding(check, dir string) Finding {
	room := fmt.Sprintf("%d MB free in %s", k.free>>20, dir)
	switch k.kind {
	case "nfs", "cifs", "smb2", "9p":
		return Finding{Broken, check, fmt.Sprintf("%s is on a network file system (%s), where SQLite's locks do not hold", dir, k.kind),
			"put the database on a local disk, or use PostgreSQL"}
	case "tmpfs", "ramfs":
		return Finding{Dubious, check, fmt.Sprintf("%s is in memory (%s): all events are lost when the machine stops", dir, k.kind),
			"put the database on a disk"}
	case "overlay":
		return Finding{Dubious, check, fmt.Sprintf("%s is the container's own layer: all events are lost with the container", dir),
			"put the database on a volume"}
	}
	switch {
	case k.free < noRoom:
		return Finding{Broken, check, room, "make room, or give channels a shorter retention"}
	case k.free < littleRoom:
		return Finding{Dubious, check, room, "make room, or give channels a shorter retention"}
	}
	return Finding{Good, check, room, ""}
}
