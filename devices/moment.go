package devices

import (
	"context"

	"github.com/griphub/griphub/channels"
)

// A Moment is the log and the registry as they were at one moment: what the registry says of a device is what its
// events up to the heads have made of it, no more and no less. It is of use only while Moments.At runs.
type Moment interface {
	// Heads is channels.Log's.
	Heads(ctx context.Context, channels []channels.Channel) (channels.Cursor, error)
	// Read is channels.Log's.
	Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error)
	// Devices is Registry's.
	Devices(ctx context.Context, refs []channels.DeviceRef) ([]Device, error)
	// List is Registry's.
	List(ctx context.Context, filter Filter, after channels.DeviceRef, limit int) ([]Device, error)
}

// Moments are read one at a time.
type Moments interface {
	// At runs do with the present moment, and returns its error. do reads and nothing else, and may be run again after
	// the connection to the database was lost.
	At(ctx context.Context, do func(Moment) error) error
}
