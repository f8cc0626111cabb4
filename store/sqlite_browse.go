package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/griphub/griphub/channels"
)

// Browse is channels.Overview's.
func (s *SQLite) Browse(ctx context.Context, q channels.EventQuery) (channels.EventPage, error) {
	b := &browsing{statements: s.do,
		number: func(ctx context.Context, text string, args map[string]any) (n int64, ok bool, err error) {
			err = s.readers.QueryRowContext(ctx, text, named(args)...).Scan(&n)
			if errors.Is(err, sql.ErrNoRows) {
				return 0, false, nil
			}
			return n, true, err
		},
		events: func(ctx context.Context, text string, args map[string]any) ([]placedEvent, error) {
			rows, err := s.readers.QueryContext(ctx, text, named(args)...)
			return scanRows(rows, err, scanPlaced)
		},
	}
	page, err := b.page(ctx, q)
	if err != nil {
		return page, fmt.Errorf("browse events: %w", sqliteError(err))
	}
	return page, nil
}

// Channels is channels.Overview's.
func (s *SQLite) Channels(ctx context.Context, q channels.ChannelQuery) ([]channels.ChannelInfo, error) {
	all, err := readAll(ctx, s.read.listChannels, scanChannelInfo, q.Text, string(q.After), microCeil(q.Since), channels.MaxRecent, q.Limit, string(q.Name))
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", sqliteError(err))
	}
	return all, nil
}

func named(args map[string]any) []any {
	list := make([]any, 0, len(args))
	for name, value := range args {
		list = append(list, sql.Named(name, value))
	}
	return list
}
