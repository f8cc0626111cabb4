package logtest

import (
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func momentScenes() []scene {
	return []scene{
		{"a moment is read like the log and the registry", func(s *stage) {
			s.put(known("pump", "1"), known("pump", "2"), known("valve", "1"))
			s.append(onEach(3, "a", "b")...)
			err := s.Log.At(s.Context(), func(m devices.Moment) error {
				heads, err := m.Heads(s.Context(), []channels.Channel{"b", "none"})
				if err != nil || heads.String() != "b:3,none:0" {
					s.Errorf("heads %s, %v", heads, err)
				}
				if heads, err := m.Heads(s.Context(), nil); err != nil || len(heads) > 0 {
					s.Errorf("of no channel: %s, %v", heads, err)
				}
				pages, err := m.Read(s.Context(), channels.Cursor{{Channel: "a", Seq: 1}, {Channel: "b", Seq: 7}}, 1)
				if err != nil || fmt.Sprint(seqs(pages[0]), pages[0].More, pages[1].Lost) != "[2] true true" {
					s.Errorf("pages %+v, %v", pages, err)
				}
				if pages, err := m.Read(s.Context(), nil, 1); err != nil || len(pages) > 0 {
					s.Errorf("of no position: %+v, %v", pages, err)
				}
				one, err := m.Devices(s.Context(), []channels.DeviceRef{ref("pump", "2"), ref("pump", "9")})
				if err != nil || len(one) != 1 || one[0].DeviceRef != ref("pump", "2") {
					s.Errorf("devices %+v, %v", one, err)
				}
				list, err := m.List(s.Context(), devices.Filter{Type: "pump"}, ref("pump", "1"), 9)
				if err != nil || len(list) != 1 || list[0].DeviceRef != ref("pump", "2") {
					s.Errorf("list %+v, %v", list, err)
				}
				return nil
			})
			if err != nil {
				s.Error(err)
			}
			failed := errors.New("the reader has had enough")
			if err := s.Log.At(s.Context(), func(devices.Moment) error { return failed }); !errors.Is(err, failed) {
				s.Errorf("got %v", err)
			}
		}},
		{"in a moment registry and log agree, whatever is written meanwhile", playMoments},
	}
}

// playMoments writes the number of each event into its device, while moments are read.
func playMoments(s *stage) {
	const rounds = 60
	var group errgroup.Group
	writer := s.Another()
	group.Go(func() error {
		for i := range rounds {
			change := devices.Change{DeviceRef: ref("pump", "1"), State: devices.State{Status: devices.Online, Firmware: fmt.Sprint(i + 1)}, Register: true}
			if _, err := writer.Append(s.Context(), channels.Batch{Drafts: onEach(1, "a"), State: []any{devices.Changes{change}}}); err != nil {
				return err
			}
		}
		return nil
	})
	for last := channels.Seq(0); last < rounds; {
		err := s.Log.At(s.Context(), func(m devices.Moment) error {
			// The order of questions must not matter.
			known, err := m.Devices(s.Context(), []channels.DeviceRef{ref("pump", "1")})
			if err != nil {
				return err
			}
			pages, err := m.Read(s.Context(), channels.Cursor{{Channel: "a", Seq: last}}, rounds)
			if err != nil {
				return err
			}
			heads, err := m.Heads(s.Context(), []channels.Channel{"a"})
			if err != nil {
				return err
			}
			says := "0"
			if len(known) > 0 {
				says = known[0].Firmware
			}
			if says != heads[0].Seq.String() || pages[0].Next != heads[0].Seq || pages[0].Lost {
				s.Errorf("the device is at %s, the head at %d, the events go to %s", says, heads[0].Seq, show(pages[0]))
			}
			last = heads[0].Seq
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
}
