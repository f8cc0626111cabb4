package store_test

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// eachKind runs scene on the URL of an empty database of each kind.
func eachKind(t *testing.T, scene func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { scene(t, "sqlite:"+filepath.Join(t.TempDir(), "log.db")) })
	t.Run("postgres", func(t *testing.T) { scene(t, server.Database(t)) })
}

// open opens the database until the test ends.
func open(t *testing.T, url string, options store.Options) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAWriterThatIsKilledLosesNothingThatItConfirmedAndLeavesNothingHalf(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		confirmed := channels.Seq(0)
		for range 4 {
			writers := []*child{startChild(t, "append", url), startChild(t, "append", url)}
			for range 10 + rand.IntN(30) {
				confirmed = max(confirmed, lastConfirmed(t, writers[0]))
			}
			for _, w := range writers {
				_ = w.cmd.Process.Kill()
			}
			for _, w := range writers {
				// What it printed before it was killed counts.
				for w.lines.Scan() {
					confirmed = max(confirmed, parseSeq(t, w.lines.Text()))
				}
				w.kill()
			}
			wantWhole(t, url, confirmed)
		}
	})
}

func lastConfirmed(t *testing.T, w *child) channels.Seq {
	t.Helper()
	return parseSeq(t, w.line())
}

func parseSeq(t *testing.T, line string) channels.Seq {
	t.Helper()
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		t.Fatalf("a writer ended or printed %q", line)
	}
	return channels.Seq(n)
}

// wantWhole demands that the log holds whole batches, all that was confirmed, and did not jump.
func wantWhole(t *testing.T, url string, confirmed channels.Seq) {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var pages []channels.Page
	// A server may still be committing what a writer sent before it was killed.
	eventually(t, func() bool {
		pages, err = s.Read(t.Context(), channels.Cursor{{Channel: "a"}, {Channel: "b"}}, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		return head(t, s, "a") == channels.Seq(len(pages[0].Events))
	})
	for _, page := range pages {
		n := channels.Seq(len(page.Events))
		if n < confirmed || n%batchOfChild != 0 || page.Lost || head(t, s, page.Channel) != n {
			t.Errorf("%s has %d events up to %d, lost %t; confirmed were %d, in batches of %d", page.Channel, n,
				head(t, s, page.Channel), page.Lost, confirmed, batchOfChild)
		}
		for i, e := range page.Events {
			if e.Seq("a") != channels.Seq(i+1) || e.Seq("b") != channels.Seq(i+1) {
				t.Fatalf("%s: event %d stands at %s", page.Channel, i+1, e.Cursor())
			}
		}
	}
}
