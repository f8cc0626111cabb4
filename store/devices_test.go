package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// pump is the device of these tests.
var pump = channels.DeviceRef{Type: "pump", ID: "P-1"}

func device(t *testing.T, s store.Store) devices.Device {
	t.Helper()
	found, err := s.Devices(t.Context(), []channels.DeviceRef{pump})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

func TestDevicesOfTheFirstSchemaAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	first, err := os.ReadFile("migrations/sqlite/0001_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	// The number of the application is griphub's.
	s := openFile(t, path, store.Options{})
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	var application int
	if err := db.QueryRowContext(t.Context(), "PRAGMA application_id").Scan(&application); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()

	old := filepath.Join(t.TempDir(), "old.db")
	execute(t, old, string(first)+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = 1", application))
	execute(t, old, `INSERT INTO devices VALUES ('pump', 'P-1', 'online', 1767323045678901, '1.2', 12.5, x'7b2274223a312e357d')`)
	checkOldDevice(t, openFile(t, old, store.Options{}))

	url := server.Database(t)
	if first, err = os.ReadFile("migrations/postgres/0001_log.sql"); err != nil {
		t.Fatal(err)
	}
	query(t, url, "CREATE SCHEMA griphub; CREATE TABLE griphub.schema (version integer NOT NULL); INSERT INTO griphub.schema VALUES (1)")
	query(t, url, string(first))
	query(t, url, `INSERT INTO griphub.devices VALUES ('pump', 'P-1', 'online', 1767323045678901, '1.2', 12.5, '{"t":1.5}')`)
	checkOldDevice(t, openDatabase(t, url, store.Options{}))
}

func checkOldDevice(t *testing.T, s store.Store) {
	t.Helper()
	d := device(t, s)
	if d.Status != devices.Online || d.LastSeen.UnixMicro() != 1767323045678901 || d.Firmware != "1.2" || *d.Battery != 12.5 ||
		string(d.Values["t"]) != "1.5" || !reflect.DeepEqual(d.Record, devices.DefaultRecord()) || d.Created.IsZero() {
		t.Errorf("the device is %+v", d)
	}
	found, err := s.List(t.Context(), devices.Filter{Text: "p-1"}, channels.DeviceRef{}, 10)
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
}

// report says in the name of the device what number it is at.
func report(ctx context.Context, s store.Store, i int) error {
	c := devices.Change{DeviceRef: pump, State: devices.State{Status: devices.Online, Firmware: fmt.Sprint(i)}}
	c.Longitude = new(float64(i % 180))
	_, err := s.Append(ctx, channels.Batch{Drafts: batch(1, "a").Drafts, State: []any{devices.Changes{c}}})
	return err
}

func TestAnotherProcessEditsWhatThisOneReports(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "log.db"), "postgres": server.Database(t)} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if err := s.Edit(t.Context(), []devices.Edit{{DeviceRef: pump, Kind: devices.EditAdd}}); err != nil {
				t.Fatal(err)
			}
			child := startChild(t, "edit", url)
			last := ""
			for i := range 200 {
				if err := report(t.Context(), s, i); err != nil {
					t.Fatal(err)
				}
				if i%20 == 0 {
					last = child.line()
				}
				// Everything that is confirmed stays.
				d := device(t, s)
				if d.Firmware != fmt.Sprint(i) || *d.Longitude != float64(i%180) || d.Status != devices.Online {
					t.Fatalf("after report %d the device is %+v", i, d)
				}
				var confirmed, edited int
				_, _ = fmt.Sscan(last, &confirmed)
				_, _ = fmt.Sscan(d.Name, &edited)
				if edited < confirmed || d.Latitude == nil || *d.Latitude != float64(edited%90) {
					t.Fatalf("after edit %s the device is %+v", last, d)
				}
			}
		})
	}
}
