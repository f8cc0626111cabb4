package pushpin_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// A testLog is a log to which events are appended before they are sent.
type testLog struct {
	*logtest.Memory
	fails, reads atomic.Int32 // reads that fail from now on, and those that were made
}

func newTestLog() *testLog {
	return &testLog{Memory: logtest.NewMemory(time.Now, 0, channels.Retention{})}
}

func (l *testLog) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	l.reads.Add(1)
	if l.fails.Add(-1) >= 0 {
		return nil, errors.New("the log does not answer")
	}
	return l.Memory.Read(ctx, after, limit)
}

// run appends events to one channel, up to the number to.
func (l *testLog) run(t fataler, channel string, from, to int) []channels.Event {
	t.Helper()
	var b channels.Batch
	for i := from; i <= to; i++ {
		b.Drafts = append(b.Drafts, channels.Draft{
			Channels: []channels.Channel{channels.Channel(channel)}, Type: "message", Scope: channels.ScopeChannel,
			Data: fmt.Appendf(nil, "%s %d", channel, i), Raw: true,
		})
	}
	events, err := l.Append(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// placeOf is the place of what render has made.
func placeOf(i *grip.Item) (channels.Position, bool) {
	seq, err := channels.ParseSeq(i.ID)
	return channels.Position{Channel: channels.Channel(i.Channel), Seq: seq}, err == nil
}

func TestWhatDoesNotFitTheQueueIsReadFromTheLogInOrder(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	events := newTestLog()
	var log logbook
	c := restingClient(pushpin.Options{QueueBytes: 100_000, Log: events, Place: placeOf, Logger: log.logger()}, port.proxy())
	const many, last = 2000, 2100
	for i := 1; i <= many; i++ {
		c.Send(events.run(t, "crowded", i, i))
		if i%10 == 0 {
			c.Send(events.run(t, "calm", i/10, i/10))
		}
	}
	if s := c.Status()[0]; s.Behind != 2 || s.Dropped != 0 || s.QueuedBytes > 100_000 {
		t.Errorf("status %+v", s)
	}
	events.fails.Store(3)
	defer runClient(t, c)()
	for i := many + 1; i <= last; i++ {
		c.Send(events.run(t, "crowded", i, i))
	}
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	for channel, n := range map[string]int{"crowded": last, "calm": many / 10} {
		ids := slices.DeleteFunc(port.ids(), func(id string) bool { return !strings.HasPrefix(id, channel+":") })
		if !slices.Equal(ids, idsOf(channel, 1, n)) {
			t.Errorf("%d items of %s, want 1 to %d in order: %v", len(ids), channel, n, ids)
		}
	}
	if s := c.Status()[0]; s.Behind != 0 || s.Dropped != 0 || s.QueuedItems != 0 {
		t.Errorf("status %+v", s)
	}
	if log.count("read from the log later") != 1 || log.count("left to the log is queued") == 0 || log.count("does not answer") != 1 {
		t.Errorf("logged:\n%s", &log)
	}
	// It goes on from memory.
	reads := events.reads.Load()
	c.Send(events.run(t, "crowded", last+1, last+5))
	if err := flush(t, c); err != nil || events.reads.Load() != reads {
		t.Errorf("%v, read %d times more", err, events.reads.Load()-reads)
	}
	if ids := port.ids(); ids[len(ids)-1] != "crowded:"+strconv.Itoa(last+5) {
		t.Errorf("the last item is %s", ids[len(ids)-1])
	}
}

// The rest of the queue is for what no log has.
func TestWhatNoLogHasFindsRoomInAFullQueue(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	events := newTestLog()
	c := restingClient(pushpin.Options{QueueBytes: 100_000, Log: events, Place: placeOf}, port.proxy())
	for i := 1; i <= 500; i++ {
		c.Send(events.run(t, "a", i, i))
	}
	c.SendItems([]grip.Item{line("", "", "gauge"), hint("kicks", "", "")})
	if s := c.Status()[0]; s.Behind != 1 || s.Dropped != 0 {
		t.Errorf("status %+v", s)
	}
	defer runClient(t, c)()
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	if ids := port.ids(); len(ids) != 502 || !slices.Contains(ids, "c:") || !slices.Contains(ids, "kicks:hint") {
		t.Errorf("%d items: %v", len(ids), ids)
	}
}

// Viewers that come when the proxy is back find what was left to the log there, and those that have never gone are told to ask.
func TestWhereNobodyListensNothingIsReadFromTheLog(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	events := newTestLog()
	c := restingClient(pushpin.Options{QueueBytes: 10_000, Log: events, Place: placeOf}, parseProxy(t, "http://"+address))
	for i := 1; i <= 100; i++ {
		c.Send(events.run(t, "a", i, i))
	}
	defer runClient(t, c)()
	var failed *pushpin.FlushError
	if err := flush(t, c); !errors.As(err, &failed) {
		t.Errorf("Flush: %v, want a failure", err)
	}
	if s := c.Status()[0]; s.Behind != 0 {
		t.Errorf("status %+v", s)
	}
	port := listenAt(t, address)
	wantIDs(t, port, "a:hint")
	c.Send(events.run(t, "a", 101, 101))
	wantIDs(t, port, "a:hint", "a:101")
}

// Whatever is read when, a proxy is given each event of a channel once, in order.
func TestEachEventIsGivenOnceWhateverIsLeftToTheLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		port := newControlPort(t, nil)
		events := newTestLog()
		c, stop := newClient(t, pushpin.Options{
			QueueBytes: rapid.IntRange(8000, 30_000).Draw(rt, "queue"), Log: events, Place: placeOf,
			DrainTimeout: patience,
		}, port.proxy())
		sent := make(map[string]int)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			channel := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "channel")
			n := rapid.IntRange(1, 30).Draw(rt, "events")
			batch := events.run(t, channel, sent[channel]+1, sent[channel]+n)
			sent[channel] += n
			if rapid.Bool().Draw(rt, "late") {
				time.Sleep(time.Millisecond) // it is in the log before it is given
			}
			c.Send(batch)
		}
		stop()
		got := port.ids()
		for _, channel := range slices.Sorted(maps.Keys(sent)) {
			ids := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !strings.HasPrefix(id, channel+":") })
			if !slices.Equal(ids, idsOf(channel, 1, sent[channel])) {
				rt.Fatalf("of %d events of %s the proxy was given %v", sent[channel], channel, odd(ids))
			}
		}
	})
}

