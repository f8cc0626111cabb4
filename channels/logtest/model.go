package logtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// checkModel does anything in any order to a log and to a Memory, and demands that both answer the same.
func checkModel(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		h := open(t)
		c := &comparison{
			rt: rt, h: h,
			log:     []Log{h.Log, h.Another()},
			model:   NewMemory(time.Now, h.KeyRetention, h.Refusals),
			ids:     make(map[channels.EventID]channels.EventID),
			numbers: []channels.Seq{0},
			moments: []time.Time{instant()},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append":  c.append,
			"read":    c.read,
			"latest":  c.latest,
			"event":   c.event,
			"moment":  c.moment,
			"browse":  c.browse,
			"trim":    c.trim,
			"jump":    c.jump,
			"devices": c.devices,
			"mark":    c.mark,
			"delete":  c.delete,
			"":        c.heads,
		})
	})
}

// A comparison is a log, its model, and what to ask both about.
type comparison struct {
	rt      *rapid.T
	h       Harness
	log     []Log // handles on one log
	model   *Memory
	ids     map[channels.EventID]channels.EventID // of the log's events, by the model's
	events  []channels.EventID                    // of the model, in order
	numbers []channels.Seq                        // that were given
	moments []time.Time                           // before, between and after what was done
	last    channels.EventID                      // of the log
	deleted bool                                  // by hand
	jumped  bool
}

var modelChannels = []channels.Channel{"a", "b", "c", "iot_pump"}

func (c *comparison) any() Log { return c.log[rapid.IntRange(0, len(c.log)-1).Draw(c.rt, "handle")] }

func (c *comparison) channel() channels.Channel {
	return rapid.SampledFrom(modelChannels).Draw(c.rt, "channel")
}

// number is one that may be a position: one that was given, or one beside it.
func (c *comparison) number() channels.Seq {
	n := rapid.SampledFrom(c.numbers).Draw(c.rt, "number")
	return n + channels.Seq(rapid.IntRange(-1, 1).Draw(c.rt, "beside"))
}

func (c *comparison) must(err error) {
	if err != nil {
		c.rt.Fatal(err)
	}
}

func (c *comparison) append(rt *rapid.T) {
	c.rt = rt
	var batch channels.Batch
	for range rapid.IntRange(1, 6).Draw(rt, "drafts") {
		d := channels.Draft{
			Channels: rapid.SliceOfNDistinct(rapid.SampledFrom(modelChannels), 1, 3, rapid.ID).Draw(rt, "channels"),
			Type:     rapid.StringN(0, 5, 20).Filter(noNUL).Draw(rt, "type"),
			Data:     rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "data"),
			Raw:      true,
			Key:      rapid.SampledFrom([]string{"", "", "k", "l", "m"}).Draw(rt, "key"),
			Time:     atMinute(rapid.IntRange(0, 50).Draw(rt, "minute"), "a").Time,
		}
		batch.Drafts = append(batch.Drafts, d)
	}
	log := c.any()
	got, err := log.Append(c.rt.Context(), batch)
	c.must(err)
	want, err := c.model.Append(c.rt.Context(), batch)
	c.must(err)
	for i := range want {
		if !want[i].Repeated {
			if got[i].ID <= c.last {
				rt.Errorf("id %d was given after %d", got[i].ID, c.last)
			}
			c.last, c.ids[want[i].ID] = got[i].ID, got[i].ID
			c.events = append(c.events, want[i].ID)
			for _, p := range got[i].Positions {
				c.numbers = append(c.numbers, p.Seq)
			}
		}
		if got[i].Repeated != want[i].Repeated {
			rt.Errorf("draft %d: repeated is %t, want %t", i, got[i].Repeated, want[i].Repeated)
		}
		if want[i].Repeated && !c.stored(want[i].ID) {
			// Of an event that is gone the place is known, and no more.
			want[i].Draft = got[i].Draft
			want[i].Channels = cursorChannels(want[i].Positions)
		}
	}
	c.same(got, want)
	c.moments = append(c.moments, instant())
}

func noNUL(s string) bool { return !slices.Contains([]byte(s), 0) }

func cursorChannels(positions []channels.Position) []channels.Channel {
	var all []channels.Channel
	for _, p := range positions {
		all = append(all, p.Channel)
	}
	return all
}

