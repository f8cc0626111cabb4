package decode_test

import (
	"context"

	"github.com/griphub/griphub/channels"
)

// appender publishes to a log alone.
type appender struct{ channels.Log }

func (a appender) Publish(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	return a.Append(ctx, batch)
}
