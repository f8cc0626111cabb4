package web_test

import (
	"context"

	"github.com/griphub/griphub/channels"
)

// A countedLog counts what is read.
type countedLog struct {
	channels.Log
	reads *int
}

func (l countedLog) Heads(ctx context.Context, chans []channels.Channel) (channels.Cursor, error) {
	*l.reads++
	return l.Log.Heads(ctx, chans)
}

func (l countedLog) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	*l.reads++
	return l.Log.Read(ctx, after, limit)
}
