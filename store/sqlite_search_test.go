package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// A moment is looked up in a channel step by step, and never by reading the channel: with this many events that took minutes.
func TestMomentsAreFoundInALargeChannel(t *testing.T) {
	log, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "griphub.db"), store.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const batches, size = 60, 1000
	began := time.Now()
	for range batches {
		drafts := make([]channels.Draft, size)
		for i := range drafts {
			drafts[i] = channels.Draft{Channels: []channels.Channel{"large"}, Type: "data", Data: []byte("1"), Time: time.Now()}
		}
		if _, err := log.Append(t.Context(), channels.Batch{Drafts: drafts}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 100 {
		if seq, err := log.SeqAt(ctx, "large", time.Now()); err != nil || seq != batches*size {
			t.Fatal(seq, err)
		}
		if page, err := log.Browse(ctx, channels.EventQuery{Channel: "large", From: began, Limit: 1}); err != nil || len(page.Events) != 1 {
			t.Fatal(len(page.Events), err)
		}
	}
	list, err := log.Channels(ctx, channels.ChannelQuery{Since: began, Limit: 10})
	if err != nil || len(list) != 1 || list[0].Recent != channels.MaxRecent {
		t.Fatal(list, err)
	}
}
