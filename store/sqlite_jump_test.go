package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// A history is a database that loses its end: a copy is taken when it has 5 events, then it gets 5 more that
// viewers see, and then it is replaced by the copy.
type history struct {
	dir, path, backup string
}

func newHistory(t *testing.T, options store.Options) *history {
	t.Helper()
	h := &history{dir: t.TempDir(), backup: t.TempDir()}
	h.path = filepath.Join(h.dir, "log.db")
	h.grow(t, options)
	h.copy(t, h.dir, h.backup)
	h.grow(t, options)
	return h
}

// grow appends 5 events, as one run of a program does.
func (h *history) grow(t *testing.T, options store.Options) {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), h.path, options)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, 5, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// copy copies all files of a directory, as cp does: into files that are there, or into new ones.
func (h *history) copy(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, entry.Name()), string(text))
	}
}

func (h *history) remove(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(h.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// wantJumped demands that the log knows that it lost something, whether or not it has been appended to since.
func wantJumped(t *testing.T, s channels.Log, kept channels.Seq) {
	t.Helper()
	for _, appended := range []int{0, 7} {
		if appended > 0 {
			first := appendTo(t, s, appended, "a")[0]
			if first.Seq("a") < 1_000_000 || first.ID < 1_000_000 {
				t.Errorf("id %d number %d may have been given before", first.ID, first.Seq("a"))
			}
		}
		for seq := kept + 1; seq <= kept+12; seq++ {
			if page := read(t, s, "a", seq); !page.Lost {
				t.Errorf("with %d new events, a viewer at the lost number %d was given %d events", appended, seq,
					len(page.Events))
			}
		}
		for seq := channels.Seq(0); seq <= kept; seq++ {
			page := read(t, s, "a", seq)
			if page.Lost || len(page.Events) != int(kept-seq)+appended {
				t.Errorf("with %d new events, a viewer at %d was given %d events, lost %t", appended, seq,
					len(page.Events), page.Lost)
			}
		}
	}
}

func TestACopyOfTheLogKnowsThatItIsOne(t *testing.T) {
	for name, restore := range map[string]func(t *testing.T, h *history){
		"another file in its place": func(t *testing.T, h *history) {
			t.Helper()
			h.remove(t, "log.db", "log.db-wal", "log.db-shm")
			write(t, h.path, "")
			h.copy(t, h.backup, h.dir)
		},
		"another file, with the mark of then": func(t *testing.T, h *history) {
			t.Helper()
			h.remove(t, "log.db", "log.db-mark")
			h.copy(t, h.backup, h.dir)
		},
		"another file, with the mark of now": func(t *testing.T, h *history) {
			t.Helper()
			h.remove(t, "log.db")
			mark, err := os.ReadFile(h.path + "-mark")
			if err != nil {
				t.Fatal(err)
			}
			h.copy(t, h.backup, h.dir)
			write(t, h.path+"-mark", string(mark))
		},
		"the same file with the content of then": func(t *testing.T, h *history) {
			t.Helper()
			text, err := os.ReadFile(filepath.Join(h.backup, "log.db"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, h.path, string(text))
		},
		"without a mark": func(t *testing.T, h *history) {
			t.Helper()
			h.copy(t, h.backup, h.dir)
			h.remove(t, "log.db-mark")
		},
		"with a broken mark": func(t *testing.T, h *history) {
			t.Helper()
			h.copy(t, h.backup, h.dir)
			write(t, h.path+"-mark", "griphub-mark-1 inode=")
		},
		"in another directory": func(t *testing.T, h *history) {
			t.Helper()
			h.path = filepath.Join(h.backup, "log.db")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t, store.Options{})
			restore(t, h)
			s := openFile(t, h.path, store.Options{})
			wantJumped(t, s, 5)
			at := head(t, s, "a")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if again := head(t, openFile(t, h.path, store.Options{}), "a"); again != at {
				t.Errorf("opened again the log stands at %d, want %d: it jumped once and knows itself now", again, at)
			}
		})
	}
}

func TestALogThatIsComplete(t *testing.T) {
	for name, then := range map[string]func(t *testing.T, h *history){
		"is opened again": func(t *testing.T, _ *history) { t.Helper() },
		"is moved with its mark": func(t *testing.T, h *history) {
			t.Helper()
			other := filepath.Join(h.dir, "moved.db")
			for _, suffix := range []string{"", "-mark"} {
				if err := os.Rename(h.path+suffix, other+suffix); err != nil {
					t.Fatal(err)
				}
			}
			h.path = other
		},
		"was not closed": func(t *testing.T, h *history) {
			t.Helper()
			appendTo(t, openFile(t, h.path, store.Options{}), 3, "b")
		},
		"has a mark that lags": func(t *testing.T, h *history) {
			t.Helper()
			h.setMark(t, `event=\d+`, "event=2")
		},
		"was vacuumed": func(t *testing.T, h *history) { t.Helper(); execute(t, h.path, "VACUUM") },
	} {
		t.Run(name+" does not jump", func(t *testing.T) {
			h := newHistory(t, store.Options{})
			then(t, h)
			s := openFile(t, h.path, store.Options{})
			if e := appendTo(t, s, 1, "a")[0]; e.Seq("a") != 11 {
				t.Errorf("the next number is %d, want 11", e.Seq("a"))
			}
		})
	}
}

// setMark changes a part of the mark.
func (h *history) setMark(t *testing.T, pattern, to string) {
	t.Helper()
	mark, err := os.ReadFile(h.path + "-mark")
	if err != nil {
		t.Fatal(err)
	}
	changed := regexp.MustCompile(pattern).ReplaceAllString(string(mark), to)
	if changed == string(mark) {
		t.Fatalf("mark %q has no %s", mark, pattern)
	}
	write(t, h.path+"-mark", changed)
}

func TestADatabaseThatWasDeletedIsAHistoryThatWasLost(t *testing.T) {
	h := newHistory(t, store.Options{})
	h.remove(t, "log.db", "log.db-wal", "log.db-shm")
	wantJumped(t, openFile(t, h.path, store.Options{}), 0)
}

func TestANewDatabaseBeginsAtOneAlsoAfterItWasOpenedInVain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	for range 3 {
		s, err := store.OpenSQLite(t.Context(), path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if e := appendTo(t, openFile(t, path, store.Options{}), 1, "a")[0]; e.ID != 1 || e.Seq("a") != 1 {
		t.Errorf("got id %d number %d", e.ID, e.Seq("a"))
	}
}

func TestARelaxedLogJumpsWhenTheMachineWasStartedAgain(t *testing.T) {
	relaxed := store.Options{Relaxed: true}
	h := newHistory(t, relaxed)
	if s := openFile(t, h.path, relaxed); head(t, s, "a") != 10 {
		t.Errorf("in the same run the head is %d, want 10", head(t, s, "a"))
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h.setMark(t, `boot="[^"]+"`, `boot="another run"`)
	s := openFile(t, h.path, store.Options{})
	wantJumped(t, s, 10)
	at := head(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, options := range []store.Options{{}, relaxed, {}} {
		s := openFile(t, h.path, options)
		if got := head(t, s, "a"); got != at {
			t.Errorf("opened again the log stands at %d, want %d", got, at)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStrictLogDoesNotJumpWhenTheMachineWasStartedAgain(t *testing.T) {
	h := newHistory(t, store.Options{})
	mark, err := os.ReadFile(h.path + "-mark")
	if err != nil || !strings.Contains(string(mark), `boot=""`) {
		t.Errorf("the mark of a strict log names the run of the machine: %q, %v", mark, err)
	}
}

func TestAClockThatIsFarOffDoesNotBreakNumbers(t *testing.T) {
	for name, now := range map[string]time.Time{
		"far ahead": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		"far back":  time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			s := openFile(t, filepath.Join(t.TempDir(), "log.db"), store.Options{Now: func() time.Time { return now }})
			last := channels.Seq(0)
			for range 3 {
				appendTo(t, s, 5, "a")
				if err := s.Jump(t.Context()); err != nil {
					t.Fatal(err)
				}
				e := appendTo(t, s, 1, "a")[0]
				if seq := e.Seq("a"); seq < last+1_000_000 || seq > channels.MaxSeq || e.ID > channels.EventID(channels.MaxSeq) {
					t.Errorf("after a jump from %d: id %d number %d", last, e.ID, seq)
				}
				last = e.Seq("a")
			}
		})
	}
}

func TestACommandBesideARunningServerMakesNothingJump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	server := openFile(t, path, store.Options{})
	const commands, rounds = 6, 8
	group, ctx := errgroup.WithContext(t.Context())
	for range commands {
		group.Go(func() error {
			for range rounds {
				command, err := store.OpenSQLite(ctx, path, store.Options{})
				if err != nil {
					return err
				}
				_, err = command.Append(ctx, batch(2, "a"))
				if err := errors.Join(err, command.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range 4 * rounds {
			if _, err := server.Append(ctx, batch(1, "a")); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	const want = commands*rounds*2 + 4*rounds
	if got := head(t, server, "a"); got != want {
		t.Errorf("head is %d, want %d", got, want)
	}
}

func TestADatabaseThatIsReplacedUnderARunningServerIsNotWrittenTo(t *testing.T) {
	for name, then := range map[string]func(path string) error{
		"replaced": func(path string) error { return os.Rename(path+".other", path) },
		"removed":  os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			s := openFile(t, path, store.Options{})
			appendTo(t, s, 5, "a")
			write(t, path+".other", "")
			if err := then(path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Append(context.Background(), batch(1, "a")); err == nil || !strings.Contains(err.Error(), "replaced") {
				t.Errorf("append: got %v", err)
			}
		})
	}
}

func TestAJumpThatFailsIsMadeUpFor(t *testing.T) {
	h := newHistory(t, store.Options{})
	h.copy(t, h.backup, h.dir)
	h.remove(t, "log.db-mark")
	// Something keeps the jump from being written.
	execute(t, h.path, "CREATE TRIGGER refuse BEFORE INSERT ON jumps BEGIN SELECT RAISE(ABORT, 'refused'); END")
	if _, err := store.OpenSQLite(t.Context(), h.path, store.Options{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("open: got %v", err)
	}
	if _, err := os.Stat(h.path + "-mark"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log that could not jump has a mark: %v", err)
	}
	execute(t, h.path, "DROP TRIGGER refuse")
	wantJumped(t, openFile(t, h.path, store.Options{}), 5)
}
