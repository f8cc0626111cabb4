// Package logtest is the one suite that every channels.Log with a device registry passes, and an
// in-memory log that does.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A Log is what the suite tests: the event log, and the registry and marks whose changes it commits.
type Log interface {
	channels.Log
	channels.Records
	channels.Overview
	devices.Registry
	devices.Editor
	devices.Silence
	devices.Moments
	devices.Marks
}

// A Harness is an empty log and what the suite does to it.
type Harness struct {
	// Log is the log, without any events, devices or jumps.
	Log Log
	// Another opens a further handle on the same log, as another process would.
	Another func() Log
	// Jump makes the log jump, as it does where it may have been restored.
	Jump func(ctx context.Context) error
	// DeleteEvents deletes all events behind the log's back, as with a database's shell.
	DeleteEvents func()

	// KeyRetention is how long the log remembers idempotency keys, at least an hour.
	KeyRetention time.Duration
	// Refusals is what the log keeps of refused messages, and of what subscribers did not take: an age of at least an
	// hour, a count of 10 to 100.
	Refusals channels.Retention
}

// Run plays all scenes, one after the other, each with a log that open makes. Some take many logs: open may end
// the one that it made before.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, scenes := range [][]scene{
		numberScenes(), orderScenes(), batchScenes(), keyScenes(), readScenes(), jumpScenes(), timeScenes(),
		trimScenes(), textScenes(), registryScenes(), listScenes(), editScenes(), momentScenes(), markScenes(), replayScenes(), recordScenes(),
		browseScenes(), overviewScenes(),
	} {
		for _, s := range scenes {
			t.Run(s.promise, func(t *testing.T) {
				h := open(t)
				s.play(&stage{T: t, Harness: h})
			})
		}
	}
	t.Run("it does what the model does", func(t *testing.T) { checkModel(t, open) })
}

// A scene shows one promise.
type scene struct {
	promise string
	play    func(*stage)
}

// A stage is where a scene plays: the log, and calls that must not fail.
type stage struct {
	*testing.T
	Harness
}

// patience bounds what takes as long as it takes.
const patience = time.Minute

// on is a draft for the channels, with data that no other draft has.
func on(names ...channels.Channel) channels.Draft {
	return channels.Draft{Channels: names, Type: "data", Data: fmt.Appendf(nil, `{"now":%d}`, time.Now().UnixNano())}
}

// onEach is n drafts for the channels.
func onEach(n int, names ...channels.Channel) []channels.Draft {
	drafts := make([]channels.Draft, n)
	for i := range drafts {
		drafts[i] = on(names...)
	}
	return drafts
}

func (s *stage) append(drafts ...channels.Draft) []channels.Event {
	s.Helper()
	return s.appendTo(s.Log, channels.Batch{Drafts: drafts})
}

func (s *stage) appendTo(log Log, batch channels.Batch) []channels.Event {
	s.Helper()
	events, err := log.Append(s.Context(), batch)
	if err != nil {
		s.Fatalf("append %d drafts: %v", len(batch.Drafts), err)
	}
	if len(events) != len(batch.Drafts) {
		s.Fatalf("%d drafts became %d events", len(batch.Drafts), len(events))
	}
	return events
}

// read returns the page after one position.
func (s *stage) read(channel channels.Channel, after channels.Seq, limit int) channels.Page {
	s.Helper()
	return s.readAll(channels.Cursor{{Channel: channel, Seq: after}}, limit)[0]
}

func (s *stage) readAll(after channels.Cursor, limit int) []channels.Page {
	s.Helper()
	pages, err := s.Log.Read(s.Context(), after, limit)
	if err != nil {
		s.Fatalf("read after %s: %v", after, err)
	}
	if len(pages) != len(after) {
		s.Fatalf("%d positions were answered by %d pages", len(after), len(pages))
	}
	for i := range pages {
		if pages[i].Channel != after[i].Channel {
			s.Fatalf("page %d is of %q, want %q", i, pages[i].Channel, after[i].Channel)
		}
	}
	return pages
}

