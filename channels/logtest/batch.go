package logtest

import (
	"context"
	"errors"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// unheardOf is a kind of state that no log knows.
type unheardOf struct{}

func batchScenes() []scene {
	device := devices.Change{DeviceRef: ref("pump", "1"), State: devices.State{Status: devices.Online}, Register: true}
	whole := func() channels.Batch {
		keyed := on("a")
		keyed.Key = "k"
		return channels.Batch{
			Drafts:  []channels.Draft{keyed, on("b", "a")},
			Refused: []channels.Refusal{{Source: "things/1", Reason: "not JSON", Payload: []byte("?"), Time: time.Now()}},
			State:   []any{devices.Changes{device}, devices.Mark{Name: "bridge", Value: []byte("7")}},
		}
	}
	return []scene{
		{"a batch is stored whole", func(s *stage) {
			s.appendTo(s.Log, whole())
			s.wantSeqs("a", 0, 1, 2)
			s.wantSeqs("b", 0, 1)
			if refused, err := s.Log.Refusals(s.Context(), 0, 10); err != nil || len(refused) != 1 {
				s.Errorf("refusals: %v, %v", refused, err)
			}
			if known, err := s.Log.Devices(s.Context(), []channels.DeviceRef{device.DeviceRef}); err != nil || len(known) != 1 {
				s.Errorf("devices: %v, %v", known, err)
			}
			s.wantMark("bridge", []byte("7"))
		}},
		{"state of an unknown type fails the batch, of which nothing is stored", func(s *stage) {
			batch := whole()
			batch.State = append(batch.State, unheardOf{})
			if _, err := s.Log.Append(s.Context(), batch); !errors.Is(err, channels.ErrState) {
				s.Errorf("got %v, want ErrState", err)
			}
			s.wantNothing(device.DeviceRef)
			if e := s.appendTo(s.Log, whole())[0]; e.Repeated || e.Seq("a") != 1 {
				s.Errorf("the failed batch left a key or took a number: %+v", e)
			}
		}},
		{"a context that has ended stores nothing", func(s *stage) {
			ctx, cancel := context.WithCancel(s.Context())
			cancel()
			if _, err := s.Log.Append(ctx, whole()); !errors.Is(err, context.Canceled) {
				s.Errorf("want context.Canceled, got %v", err)
			}
			s.wantNothing(device.DeviceRef)
		}},
		{"every call heeds a context that has ended", func(s *stage) {
			s.append(onEach(3, "a")...)
			ctx, cancel := context.WithCancel(s.Context())
			cancel()
			_, heads := s.Log.Heads(ctx, []channels.Channel{"a"})
			_, read := s.Log.Read(ctx, channels.Cursor{{Channel: "a"}}, 1)
			_, latest := s.Log.Latest(ctx, "a", 1)
			_, at := s.Log.SeqAt(ctx, "a", time.Now())
			_, event := s.Log.Event(ctx, 1)
			_, trim := s.Log.Trim(ctx, func(channels.Channel) channels.Retention { return everything },
				time.Now().Add(time.Hour))
			_, refusals := s.Log.Refusals(ctx, 0, 1)
			_, known := s.Log.Devices(ctx, []channels.DeviceRef{device.DeviceRef})
			_, codes := s.Log.WithCodes(ctx, []string{"c"})
			edit := s.Log.Edit(ctx, []devices.Edit{{DeviceRef: device.DeviceRef, Kind: devices.EditPut}})
			_, mark := s.Log.Mark(ctx, "bridge")
			moment := s.Log.At(ctx, func(devices.Moment) error { return nil })
			_, silent := s.Log.Silent(ctx, time.Now(), channels.DeviceRef{}, 1)
			_, list := s.Log.List(ctx, devices.Filter{}, channels.DeviceRef{}, 1)
			_, activities := s.Log.Activities(ctx, 1)
			_, bookmark := s.Log.Bookmark(ctx, "crm")
			_, undelivered := s.Log.Undelivered(ctx, channels.UndeliveredQuery{Limit: 1})
			for call, err := range map[string]error{
				"Heads": heads, "Read": read, "Latest": latest, "SeqAt": at, "Event": event, "Trim": trim,
				"Refusals": refusals, "Devices": known, "List": list, "WithCodes": codes, "Silent": silent, "At": moment, "Edit": edit, "Mark": mark,
				"Activities": activities, "Bookmark": bookmark, "Undelivered": undelivered,
			} {
				if !errors.Is(err, context.Canceled) {
					s.Errorf("%s: want context.Canceled, got %v", call, err)
				}
			}
			s.wantSeqs("a", 0, 1, 2, 3)
		}},
		{"contexts that end at any moment leave the log whole", playCancelled},
		{"an empty batch is nothing", func(s *stage) {
			if events, err := s.Log.Append(s.Context(), channels.Batch{}); err != nil || len(events) > 0 {
				s.Errorf("got %v, %v", events, err)
			}
		}},
		{"what cannot become an event is kept byte for byte, newest first", playRefusals},
	}
}

// wantNothing demands that nothing of the whole batch is in the log.
func (s *stage) wantNothing(ref channels.DeviceRef) {
	s.Helper()
	for _, name := range []channels.Channel{"a", "b"} {
		if head := s.head(name); head != 0 {
			s.Errorf("%s stands at %d, want 0", name, head)
		}
		s.wantSeqs(name, 0)
	}
	if refused, err := s.Log.Refusals(s.Context(), 0, 10); err != nil || len(refused) != 0 {
		s.Errorf("refusals: %v, %v", refused, err)
	}
	if known, err := s.Log.Devices(s.Context(), []channels.DeviceRef{ref}); err != nil || len(known) != 0 {
		s.Errorf("devices: %v, %v", known, err)
	}
	s.wantMark("bridge", nil)
}

// playCancelled ends contexts while batches are appended. Each batch is there or not, and the log goes on.
func playCancelled(s *stage) {
	confirmed, failed := 0, 0
	for i := range 60 {
		ctx, cancel := context.WithTimeout(s.Context(), time.Duration(i)*40*time.Microsecond)
		_, err := s.Log.Append(ctx, channels.Batch{Drafts: onEach(20, "a", "b")})
		cancel()
		if err == nil {
			confirmed++
		} else {
			failed++
		}
	}
	head := s.head("a")
	if head%20 != 0 || head < channels.Seq(20*confirmed) || head > channels.Seq(20*(confirmed+failed)) {
		s.Errorf("%d batches of 20 were confirmed and %d failed, but the head is %d", confirmed, failed, head)
	}
	s.wantSeqs("a", 0, upTo(int(head))...)
	s.wantSeqs("b", 0, upTo(int(head))...)
	if e := s.append(on("a"))[0]; e.Seq("a") != head+1 {
		s.Errorf("the next number is %d, want %d", e.Seq("a"), head+1)
	}
}

func playRefusals(s *stage) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	payloads := [][]byte{{0, 1, 2, 0xff, 0xfe, 0}, {}, []byte("'; DROP TABLE events; --"), make([]byte, 1<<20)}
	for _, p := range payloads {
		s.appendTo(s.Log, channels.Batch{Refused: []channels.Refusal{
			{Source: "things/pump/1/data", Reason: "not JSON", Payload: p, Time: at}}})
	}
	s.appendTo(s.Log, channels.Batch{Refused: []channels.Refusal{
		{Source: "broken \xff\x00 topic", Reason: "\xc0", Payload: []byte("x"), Time: at}}})
	var all []channels.Refusal
	for before := int64(0); ; before = all[len(all)-1].ID {
		page, err := s.Log.Refusals(s.Context(), before, 2)
		if err != nil {
			s.Fatal(err)
		}
		if all = append(all, page...); len(page) < 2 {
			break
		}
	}
	if len(all) != len(payloads)+1 {
		s.Fatalf("%d refusals were kept, want %d", len(all), len(payloads)+1)
	}
	for i, p := range payloads {
		got := all[len(all)-1-i]
		if string(got.Payload) != string(p) || !got.Time.Equal(at) || got.Source != "things/pump/1/data" ||
			got.Reason != "not JSON" || got.ID == 0 {
			s.Errorf("refusal %d is not as it was: id %d, source %q, reason %q, %d bytes, %v", i, got.ID, got.Source,
				got.Reason, len(got.Payload), got.Time)
		}
	}
}
