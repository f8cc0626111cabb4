package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// countPositions tells how many positions of all channels are settled, and how many are not.
func countPositions(t *testing.T, path string) (settled, recent int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const query = "SELECT (SELECT count(*) FROM positions_settled), (SELECT count(*) FROM positions_recent)"
	if err := db.QueryRowContext(t.Context(), query).Scan(&settled, &recent); err != nil {
		t.Fatal(err)
	}
	return settled, recent
}

// wantSeqs demands that the channel has the events first to last, whichever way it is read.
func wantSeqs(t *testing.T, log *store.SQLite, channel channels.Channel, first, last channels.Seq) {
	t.Helper()
	n := int(last - first + 1)
	page := read(t, log, channel, first-1)
	latest, err := log.Latest(t.Context(), channel, n+1)
	if err != nil {
		t.Fatal(err)
	}
	browsed, err := log.Browse(t.Context(), channels.EventQuery{Channel: channel, Limit: n + 1})
	if err != nil {
		t.Fatal(err)
	}
	if page.Lost || len(page.Events) != n || len(latest.Events) != n || len(browsed.Events) != n {
		t.Fatalf("%s has %d events from %d on (lost: %t), %d latest and %d to browse; want %d",
			channel, len(page.Events), first, page.Lost, len(latest.Events), len(browsed.Events), n)
	}
	for i := range n {
		want := first + channels.Seq(i)
		if a, b, c := page.Events[i].Seq(channel), latest.Events[i].Seq(channel), browsed.Events[n-1-i].Seq(channel); a != want || b != want || c != want {
			t.Fatalf("event %d of %s is %d, %d and %d", want, channel, a, b, c)
		}
	}
	middle := page.Events[n/2].Time
	i := slices.IndexFunc(page.Events, func(e channels.Event) bool { return e.Time.Equal(middle) })
	if at, err := log.SeqAt(t.Context(), channel, middle); err != nil || at != first+channels.Seq(i)-1 {
		t.Fatalf("%s was at %d when %d came (%v)", channel, at, first+channels.Seq(i), err)
	}
}

func TestPositionsAreReadAlikeWhereverTheyStand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	log := openFile(t, path, store.Options{Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
	heads := make(map[channels.Channel]channels.Seq)
	add := func(n int, names ...channels.Channel) {
		appendTo(t, log, n, names...)
		for _, name := range names {
			heads[name] += channels.Seq(n)
		}
	}
	for range 2*store.MoveEvery + 5 {
		add(1, "slow", "busy")
		add(7, "busy")
		for name, last := range heads {
			wantSeqs(t, log, name, 1, last)
		}
	}
	add(1, "once")
	total := int(heads["slow"] + heads["busy"] + heads["once"])
	settled, recent := countPositions(t, path)
	if settled+recent != total || recent == 0 || recent >= len(heads)*store.MoveEvery {
		t.Fatalf("of %d positions %d are settled and %d are not", total, settled, recent)
	}
	for _, kept := range []int{2*store.MoveEvery + 1, store.MoveEvery, 3, 1} {
		keep := func(channels.Channel) channels.Retention { return channels.Retention{Count: kept} }
		for n := 1; n > 0; {
			var err error
			if n, err = log.Trim(t.Context(), keep, now); err != nil {
				t.Fatal(err)
			}
		}
		wantSeqs(t, log, "slow", heads["slow"]-channels.Seq(kept)+1, heads["slow"])
		wantSeqs(t, log, "busy", heads["busy"]-channels.Seq(kept)+1, heads["busy"])
		wantSeqs(t, log, "once", 1, 1)
		settled, recent := countPositions(t, path)
		if least, most := 2*kept+1, 2*(kept+store.MoveEvery)+1; settled+recent < least || settled+recent >= most {
			t.Fatalf("%d and %d positions are left of 3 channels with %d events at most", settled, recent, kept)
		}
	}
}

func TestReadingAChannelLooksAtItsPositionsAlone(t *testing.T) {
	plans := store.Plans(t, openFile(t, filepath.Join(t.TempDir(), "log.db"), store.Options{}))
	if len(plans) < 8 {
		t.Fatalf("%d statements read positions", len(plans))
	}
	for name, plan := range plans {
		for _, costly := range []string{"SCAN positions_", "AUTOMATIC", "TEMP B-TREE FOR ORDER BY"} {
			if strings.Contains(plan, costly) {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
	}
}

func TestAnOldFilesPositionsAreReadAndContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	var rows strings.Builder
	rows.WriteString(`UPDATE log SET event = 40; INSERT INTO channels (id, name, head, floor, oldest) VALUES (1, 'a', 40, 2, 3), (2, 'empty', 7, 7, NULL);`)
	for seq := 3; seq <= 40; seq++ {
		fmt.Fprintf(&rows, `INSERT INTO events VALUES (%[1]d, 'a:%[1]d', 't', x'37', 0, NULL, 'channel', '', '', '', '', '', %[1]d, %[1]d);
			INSERT INTO positions VALUES (1, %[1]d, %[1]d, %[1]d);`, seq)
	}
	oldFile(t, path, rows.String())
	// Without its mark the log jumps; the old events stay where they are.
	log := openFile(t, path, store.Options{})
	wantSeqs(t, log, "a", 3, 40)
	e := appendTo(t, log, 1, "a", "empty")[0]
	for _, after := range []channels.Seq{40, e.Seq("a") - 1} {
		if page := read(t, log, "a", after); page.Lost || len(page.Events) != 1 || page.Events[0].ID != e.ID {
			t.Errorf("behind %d is %+v", after, page)
		}
	}
}
