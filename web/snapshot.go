package web

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A stream of devices may begin with a snapshot: what is known of each device, and then everything after it. The devices
// come in the order of their ids, as many at a time as a reply holds. Each reply is of one moment, of the log and of the
// registry: first it has what has happened since the reply before to the devices that were told already, and then the
// next devices as they are by then. So the viewer gets each device's state and all that follows it, in order and once, and
// never an older value after a newer one, whatever is written meanwhile.
//
// Where a snapshot stands is part of its cursor: a position in the channel that snapshotPrefix and the id of the last
// device name, which no event has. A viewer that is cut off in the middle comes back with it and is told the rest.
const (
	eventSnapshot  = "snapshot"
	snapshotPrefix = "@snapshot/"
	// snapshotDevices bounds the devices that are read for one reply, and snapshotBytes the text of a reply that the
	// proxy does not have to hold back as a whole.
	snapshotDevices, snapshotBytes = 200, 256 << 10
)

// asksForSnapshot reads the query's value snapshot.
func asksForSnapshot(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("snapshot") {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: snapshot: want 1.", nil}
}

// snapshotPlace returns the id of the last device that a viewer was told; ok is false where it is not in the middle of a
// snapshot.
func snapshotPlace(cursor channels.Cursor) (after string, ok bool) {
	for _, p := range cursor {
		if after, ok := strings.CutPrefix(string(p.Channel), snapshotPrefix); ok {
			return after, true
		}
	}
	return "", false
}

// startsSnapshot tells whether a viewer of the channel who wants a snapshot gets one: who has no place, or one in the
// middle of a snapshot.
func startsSnapshot(from channels.Cursor, channel channels.Channel) bool {
	_, stands := from.Find(channel)
	_, under := snapshotPlace(from)
	return under || !stands
}

// A snapshotPart is what one reply tells, all of it of one moment.
type snapshotPart struct {
	channel channels.Channel
	of      channels.DeviceRef // ID is empty where the channel is that of a type
	user    string
	stored  bool
	// seq and after are where the viewer stands before the part.
	seq   channels.Seq
	after string
	// lost tells that seq is no place any more: the snapshot begins again.
	lost bool

	page    channels.Page
	devices []devices.Device
	// more tells that there is something behind the part.
	more bool
}

// snapshotPart reads what follows the place.
func (s *Server) snapshotPart(ctx context.Context, channel channels.Channel, from channels.Cursor, user string) (*snapshotPart, error) {
	p := &snapshotPart{channel: channel, user: user, stored: s.opts.Reader.Stored(channel)}
	var ok bool
	if p.of, ok = channels.DeviceOf(channel); !ok {
		return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: snapshot: only of devices.", nil}
	}
	after, _ := snapshotPlace(from)
	seq, stands := from.Find(channel)
	err := s.opts.Moments.At(ctx, func(m devices.Moment) error {
		p.seq, p.after, p.lost, p.devices, p.page, p.more = seq, after, false, nil, channels.Page{}, false
		return p.read(ctx, m, stands)
	})
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", channel, err)
	}
	return p, nil
}

func (p *snapshotPart) read(ctx context.Context, m devices.Moment, stands bool) error {
	if p.stored && stands {
		pages, err := m.Read(ctx, channels.Cursor{{Channel: p.channel, Seq: p.seq}}, channels.ReplayEvents)
		if err != nil {
			return err
		}
		p.page = pages[0]
		if p.page.More {
			p.more = true
			return nil
		}
		if p.page.Lost {
			p.lost, p.after, p.page.Events = true, "", nil
		}
	}
	if p.stored && (!stands || p.lost) {
		heads, err := m.Heads(ctx, []channels.Channel{p.channel})
		if err != nil {
			return err
		}
		p.seq = heads[0].Seq
	}
	return p.readDevices(ctx, m)
}

func (p *snapshotPart) readDevices(ctx context.Context, m devices.Moment) (err error) {
	if p.of.ID != "" {
		if p.after == "" {
			p.devices, err = m.Devices(ctx, []channels.DeviceRef{p.of})
		}
		return err
	}
	after := channels.DeviceRef{Type: p.of.Type, ID: p.after}
	p.devices, err = m.List(ctx, devices.Filter{Type: p.of.Type}, after, snapshotDevices+1)
	if p.more = len(p.devices) > snapshotDevices; p.more {
		p.devices = p.devices[:snapshotDevices]
	}
	return err
}

// place is the cursor of a viewer who has been told devices up to after, and events up to seq.
func (p *snapshotPart) place(seq channels.Seq, after string) channels.Cursor {
	var c channels.Cursor
	if p.stored {
		c.Set(p.channel, seq)
	}
	c.Set(channels.Channel(snapshotPrefix+after), 0)
	return c
}

// start is the cursor before the part.
func (p *snapshotPart) start() channels.Cursor { return p.place(p.seq, p.after) }

// end is the cursor behind all of the part: that of the stream, where the snapshot is complete.
func (p *snapshotPart) end() channels.Cursor {
	seq, after := p.seq, p.after
	if n := len(p.page.Events); n > 0 {
		seq = p.page.Events[n-1].Seq(p.channel)
	}
	if n := len(p.devices); n > 0 {
		after = p.devices[n-1].ID
	}
	if p.more {
		return p.place(seq, after)
	}
	if !p.stored {
		return nil
	}
	return channels.Cursor{{Channel: p.channel, Seq: seq}}
}

// A snapshotItem is an event, or a device, and the place behind it.
type snapshotItem struct {
	event  *channels.Event
	device *devices.Device
	place  channels.Cursor
}

// items are the events and then the devices.
func (p *snapshotPart) items() iter.Seq[snapshotItem] {
	return func(yield func(snapshotItem) bool) {
		seq, last := p.seq, len(p.devices)-1
		for i := range p.page.Events {
			e := &p.page.Events[i]
			seq = e.Seq(p.channel)
			if p.untold(e) || e.Skips(p.user) {
				continue
			}
			if !yield(snapshotItem{event: e, place: p.place(seq, p.after)}) {
				return
			}
		}
		for i := range p.devices {
			place := p.place(seq, p.devices[i].ID)
			if i == last {
				place = p.end()
			}
			if !yield(snapshotItem{device: &p.devices[i], place: place}) {
				return
			}
		}
	}
}

// untold tells whether what the event says is in the state of a device that is still to come.
func (p *snapshotPart) untold(e *channels.Event) bool {
	return e.Device.Type == p.of.Type && e.Device.ID > p.after && (e.Type == devices.EventData || e.Type == devices.EventStatus)
}
