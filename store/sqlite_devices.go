package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// Devices is devices.Registry's.
func (s *SQLite) Devices(ctx context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	pairs := make([][2]string, len(refs))
	for i, ref := range refs {
		pairs[i] = [2]string{ref.Type, ref.ID}
	}
	asked, err := json.Marshal(pairs)
	if err != nil {
		return nil, err
	}
	return s.scanDevices(ctx, s.read.devices, string(asked))
}

// List is devices.Registry's.
func (s *SQLite) List(ctx context.Context, deviceType string, after channels.DeviceRef, limit int) (
	[]devices.Device, error) {
	switch {
	case deviceType == "":
		return s.scanDevices(ctx, s.read.listDevices, after.Type, after.ID, limit)
	case after.Type > deviceType:
		return nil, ctx.Err()
	case after.Type < deviceType:
		after.ID = ""
	}
	return s.scanDevices(ctx, s.read.listDevicesOfType, deviceType, after.ID, limit)
}

func (s *SQLite) scanDevices(ctx context.Context, stmt *sql.Stmt, args ...any) (_ []devices.Device, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read devices: %w", sqliteError(err))
		}
	}()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []devices.Device
	for rows.Next() {
		d, err := scanDevice(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
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
