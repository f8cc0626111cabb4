package store_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// fleetSize is the fleet that the registry is made for.
const fleetSize = 100_000

// fleetEdits are as many devices of five types, of a thousand users, in a hundred groups.
func fleetEdits() []devices.Edit {
	edits := make([]devices.Edit, fleetSize)
	for i := range edits {
		edits[i] = devices.Edit{DeviceRef: fleetRef(i), Kind: devices.EditPut}
		edits[i].Patch = devices.Patch{
			Code: new(fmt.Sprintf("code-%06d", i)), Name: new(fmt.Sprintf("Device %d in hall %d", i, i%100)), Owner: new(fmt.Sprint(i % 1000)),
			Groups: &[]devices.Group{{ID: fmt.Sprint(i % 100), Name: "Group"}}, Attributes: new(json.RawMessage(`{"floor":3}`)),
		}
	}
	return edits
}

func fleetRef(i int) channels.DeviceRef {
	return channels.DeviceRef{Type: fmt.Sprintf("type%d", i%5), ID: fmt.Sprintf("device-%06d", i)}
}

// fleetChanges are what so many devices of the fleet report, from one on.
func fleetChanges(from, n int) devices.Changes {
	changes := make(devices.Changes, n)
	for i := range changes {
		changes[i] = devices.Change{DeviceRef: fleetRef((from + i) % fleetSize), State: devices.State{
			Status: devices.Online, LastSeen: time.Now(), Firmware: "1.4.2", Battery: new(87.5),
			Values: map[string]json.RawMessage{"temperature": json.RawMessage("21.50"), "humidity": json.RawMessage("40.5"), "pressure": json.RawMessage("1013.2")},
		}}
	}
	return changes
}

// BenchmarkFleet is what is done with a hundred thousand registered devices. docs/devices.md tells the figures.
func BenchmarkFleet(b *testing.B) {
	for name, url := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite:" + filepath.Join(b.TempDir(), "log.db") },
		"postgres": func(b *testing.B) string { return server.Database(b) },
	} {
		b.Run(name, func(b *testing.B) {
			at := url(b)
			s, err := store.Open(b.Context(), at, store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			start := time.Now()
			if err := s.Edit(b.Context(), fleetEdits()); err != nil {
				b.Fatal(err)
			}
			b.Logf("import of %d devices: %v", fleetSize, time.Since(start).Round(time.Millisecond))
			for from := 0; from < fleetSize; from += 1000 {
				if _, err := s.Append(b.Context(), channels.Batch{State: []any{fleetChanges(from, 1000)}}); err != nil {
					b.Fatal(err)
				}
			}
			b.Run("open", func(b *testing.B) {
				for b.Loop() {
					again, err := store.Open(b.Context(), at, store.Options{})
					if err != nil {
						b.Fatal(err)
					}
					_ = again.Close()
				}
			})
			b.Run("commit of 1000 devices", func(b *testing.B) {
				for from := 0; b.Loop(); from += 1000 {
					if _, err := s.Append(b.Context(), channels.Batch{State: []any{fleetChanges(from, 1000)}}); err != nil {
						b.Fatal(err)
					}
				}
			})
			benchmarkLists(b, s)
			b.Run("silent", func(b *testing.B) {
				for b.Loop() {
					if refs, err := s.Silent(b.Context(), time.Now().Add(-time.Hour), channels.DeviceRef{}, 500); err != nil || len(refs) > 0 {
						b.Fatal(refs, err)
					}
				}
			})
		})
	}
}

func benchmarkLists(b *testing.B, s store.Store) {
	for name, filter := range map[string]devices.Filter{
		"all": {}, "type": {Type: "type3"}, "status": {Status: devices.Online}, "status of none": {Status: devices.Error}, "owner": {Owner: "7"},
		"owner of none": {Owner: "nobody"}, "group": {Group: "42"}, "inactive": {Active: new(false)}, "group and owner": {Group: "42", Owner: "42"},
		"text": {Text: "hall 42"}, "text of none": {Text: "no such text"},
	} {
		b.Run("list/"+name, func(b *testing.B) {
			after := channels.DeviceRef{Type: "type2", ID: "device-050000"}
			if filter.Type != "" {
				after.Type = filter.Type
			}
			for b.Loop() {
				if _, err := s.List(b.Context(), filter, after, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
