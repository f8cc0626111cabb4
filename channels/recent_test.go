package channels_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// counted counts how often the log is read.
type counted struct {
	channels.Log
	reads int
}

func (c *counted) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	c.reads++
	return c.Log.Read(ctx, after, limit)
}

func memory() *logtest.Memory {
	return logtest.NewMemory(time.Now, time.Hour, channels.Retention{Age: time.Hour, Count: 10})
}

func appendMany(t interface {
	Helper()
	Fatal(...any)
}, log channels.Log, c channels.Channel, n int) {
	t.Helper()
	var batch channels.Batch
	for range n {
		batch.Drafts = append(batch.Drafts, channels.Draft{Channels: []channels.Channel{c}, Type: "t", Data: []byte(`1`), Time: time.Unix(1, 0)})
	}
	if _, err := log.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func TestViewersWhoComeBackTogetherReadTheLogOnce(t *testing.T) {
	log := &counted{Log: memory()}
	recent := channels.NewRecent(log, 1<<20, time.Now)
	appendMany(t, log, "a", 100)
	for i := range 50 {
		pages, err := recent.Read(t.Context(), channels.Cursor{{Channel: "a", Seq: channels.Seq(i)}, {Channel: "kicks", Seq: 0}}, 100)
		if err != nil || len(pages) != 2 || len(pages[0].Events) != 100-i || pages[0].Next != 100 || pages[1].Next != 0 {
			t.Fatalf("after %d: %v, %+v", i, err, pages)
		}
	}
	if log.reads != 1 {
		t.Errorf("the log was read %d times", log.reads)
	}
	appendMany(t, log, "a", 1) // as another process does
	if pages, err := recent.Read(t.Context(), channels.Cursor{{Channel: "a", Seq: 99}}, 100); err != nil || len(pages[0].Events) != 2 {
		t.Errorf("after another event: %v, %+v", err, pages)
	}
	appendMany(t, log, "kicks", 1)
	if pages, err := recent.Read(t.Context(), channels.Cursor{{Channel: "a", Seq: 50}, {Channel: "kicks", Seq: 0}}, 100); err != nil || len(pages[1].Events) != 1 {
		t.Errorf("after an event beside: %v, %+v", err, pages)
	}
}

// Whatever is appended and asked for, by whomever, it answers as the log does.
func TestARecentAnswersAsItsLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := memory()
		now := time.Unix(1000, 0)
		recent := channels.NewRecent(log, rapid.SampledFrom([]int{1, 5_000, 1 << 20}).Draw(t, "bytes"), func() time.Time { return now })
		names := []channels.Channel{"a", "b", "c"}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				appendMany(t, log, rapid.SampledFrom(names).Draw(t, "channel"), rapid.IntRange(1, 12).Draw(t, "events"))
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "seconds")) * time.Second)
			case 4:
				keep := channels.Retention{Count: rapid.IntRange(1, 5).Draw(t, "kept")}
				if _, err := recent.Trim(context.Background(), func(channels.Channel) channels.Retention { return keep }, now); err != nil {
					t.Fatal(err)
				}
			case 5:
				if err := log.Jump(context.Background()); err != nil {
					t.Fatal(err)
				}
			default:
				var after channels.Cursor
				for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID).Draw(t, "asked") {
					heads, err := log.Heads(context.Background(), []channels.Channel{name})
					if err != nil {
						t.Fatal(err)
					}
					head, _ := heads.Find(name)
					after = append(after, channels.Position{Channel: name, Seq: max(0, head+1-channels.Seq(rapid.IntRange(0, 20).Draw(t, "back")))})
				}
				limit := rapid.IntRange(1, 20).Draw(t, "limit")
				got, err := recent.Read(context.Background(), after, limit)
				if err != nil {
					t.Fatal(err)
				}
				want, err := log.Read(context.Background(), after, limit)
				if err != nil {
					t.Fatal(err)
				}
				if !samePages(got, want) {
					t.Fatalf("after %s, at most %d:\n%+v\nwant\n%+v", after, limit, got, want)
				}
			}
		}
	})
}

func samePages(a, b []channels.Page) bool {
	for _, pages := range [][]channels.Page{a, b} {
		for i := range pages {
			if len(pages[i].Events) == 0 {
				pages[i].Events = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

func BenchmarkRecent(b *testing.B) {
	log := memory()
	appendMany(b, log, "a", 100)
	recent := channels.NewRecent(log, 1<<20, time.Now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		after := channels.Cursor{{Channel: "a", Seq: channels.Seq(i % 50)}}
		if pages, err := recent.Read(b.Context(), after, 100); err != nil || len(pages[0].Events) == 0 {
			b.Fatal(fmt.Sprint(pages, err))
		}
	}
}
