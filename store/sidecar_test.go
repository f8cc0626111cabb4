package store

import (
	"os"
	"path/filepath"
	"testing"
)

// newSidecar is that of a database file without content.
func newSidecar(t testing.TB) *sidecar {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := openSidecar(path, false)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestAMarkIsReadAsItWasWritten(t *testing.T) {
	c := newSidecar(t)
	for _, event := range []int64{0, 7, 123456789012, 5, latestBase - 1} {
		if err := c.write(event); err != nil {
			t.Fatal(err)
		}
		if r, ok := c.read(); !ok || r.event != event || r.file != c.file || r.boot != "" {
			t.Errorf("event %d: got %+v, %t", event, r, ok)
		}
	}
	info, err := os.Stat(c.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mark has the mode %v, want the database's", info.Mode())
	}
}

// FuzzMark writes anything into the mark: it must never prove what it does not say.
func FuzzMark(f *testing.F) {
	c := newSidecar(f)
	if err := c.write(41); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(c.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte(""))
	f.Add([]byte("griphub-mark-1 inode=1 born=1 event=99999999999999999999 boot=\"\""))
	f.Add([]byte("griphub-mark-1 inode=1 born=-1 event=-1 boot=\"\\xff\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(c.path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, ok := c.read()
		for _, event := range []int64{1, 40, 41, 42} {
			if c.judge(event) == proven && (!ok || r.file != c.file || r.event > event) {
				t.Errorf("%q proves a log at %d", content, event)
			}
		}
		if ok && (r.event < 0 || r.event >= latestBase) {
			t.Errorf("%q is at %d", content, r.event)
		}
	})
}