func (c *comparison) stored(id channels.EventID) bool {
	_, err := c.model.Event(c.rt.Context(), id)
	return err == nil
}

// same demands that the log's events are the model's, by their own ids.
func (c *comparison) same(got, want []channels.Event) {
	if len(got) != len(want) {
		c.rt.Fatalf("got %d events, want %d", len(got), len(want))
	}
	for i := range got {
		expected := want[i]
		expected.ID = c.ids[expected.ID]
		sameEvent(c.rt, got[i], expected)
	}
}

func (c *comparison) samePage(got, want channels.Page) {
	c.same(got.Events, want.Events)
	if show(got) != show(want) || got.Channel != want.Channel {
		c.rt.Fatalf("%s: got page %s, want %s", want.Channel, show(got), show(want))
	}
}

func (c *comparison) read(rt *rapid.T) {
	c.rt = rt
	var after channels.Cursor
	for range rapid.IntRange(1, 4).Draw(rt, "positions") {
		after = append(after, channels.Position{Channel: c.channel(), Seq: c.number()})
	}
	limit := rapid.IntRange(1, 12).Draw(rt, "limit")
	got, err := c.any().Read(c.rt.Context(), after, limit)
	c.must(err)
	want, err := c.model.Read(c.rt.Context(), after, limit)
	c.must(err)
	for i := range want {
		c.samePage(got[i], want[i])
	}
}

func (c *comparison) latest(rt *rapid.T) {
	c.rt = rt
	name, limit := c.channel(), rapid.IntRange(1, 12).Draw(rt, "limit")
	got, err := c.any().Latest(c.rt.Context(), name, limit)
	c.must(err)
	want, err := c.model.Latest(c.rt.Context(), name, limit)
	c.must(err)
	c.samePage(got, want)
}

func (c *comparison) event(rt *rapid.T) {
	c.rt = rt
	if len(c.events) == 0 {
		rt.Skip("no events yet")
	}
	id := rapid.SampledFrom(c.events).Draw(rt, "event")
	want, missing := c.model.Event(c.rt.Context(), id)
	got, err := c.any().Event(c.rt.Context(), c.ids[id])
	if (err == nil) != (missing == nil) {
		rt.Fatalf("event %d: got %v, want %v", c.ids[id], err, missing)
	}
	if err == nil {
		c.same([]channels.Event{got}, []channels.Event{want})
	}
}

func (c *comparison) moment(rt *rapid.T) {
	c.rt = rt
	name, at := c.channel(), atMinute(rapid.IntRange(-1, 51).Draw(rt, "minute"), "a").Time
	got, err := c.any().SeqAt(c.rt.Context(), name, at)
	c.must(err)
	want, err := c.model.SeqAt(c.rt.Context(), name, at)
	c.must(err)
	if got != want {
		rt.Fatalf("%s at %v: got %d, want %d", name, at, got, want)
	}
}

// browse looks for events by their channel, by when the log at hand stored them, and sometimes by a scope that all have.
func (c *comparison) browse(rt *rapid.T) {
	c.rt = rt
	from, until := rapid.SampledFrom(c.moments).Draw(rt, "from"), rapid.SampledFrom(c.moments).Draw(rt, "until")
	query := channels.EventQuery{
		Channel: rapid.SampledFrom(append(modelChannels, "")).Draw(rt, "channel"), From: from, Until: until,
		Scope: rapid.SampledFrom([]channels.Scope{"", channels.ScopeGlobal}).Draw(rt, "scope"), Limit: rapid.IntRange(1, 12).Draw(rt, "limit"),
	}
	all := func(log Log) (events []channels.Event) {
		for q := query; ; {
			page, err := log.Browse(rt.Context(), q)
			c.must(err)
			for i := range page.Events {
				events = append(events, page.Events[i].Event)
			}
			if q.Before = page.Next; q.Before == 0 {
				return events
			}
		}
	}
	c.same(all(c.any()), all(c.model))
}