func (s *stage) head(channel channels.Channel) channels.Seq {
	s.Helper()
	heads, err := s.Log.Heads(s.Context(), []channels.Channel{channel})
	if err != nil {
		s.Fatalf("heads: %v", err)
	}
	if len(heads) != 1 || heads[0].Channel != channel {
		s.Fatalf("the head of %q is %v", channel, heads)
	}
	return heads[0].Seq
}

// wantLost demands that the position is no place.
func (s *stage) wantLost(channel channels.Channel, after channels.Seq) {
	s.Helper()
	page := s.read(channel, after, 10)
	if !page.Lost || len(page.Events) > 0 || page.More {
		s.Errorf("%s:%d: want Lost, got %s", channel, after, show(page))
	}
	if head := s.head(channel); page.Next != head {
		s.Errorf("%s:%d: Next is %d, want the head %d", channel, after, page.Next, head)
	}
}

// wantSeqs demands that after a position come exactly events of these numbers, and no others.
func (s *stage) wantSeqs(channel channels.Channel, after channels.Seq, want ...channels.Seq) channels.Page {
	s.Helper()
	page := s.read(channel, after, len(want)+10)
	next := after
	if len(want) > 0 {
		next = want[len(want)-1]
	}
	if page.Lost || page.More || page.Next != next || fmt.Sprint(seqs(page)) != fmt.Sprint(want) {
		s.Errorf("%s:%d: want events %v and next %d, got %s", channel, after, want, next, show(page))
	}
	return page
}

// trim calls Trim until nothing is left to trim, and returns how many entries went.
func (s *stage) trim(keep channels.Retention, now time.Time) int {
	s.Helper()
	return s.trimBy(func(channels.Channel) channels.Retention { return keep }, now)
}

func (s *stage) trimBy(keep func(channels.Channel) channels.Retention, now time.Time) int {
	s.Helper()
	all := 0
	for range 10_000 {
		n, err := s.Log.Trim(s.Context(), keep, now)
		if err != nil {
			s.Fatalf("trim: %v", err)
		}
		if n == 0 {
			return all
		}
		all += n
	}
	s.Fatal("Trim never comes to an end")
	return 0
}

// everything is a retention that trims all that was stored before the moment given to Trim as now, later by the age.
var everything = channels.Retention{Age: time.Minute}

// trimAll trims what is stored now from every channel.
func (s *stage) trimAll() {
	s.Helper()
	s.trim(everything, instant().Add(everything.Age))
}

func (s *stage) wantNotFound(id channels.EventID) {
	s.Helper()
	if _, err := s.Log.Event(s.Context(), id); !errors.Is(err, channels.ErrNotFound) {
		s.Errorf("event %d: want ErrNotFound, got %v", id, err)
	}
}

// instant returns a moment that is later than all that was done before, and earlier than all that is done after,
// in the precision of logs.
func instant() time.Time {
	begin := time.Now()
	for time.Since(begin) < 2*time.Microsecond {
	}
	at := time.Now().Truncate(time.Microsecond)
	for time.Since(at) < 2*time.Microsecond {
	}
	return at
}

func seqs(page channels.Page) []channels.Seq {
	all := make([]channels.Seq, len(page.Events))
	for i := range page.Events {
		all[i] = page.Events[i].Seq(page.Channel)
	}
	return all
}

func show(p channels.Page) string {
	return fmt.Sprintf("{events %v next %d more %t lost %t}", seqs(p), p.Next, p.More, p.Lost)
}

// upTo is 1, 2, … n.
func upTo(n int) []channels.Seq { return between(1, channels.Seq(n)) }

func between(first, last channels.Seq) []channels.Seq {
	var all []channels.Seq
	for seq := first; seq <= last; seq++ {
		all = append(all, seq)
	}
	return all
}
