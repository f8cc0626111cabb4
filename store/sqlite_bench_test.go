package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

func openSQLite(t testing.TB) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "log.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func BenchmarkAppend(b *testing.B) {
	for _, chans := range []int{1, 2} {
		for _, size := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("batch=%d/channels=%d", size, chans), func(b *testing.B) {
				benchmarkAppend(b, openSQLite(b), size, chans)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, log channels.Log, size, chans int) {
	drafts := make([]channels.Draft, size)
	for i := range drafts {
		d := &drafts[i]
		d.Channels = []channels.Channel{channels.Channel(fmt.Sprintf("iot_pump_%d", i%100)), "iot_pump"}[:chans]
		d.Type = "data"
		d.Data = []byte(`{"device_id":"pump-17","temperature":21.5,"pressure":3.25,"ok":true}`)
		d.Device = channels.DeviceRef{Type: "pump", ID: "17"}
	}
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		if _, err := log.Append(b.Context(), channels.Batch{Drafts: drafts}); err != nil {
			b.Fatal(err)
		}
		events += size
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
