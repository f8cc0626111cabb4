package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A Store is an event log and a device registry in one database. Batches may carry devices.Changes and
// devices.Mark in their State.
type Store interface {
	channels.Log
	channels.Records
	channels.Overview
	devices.Registry
	devices.Editor
	devices.Silence
	devices.Moments
	devices.Marks

	// Lead waits until nobody else who uses the database leads under the name, and then makes the caller the
	// leader until release is called. leading ends with ctx, and as soon as the leadership may be lost, such as
	// with the connection to PostgreSQL (advisory lock); with SQLite (a lock on a file beside the database) it
	// cannot be lost. A leader that is killed is succeeded within seconds.
	Lead(ctx context.Context, name string) (leading context.Context, release func(), err error)

	// Watch calls ring, which must not block, soon after anybody else who uses the database has stored events, and at times
	// without a reason, until ctx ends. Nobody may rely on it: it hastens who looks into the log anyway.
	Watch(ctx context.Context, ring func()) error

	// Jump makes the log continue far above every number that it may have given out, as it does by itself
	// where it finds that it was restored. It is for restored copies that nothing else tells from the
	// original, and harmless at any time.
	Jump(ctx context.Context) error

	// Close ends what uses the database. What Append confirmed is safe without it.
	Close() error
}

var (
	// ErrFull tells that the database's disk, or its quota, is full. Nothing was stored; the store works again
	// once there is space.
	ErrFull = errors.New("the disk is full")
	// ErrLocked tells that another process held the database's lock for all of Options.LockWait.
	ErrLocked = errors.New("the database is locked by another process")
)

// Options adjust a store. The zero value is a good choice.
type Options struct {
	// KeyRetention is how long idempotency keys are remembered; Trim forgets older ones. 0 for
	// DefaultKeyRetention.
	KeyRetention time.Duration
	// Refusals bounds the refused messages that Trim leaves, and as many that subscribers did not take. The zero value
	// is DefaultRefusals.
	Refusals channels.Retention
	// LockWait bounds how long a write waits for another process, 0 for DefaultLockWait. A context's
	// deadline ends the wait earlier.
	LockWait time.Duration
	// Relaxed makes SQLite confirm an event before the disk has it (synchronous=NORMAL). A killed process
	// loses nothing, but a machine that loses power may lose the last events; the log then jumps.
	Relaxed bool
	// Connections bounds the connections that read at the same time; for PostgreSQL, all of them. 0 for
	// DefaultConnections.
	Connections int
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// The defaults of Options.
const (
	DefaultKeyRetention = 24 * time.Hour
	DefaultLockWait     = 10 * time.Second
	DefaultConnections  = 8
)

// DefaultRefusals returns how long refused messages are kept unless Options say otherwise.
func DefaultRefusals() channels.Retention {
	return channels.Retention{Age: 7 * 24 * time.Hour, Count: 10_000}
}

func (o Options) withDefaults() Options {
	if o.KeyRetention == 0 {
		o.KeyRetention = DefaultKeyRetention
	}
	if o.Refusals == (channels.Retention{}) {
		o.Refusals = DefaultRefusals()
	}
	if o.LockWait == 0 {
		o.LockWait = DefaultLockWait
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Open opens the database that the URL names: "sqlite:PATH" or a URL of PostgreSQL ("postgres://…"). It
// creates what is missing: the file, and the tables.
func Open(ctx context.Context, databaseURL string, options Options) (Store, error) {
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	switch scheme {
	case "sqlite":
		return orNil(OpenSQLite(ctx, rest, options))
	case "postgres", "postgresql":
		return orNil(OpenPostgres(ctx, databaseURL, options))
	}
	// The URL is not repeated: it may hold a password.
	return nil, fmt.Errorf("database: want sqlite:PATH or postgres://USER@HOST/NAME, not %q", scheme+":…")
}

// orNil keeps a nil pointer from becoming a Store that is not nil.
func orNil[S Store](s S, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
