package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// smallDisk returns a directory with little room. Where the system lets nobody make one, it is
// any directory, and a quota of SQLite's own does the same.
func smallDisk(t *testing.T) (dir string, real bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("no small disk (%v), so the file has a quota", err)
		return dir, false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

func TestAFullDiskStoresNothingHalfAndTheStoreGoesOnWhenThereIsRoom(t *testing.T) {
	dir, real := smallDisk(t)
	path := filepath.Join(dir, "log.db")
	// What takes the room that is later given back.
	ballast := filepath.Join(dir, "ballast")
	write(t, ballast, string(make([]byte, 700<<10)))
	options := store.Options{}
	s, err := store.OpenSQLite(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if !real {
		store.LimitPages(t, s, 150)
	}
	big := batch(3, "a", "b")
	for i := range big.Drafts {
		big.Drafts[i].Data = bytes.Repeat([]byte("1"), 10<<10)
	}
	confirmed := channels.Seq(0)
	for range 1000 {
		events, err := s.Append(t.Context(), big)
		if err != nil {
			if !errors.Is(err, store.ErrFull) || events != nil {
				t.Fatalf("want ErrFull, got %v and %d events", err, len(events))
			}
			break
		}
		confirmed = events[2].Seq("a")
	}
	if confirmed == 0 || confirmed > 2000 {
		t.Fatalf("%d events fitted", confirmed)
	}
	for range 3 {
		if _, err := s.Append(t.Context(), big); !errors.Is(err, store.ErrFull) {
			t.Fatalf("want ErrFull again, got %v", err)
		}
	}
	for _, name := range []channels.Channel{"a", "b"} {
		if page := read(t, s, name, 0); len(page.Events) != int(confirmed) || page.More {
			t.Errorf("%s has %d events, want the %d that were confirmed", name, len(page.Events), confirmed)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if !real {
		store.LimitPages(t, s, 1_000_000)
	}
	events, err := s.Append(t.Context(), big)
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if seq := events[0].Seq("a"); seq != confirmed+1 {
		t.Errorf("the next number is %d, want %d", seq, confirmed+1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := head(t, openFile(t, path, options), "a"); got != confirmed+3 {
		t.Errorf("opened again the head is %d, want %d", got, confirmed+3)
	}
}