// odd returns the items that do not follow the one before.
func odd(ids []string) (list []string) {
	for i, id := range ids {
		if _, n, _ := strings.Cut(id, ":"); n != strconv.Itoa(i+1) {
			return ids[max(0, i-2):]
		}
	}
	return append(list, "no more than", strconv.Itoa(len(ids)))
}

// holdFrom answers the streams of channel c as a backend does that has the log: with what is missing up to where the proxy has been
// given events, or all. Who comes is told where it stands.
func holdFrom(t *testing.T, log *testLog, client *atomic.Pointer[pushpin.Client]) func(w http.ResponseWriter, a ask) {
	return func(w http.ResponseWriter, a ask) {
		end, behind := client.Load().Horizon("c")
		if !behind {
			heads, err := log.Heads(t.Context(), []channels.Channel{"c"})
			if err != nil {
				return
			}
			end = heads[0].Seq
		}
		stands := end
		if _, id, ok := strings.Cut(a.last, "last-id="); ok {
			stands, _ = channels.ParseSeq(id)
		}
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id="+max(stands, end).String(), "Grip-Link", "</next>; rel=next")
		if a.path != "/next" {
			fmt.Fprintf(w, "open\nat %d\n", stands)
		}
		for i := stands + 1; i <= end; i++ {
			fmt.Fprintf(w, "c %d\n", i)
		}
	}
}

// A crowd that cannot be shown everything in time is shown everything later, and so is who comes meanwhile: no stream is closed, and
// nobody has to ask again and again.
func TestACrowdIsShownEverythingAfterAnOverload(t *testing.T) {
	t.Parallel()
	events := newTestLog()
	var client atomic.Pointer[pushpin.Client]
	client.Store(pushpin.NewClient(nil, pushpin.Options{}))
	o := startOrigin(t, holdFrom(t, events, &client))
	const viewers, total = 20, 3000
	crowd := make([]*viewer, viewers)
	for i := range crowd {
		crowd[i] = view(t, o.URL()+"/c")
		crowd[i].want("at 0")
	}
	o.wantAsk("/next", 1) // of the first subscriber
	before := len(o.asksFor("/next"))
	c := startClient(t, pushpin.Options{
		Merge: merge, Log: events, Place: placeOf, QueueBytes: 300_000, WritesPerSecond: viewers * 20,
		Viewers: func(string) pushpin.Viewers { return pushpin.Viewers{Streams: viewers, Sure: true} },
	}, parseProxy(t, o.GripURL()))
	client.Store(c)
	for i := 1; i <= total; i += 20 {
		c.Send(events.run(t, "c", i, i+19))
	}
	if s := c.Status()[0]; s.Behind != 1 || s.QueuedBytes > 300_000 {
		t.Errorf("it is no overload: %+v", s)
	}
	late := view(t, o.URL()+"/c")
	at, ok := late.read()
	joined, err := strconv.Atoi(strings.TrimPrefix(at, "at "))
	if !ok || err != nil || joined >= total {
		t.Errorf("who comes meanwhile begins %q", at)
	}
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	for i, v := range slices.Concat(crowd, []*viewer{late}) {
		first := 1
		if v == late {
			first = joined + 1
		}
		for n := first; n <= total; n++ {
			if got, ok := v.read(); !ok || got != fmt.Sprint("c ", n) {
				t.Fatalf("viewer %d gets %q, %v; want event %d", i, got, ok, n)
			}
		}
	}
	if n := len(o.asksFor("/next")) - before; n > 3 {
		t.Errorf("viewers had to ask %d times", n)
	}
}
