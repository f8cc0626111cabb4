package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "griphub")
	if err != nil {
		slog.Error("make a directory", "error", err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := newsroom(context.Background(), "sqlite:"+filepath.Join(dir, "log.db")); err != nil {
		slog.Error("run the newsroom", "error", err)
	}
	// Output:
	// "rain" is news:1
	// "sun" is news:2,local:1
	// after news:1 comes "sun"
	// after a restored backup the next event is far ahead: true
}

// newsroom works with any database: "postgres://…" does as well.
func newsroom(ctx context.Context, databaseURL string) error {
	db, err := store.Open(ctx, databaseURL, store.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()

	events, err := db.Append(ctx, channels.Batch{Drafts: []channels.Draft{
		{Channels: []channels.Channel{"news"}, Type: "message", Data: []byte(`"rain"`)},
		{Channels: []channels.Channel{"news", "local"}, Type: "message", Data: []byte(`"sun"`)},
	}})
	if err != nil {
		return err
	}
	for _, e := range events {
		fmt.Printf("%s is %s\n", e.Data, e.Cursor())
	}

	pages, err := db.Read(ctx, channels.Cursor{{Channel: "news", Seq: 1}}, 100)
	if err != nil {
		return err
	}
	fmt.Printf("after news:1 comes %s\n", pages[0].Events[0].Data)

	// A virtual machine's snapshot was restored: viewers may have seen events that this log does not have.
	if err := db.Jump(ctx); err != nil {
		return err
	}
	events, err = db.Append(ctx, channels.Batch{Drafts: []channels.Draft{
		{Channels: []channels.Channel{"news"}, Type: "message", Data: []byte(`"snow"`)},
	}})
	if err != nil {
		return err
	}
	fmt.Println("after a restored backup the next event is far ahead:", events[0].Seq("news") > 1_000_000)
	return nil
}
