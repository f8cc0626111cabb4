package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// At is devices.Moments'.
func (s *SQLite) At(ctx context.Context, do func(devices.Moment) error) error {
	if err := s.snapshot(ctx, func(tx *sql.Tx) error { return do(sqliteMoment{s, tx}) }); err != nil {
		return fmt.Errorf("read a moment: %w", err)
	}
	return nil
}

// A sqliteMoment reads in one transaction.
type sqliteMoment struct {
	store *SQLite
	tx    *sql.Tx
}

func (m sqliteMoment) Heads(ctx context.Context, names []channels.Channel) (channels.Cursor, error) {
	if len(names) == 0 {
		return nil, ctx.Err()
	}
	states, err := scanHeads(ctx, m.tx.StmtContext(ctx, m.store.read.heads), names)
	return headsOf(names, states), err
}

func (m sqliteMoment) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	if len(after) == 0 {
		return nil, ctx.Err()
	}
	return m.store.pages(ctx, m.tx, after, limit)
}

func (m sqliteMoment) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	asked, err := pairs(refs)
	if err != nil {
		return nil, err
	}
	return scanDevices(m.tx.StmtContext(ctx, m.store.read.devices).QueryContext(ctx, asked))
}

func (m sqliteMoment) List(ctx context.Context, filter devices.Filter, after channels.DeviceRef, limit int) ([]devices.Device, error) {
	return scanDevices(m.store.listDevices(ctx, m.tx, filter, after, limit))
}

// At is devices.Moments'.
func (p *Postgres) At(ctx context.Context, do func(devices.Moment) error) error {
	if err := p.snapshot(ctx, func(tx pgx.Tx) error { return do(postgresMoment{p, tx}) }); err != nil {
		return fmt.Errorf("read a moment: %w", err)
	}
	return nil
}

// A postgresMoment reads in one transaction.
type postgresMoment struct {
	store *Postgres
	tx    pgx.Tx
}

func (m postgresMoment) Heads(ctx context.Context, names []channels.Channel) (channels.Cursor, error) {
	if len(names) == 0 {
		return nil, ctx.Err()
	}
	rows, err := m.tx.Query(ctx, m.store.do["heads"], texts(names))
	if err != nil {
		return nil, err
	}
	states, err := pgx.CollectRows(rows, scanState)
	return headsOf(names, states), err
}

func (m postgresMoment) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	if len(after) == 0 {
		return nil, ctx.Err()
	}
	return m.store.pages(ctx, m.tx, after, limit)
}

func (m postgresMoment) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	kinds, ids := columnsOf(refs)
	rows, err := m.tx.Query(ctx, m.store.do["devices"], kinds, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, collectDevice)
}

func (m postgresMoment) List(ctx context.Context, filter devices.Filter, after channels.DeviceRef, limit int) ([]devices.Device, error) {
	return m.store.listDevices(ctx, m.tx, filter, after, limit)
}

// headsOf are the positions that counters say.
func headsOf(names []channels.Channel, states []channelState) channels.Cursor {
	heads := make(channels.Cursor, len(states))
	for i := range states {
		heads[i] = channels.Position{Channel: names[i], Seq: states[i].effectiveHead()}
	}
	return heads
}
