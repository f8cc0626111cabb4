package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
)

// Browse is channels.Overview's.
func (p *Postgres) Browse(ctx context.Context, q channels.EventQuery) (page channels.EventPage, err error) {
	q.Channel, q.Type = channels.Channel(printable(string(q.Channel))), printable(q.Type)
	q.Device = channels.DeviceRef{Type: printable(q.Device.Type), ID: printable(q.Device.ID)}
	b := &browsing{statements: p.do,
		number: func(ctx context.Context, text string, args map[string]any) (n int64, ok bool, err error) {
			err = p.pool.QueryRow(ctx, text, pgx.NamedArgs(args)).Scan(&n)
			if errors.Is(err, pgx.ErrNoRows) {
				return 0, false, nil
			}
			return n, true, err
		},
		events: func(ctx context.Context, text string, args map[string]any) ([]placedEvent, error) {
			rows, err := p.pool.Query(ctx, text, pgx.NamedArgs(args))
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, func(row pgx.CollectableRow) (placedEvent, error) { return scanPlaced(row) })
		},
	}
	err = p.again(ctx, func() error {
		page, err = b.page(ctx, q)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("browse events: %w", err)
	}
	return page, nil
}

// Channels is channels.Overview's.
func (p *Postgres) Channels(ctx context.Context, q channels.ChannelQuery) ([]channels.ChannelInfo, error) {
	all, err := collect(ctx, p, func(row pgx.CollectableRow) (channels.ChannelInfo, error) { return scanChannelInfo(row) },
		"list channels", printable(q.Text), printable(string(q.After)), microCeil(q.Since), channels.MaxRecent, q.Limit, printable(string(q.Name)))
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return all, nil
}
