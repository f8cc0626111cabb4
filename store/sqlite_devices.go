package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Devices is devices.Registry's.
func (s *SQLite) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	asked, err := pairs(refs)
	if err != nil {
		return nil, err
	}
	return readDevices(s.read.devices.QueryContext(ctx, asked))
}

// WithCodes is devices.Registry's.
func (s *SQLite) WithCodes(ctx context.Context, codes []string) ([]devices.Device, error) {
	asked, err := json.Marshal(codes)
	if err != nil {
		return nil, err
	}
	return readDevices(s.read.withCodes.QueryContext(ctx, string(asked)))
}

// List is devices.Registry's.
func (s *SQLite) List(ctx context.Context, filter devices.Filter, after channels.DeviceRef, limit int) (
	[]devices.Device, error) {
	return readDevices(s.listDevices(ctx, s.readers, filter, after, limit))
}

// sqliteQuerier is the database, or a transaction.
type sqliteQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *SQLite) listDevices(ctx context.Context, on sqliteQuerier, filter devices.Filter, after channels.DeviceRef, limit int) (
	*sql.Rows, error) {
	q := s.do.deviceQuery(filter, after, limit)
	return on.QueryContext(ctx, q.text, named(q.args)...)
}

// Silent is devices.Silence's.
func (s *SQLite) Silent(ctx context.Context, before time.Time, after channels.DeviceRef, limit int) (
	_ []channels.DeviceRef, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read silent devices: %w", sqliteError(err))
		}
	}()
	rows, err := s.read.silent.QueryContext(ctx, after.Type, after.ID, microCeil(before), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var refs []channels.DeviceRef
	for rows.Next() {
		var ref channels.DeviceRef
		if err := rows.Scan(&ref.Type, &ref.ID); err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, rows.Err()
}

// readDevices reads the answer of a query.
func readDevices(rows *sql.Rows, err error) (_ []devices.Device, _ error) {
	all, err := scanDevices(rows, err)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", sqliteError(err))
	}
	return all, nil
}

func scanDevices(rows *sql.Rows, err error) ([]devices.Device, error) {
	return scanRows(rows, err, scanDevice)
}

// putDevice writes the state of a device that is there, or is to be registered.
func (w *sqliteWriter) putDevice(d *deviceRow, now time.Time) error {
	args := []any{d.Type, d.ID, string(d.Status), d.Overdue, micro(d.LastSeen), d.Firmware, d.Battery, d.Temperature, d.Humidity,
		d.Latitude, d.Longitude, micro(d.DataTime), micro(d.StatusTime), d.values, now.UnixMicro()}
	for _, update := range []*sql.Stmt{w.do.updateDevice, w.do.updateStatus} {
		result, err := update.ExecContext(context.Background(), args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
	}
	if !d.Register {
		return nil
	}
	return w.exec(w.do.registerDevice, append(args, searchText(d.DeviceRef, nil))...)
}

// Edit is devices.Editor's.
func (s *SQLite) Edit(ctx context.Context, edits []devices.Edit) error {
	if len(edits) == 0 {
		return ctx.Err()
	}
	err := s.writer.transact(ctx, func() error {
		known, err := s.writer.concerned(edits)
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
		return s.writer.edit(editing, s.options.Now().UnixMicro())
	})
	var wrong *devices.EditError
	if err != nil && !errors.As(err, &wrong) {
		return fmt.Errorf("edit %d devices: %w", len(edits), err)
	}
	return err
}

// concerned reads what devices.Resolve has to know.
func (w *sqliteWriter) concerned(edits []devices.Edit) (known []devices.Device, err error) {
	refs := make([]channels.DeviceRef, len(edits))
	for i := range edits {
		refs[i] = edits[i].DeviceRef
	}
	named, err := pairs(refs)
	if err != nil {
		return nil, err
	}
	codes, keys := devices.Wanted(edits)
	for _, ask := range []struct {
		stmt *sql.Stmt
		what any
	}{{w.do.devices, json.RawMessage(named)}, {w.do.withCodes, codes}, {w.do.withKeys, keys}} {
		asked, err := json.Marshal(ask.what)
		if err != nil {
			return nil, err
		}
		some, err := scanDevices(ask.stmt.QueryContext(context.Background(), string(asked)))
		if err != nil {
			return nil, err
		}
		known = append(known, some...)
	}
	return known, nil
}

func (w *sqliteWriter) edit(e *editing, now int64) error {
	for _, g := range e.left {
		if err := w.exec(w.do.leaveGroup, g.group, g.Type, g.ID); err != nil {
			return fmt.Errorf("device %s/%s leaves group %q: %w", g.Type, g.ID, g.group, err)
		}
	}
	for _, ref := range e.removed {
		if err := w.exec(w.do.removeDevice, ref.Type, ref.ID); err != nil {
			return fmt.Errorf("remove device %s/%s: %w", ref.Type, ref.ID, err)
		}
	}
	for _, ref := range e.released {
		if err := w.exec(w.do.releaseCodes, ref.Type, ref.ID); err != nil {
			return fmt.Errorf("release the code of device %s/%s: %w", ref.Type, ref.ID, err)
		}
	}
	for i := range e.put {
		d := &e.put[i]
		r := d.After
		if err := w.exec(w.do.putRecord, d.Type, d.ID, r.Active, r.Code, r.Key, r.Name, r.Owner, r.ProductType, d.groups, d.search,
			string(r.Attributes), d.Latitude, d.Longitude, now); err != nil {
			return fmt.Errorf("device %s/%s: %w", d.Type, d.ID, err)
		}
	}
	for _, g := range e.joined {
		if err := w.exec(w.do.joinGroup, g.group, g.Type, g.ID); err != nil {
			return fmt.Errorf("device %s/%s joins group %q: %w", g.Type, g.ID, g.group, err)
		}
	}
	return nil
}

// Mark is devices.Marks'.
func (s *SQLite) Mark(ctx context.Context, name string) (value []byte, err error) {
	err = s.read.mark.QueryRowContext(ctx, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark %s: %w", name, sqliteError(err))
	}
	return notNil(value), nil
}
