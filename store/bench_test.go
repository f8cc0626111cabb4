package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

// benchmarkLogs runs do on each kind of log, with everything forced to the disk.
func benchmarkLogs(b *testing.B, do func(b *testing.B, open func(b *testing.B) channels.Log)) {
	b.Run("sqlite", func(b *testing.B) {
		do(b, func(b *testing.B) channels.Log {
			return openFile(b, filepath.Join(b.TempDir(), "log.db"), store.Options{})
		})
	})
	b.Run("postgres", func(b *testing.B) {
		durable := &pgtest.Server{Settings: []string{"fsync=on", "full_page_writes=on", "max_wal_size=4GB"}}
		b.Cleanup(durable.Stop)
		do(b, func(b *testing.B) channels.Log { return openDatabase(b, durable.Database(b), store.Options{}) })
	})
}

// telemetry is n drafts as devices cause them, on up to two channels each.
func telemetry(n, chans int) []channels.Draft {
	drafts := make([]channels.Draft, n)
	for i := range drafts {
		id := fmt.Sprint(i % 100)
		drafts[i] = channels.Draft{
			Channels: []channels.Channel{channels.Channel("iot_pump_" + id), "iot_pump"}[:chans],
			Type:     "data",
			Data:     []byte(`{"device_id":"pump-17","temperature":21.5,"pressure":3.25,"ok":true}`),
			Device:   channels.DeviceRef{Type: "pump", ID: id},
		}
	}
	return drafts
}

func BenchmarkAppend(b *testing.B) {
	benchmarkLogs(b, func(b *testing.B, open func(b *testing.B) channels.Log) {
		for _, chans := range []int{1, 2} {
			for _, size := range []int{1, 100, 1000} {
				b.Run(fmt.Sprintf("batch=%d/channels=%d", size, chans), func(b *testing.B) {
					log, drafts := open(b), telemetry(size, chans)
					b.ReportAllocs()
					for b.Loop() {
						if _, err := log.Append(b.Context(), channels.Batch{Drafts: drafts}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
				})
			}
		}
	})
}

func BenchmarkAppendKeyed(b *testing.B) {
	benchmarkLogs(b, func(b *testing.B, open func(b *testing.B) channels.Log) {
		const size = 1000
		log, drafts := open(b), telemetry(size, 2)
		n := 0
		for b.Loop() {
			for i := range drafts {
				n++
				drafts[i].Key = fmt.Sprintf("pump-%d", n)
			}
			if _, err := log.Append(b.Context(), channels.Batch{Drafts: drafts}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
	})
}

func BenchmarkRead(b *testing.B) {
	benchmarkLogs(b, func(b *testing.B, open func(b *testing.B) channels.Log) {
		log := open(b)
		for range 20 {
			if _, err := log.Append(b.Context(), channels.Batch{Drafts: telemetry(1000, 2)}); err != nil {
				b.Fatal(err)
			}
		}
		for name, after := range map[string]channels.Cursor{
			"nothing new": {{Channel: "iot_pump", Seq: 20_000}},
			"1 event":     {{Channel: "iot_pump", Seq: 19_999}},
			"100 events":  {{Channel: "iot_pump", Seq: 15_000}},
			"10 channels": tenDevices(),
		} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					pages, err := log.Read(b.Context(), after, 100)
					if err != nil || pages[0].Lost {
						b.Fatal(pages, err)
					}
				}
			})
		}
	})
}

// tenDevices stands one event before the heads of ten devices.
func tenDevices() channels.Cursor {
	var after channels.Cursor
	for i := range 10 {
		after = append(after, channels.Position{Channel: channels.Channel(fmt.Sprintf("iot_pump_%d", i)), Seq: 199})
	}
	return after
}
