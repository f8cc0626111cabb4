package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Devices is devices.Registry's.
func (p *Postgres) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	kinds, ids := columnsOf(refs)
	return p.devices(ctx, "devices", kinds, ids)
}

// WithCodes is devices.Registry's.
func (p *Postgres) WithCodes(ctx context.Context, codes []string) ([]devices.Device, error) {
	return p.devices(ctx, "devices with codes", printables(codes))
}

func (p *Postgres) devices(ctx context.Context, statement string, args ...any) ([]devices.Device, error) {
	all, err := collect(ctx, p, collectDevice, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return all, nil
}

// List is devices.Registry's.
func (p *Postgres) List(ctx context.Context, filter devices.Filter, after channels.DeviceRef, limit int) (
	all []devices.Device, err error) {
	err = p.again(ctx, func() error {
		all, err = p.listDevices(ctx, p.pool, filter, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return all, nil
}

func (p *Postgres) listDevices(ctx context.Context, on querier, filter devices.Filter, after channels.DeviceRef, limit int) (
	[]devices.Device, error) {
	q := p.do.deviceQuery(filter, after, limit)
	for name, value := range q.args {
		if text, ok := value.(string); ok {
			q.args[name] = printable(text)
		}
	}
	rows, err := on.Query(ctx, q.text, pgx.NamedArgs(q.args))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, collectDevice)
}

// Silent is devices.Silence's.
func (p *Postgres) Silent(ctx context.Context, before time.Time, after channels.DeviceRef, limit int) (
	[]channels.DeviceRef, error) {
	refs, err := collect(ctx, p, pgx.RowToStructByPos[channels.DeviceRef], "silent devices", after.Type, after.ID, microCeil(before), limit)
	if err != nil {
		return nil, fmt.Errorf("read silent devices: %w", err)
	}
	return refs, nil
}

func collectDevice(row pgx.CollectableRow) (devices.Device, error) { return scanDevice(row) }

// Edit is devices.Editor's.
func (p *Postgres) Edit(ctx context.Context, edits []devices.Edit) error {
	if len(edits) == 0 {
		return ctx.Err()
	}
	err := p.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, p.do["settings"], lockTimeout(p.options.LockWait)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, p.do["edit alone"]); err != nil {
			return err
		}
		known, err := p.concerned(ctx, tx, edits)
		if err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		outcomes, err := devices.Resolve(edits, known)
		if err != nil {
			return err
		}
		editing, err := newEditing(outcomes)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		p.queueEditing(batch, editing, p.options.Now().UnixMicro())
		return tx.SendBatch(ctx, batch).Close()
	})
	var wrong *devices.EditError
	if err != nil && !errors.As(err, &wrong) {
		return fmt.Errorf("edit %d devices: %w", len(edits), postgresError(err))
	}
	return err
}

// lockTimeout is a duration as PostgreSQL's setting has it.
func lockTimeout(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// concerned locks the devices that the edits name, and reads what devices.Resolve has to know.
func (p *Postgres) concerned(ctx context.Context, tx pgx.Tx, edits []devices.Edit) (known []devices.Device, err error) {
	refs := make([]channels.DeviceRef, len(edits))
	for i := range edits {
		refs[i] = edits[i].DeviceRef
	}
	kinds, ids := columnsOf(refs)
	codes, keys := devices.Wanted(edits)
	take := func(rows pgx.Rows) error {
		some, err := pgx.CollectRows(rows, collectDevice)
		known = append(known, some...)
		return err
	}
	batch := &pgx.Batch{}
	// Statements of their own: what waited for a lock sees the rows as they were before the wait.
	batch.Queue(p.do["lock devices"], kinds, ids)
	batch.Queue(p.do["devices"], kinds, ids).Query(take)
	batch.Queue(p.do["devices with codes"], printables(codes)).Query(take)
	batch.Queue(p.do["devices with keys"], printables(keys)).Query(take)
	return known, tx.SendBatch(ctx, batch).Close()
}

// queueEditing writes in the order in which rows are locked everywhere.
func (p *Postgres) queueEditing(batch *pgx.Batch, e *editing, now int64) {
	queueGroups := func(statement string, list []membership) {
		if len(list) > 0 {
			groups, kinds, ids := columnsOfGroups(list)
			batch.Queue(p.do[statement], groups, kinds, ids)
		}
	}
	queueRefs := func(statement string, refs []channels.DeviceRef) {
		if len(refs) > 0 {
			kinds, ids := columnsOf(refs)
			batch.Queue(p.do[statement], kinds, ids)
		}
	}
	queueGroups("leave groups", e.left)
	queueRefs("remove devices", e.removed)
	queueRefs("release codes", e.released)
	if len(e.put) > 0 {
		var r recordColumns
		for i := range e.put {
			r.add(&e.put[i])
		}
		batch.Queue(p.do["put records"], r.kind, r.id, r.active, r.code, r.key, r.name, r.owner, r.product, r.groups, r.search,
			r.attributes, r.latitude, r.longitude, now)
	}
	queueGroups("join groups", e.joined)
}