func (c *comparison) trim(rt *rapid.T) {
	c.rt = rt
	// A small age, so that no key expires.
	const age = time.Minute
	now := rapid.SampledFrom(c.moments).Draw(rt, "now").Add(age)
	by := make(map[channels.Channel]channels.Retention)
	for _, name := range modelChannels {
		by[name] = rapid.SampledFrom([]channels.Retention{{}, {Age: age}, {Count: 3}, {Age: age, Count: 10}, {Count: 1}}).
			Draw(rt, "retention")
	}
	totals := [2]int{}
	for i, log := range []Log{c.any(), c.model} {
		for n := 1; n > 0; totals[i] += n {
			var err error
			n, err = log.Trim(c.rt.Context(), func(name channels.Channel) channels.Retention { return by[name] }, now)
			c.must(err)
		}
	}
	if totals[0] != totals[1] {
		rt.Fatalf("%d entries went, want %d", totals[0], totals[1])
	}
}

func (c *comparison) jump(rt *rapid.T) {
	c.rt = rt
	if c.deleted {
		rt.Skip("a log need not notice what was deleted by hand before a jump")
	}
	c.jumped = true
	// A log jumps to its clock, so it must be seen where it went.
	c.must(c.h.Jump(c.rt.Context()))
	heads, err := c.any().Heads(c.rt.Context(), []channels.Channel{"a channel that nobody uses"})
	c.must(err)
	if heads[0].Seq <= slices.Max(c.numbers) {
		rt.Fatalf("the jump went to %d, below %d", heads[0].Seq, slices.Max(c.numbers))
	}
	c.must(c.model.JumpTo(c.rt.Context(), heads[0].Seq))
	c.numbers = append(c.numbers, heads[0].Seq)
}

func (c *comparison) delete(rt *rapid.T) {
	if c.jumped || rapid.IntRange(0, 9).Draw(rt, "deletes") > 0 {
		rt.Skip("not now")
	}
	c.h.DeleteEvents()
	c.deleted = true
	c.model.DeleteEvents()
}

func (c *comparison) devices(rt *rapid.T) {
	c.rt = rt
	d := known(rapid.SampledFrom([]string{"pump", "valve"}).Draw(rt, "type"), rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "id"))
	d.Firmware = rapid.StringN(0, 5, 20).Filter(noNUL).Draw(rt, "firmware")
	d.Register = rapid.Bool().Draw(rt, "register")
	edit := devices.Edit{DeviceRef: d.DeviceRef, Kind: rapid.SampledFrom([]devices.EditKind{
		devices.EditAdd, devices.EditSet, devices.EditPut, devices.EditRemove}).Draw(rt, "kind")}
	edit.Patch.Code = rapid.SampledFrom([]*string{nil, new(""), new("a"), new("b")}).Draw(rt, "code")
	edit.Patch.Owner = rapid.SampledFrom([]*string{nil, new(""), new("7")}).Draw(rt, "owner")
	if rapid.Bool().Draw(rt, "edits") {
		c.edit(edit)
	} else {
		batch := channels.Batch{State: []any{devices.Changes{d}}}
		_, err := c.any().Append(c.rt.Context(), batch)
		c.must(err)
		_, err = c.model.Append(c.rt.Context(), batch)
		c.must(err)
	}
	for _, filter := range []devices.Filter{{}, {Owner: "7"}, {Type: "pump", Text: "B"}} {
		got, err := c.any().List(c.rt.Context(), filter, channels.DeviceRef{}, 10)
		c.must(err)
		want, err := c.model.List(c.rt.Context(), filter, channels.DeviceRef{}, 10)
		c.must(err)
		if fmt.Sprintf("%+v", values(got)) != fmt.Sprintf("%+v", values(want)) {
			rt.Fatalf("got devices %+v, want %+v", got, want)
		}
	}
}

func (c *comparison) edit(edit devices.Edit) {
	got := c.any().Edit(c.rt.Context(), []devices.Edit{edit})
	want := c.model.Edit(c.rt.Context(), []devices.Edit{edit})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.rt.Fatalf("got %v, want %v", got, want)
	}
}

// values makes devices comparable by their text.
func values(all []devices.Device) []devices.Device {
	all = slices.Clone(all)
	for i := range all {
		all[i].Battery, all[i].Measures = nil, devices.Measures{}
		all[i].Created, all[i].Updated = time.Time{}, time.Time{}
	}
	return all
}

func (c *comparison) heads(rt *rapid.T) {
	c.rt = rt
	got, err := c.any().Heads(c.rt.Context(), modelChannels)
	c.must(err)
	want, err := c.model.Heads(c.rt.Context(), modelChannels)
	c.must(err)
	if got.String() != want.String() {
		rt.Fatalf("heads are %s, want %s", got, want)
	}
}
