package channels

import (
	"context"
	"time"
)

// A Trimmer deletes from a log what the retention of its channels no longer keeps.
type Trimmer struct {
	// Log is what it trims.
	Log interface {
		Trim(ctx context.Context, keep func(Channel) Retention, now time.Time) (int, error)
	}
	// Keep tells what each channel keeps.
	Keep func(Channel) Retention
	// Now tells the time that ages are counted from.
	Now func() time.Time
}

// Pass trims until nothing is left that has to go, and then leaves the log alone: what one channel gathers until the next pass
// costs less to delete than the same events one by one. It works in small steps, with as long a pause after each, so that
// senders have at least half of the time. It returns the first error, that of ctx too.
func (t *Trimmer) Pass(ctx context.Context) error {
	for {
		began := time.Now()
		n, err := t.Log.Trim(ctx, t.Keep, t.Now())
		if err != nil || n < TrimAtOnce {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
}
