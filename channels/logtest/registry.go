package logtest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func ref(deviceType, id string) channels.DeviceRef {
	return channels.DeviceRef{Type: deviceType, ID: id}
}

// known is a device of which everything is known.
func known(deviceType, id string) devices.Device {
	battery := 12.5
	return devices.Device{
		DeviceRef: ref(deviceType, id), Status: devices.LowBattery, Firmware: "1.2.3", Battery: &battery,
		LastSeen: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		Values:   map[string]json.RawMessage{"t": json.RawMessage("21.50"), "s": json.RawMessage(`"\u0000"`)},
	}
}

func (s *stage) put(changes ...devices.Device) {
	s.Helper()
	s.appendTo(s.Log, channels.Batch{State: []any{devices.Changes(changes)}})
}

// get returns the device, and whether it is known.
func (s *stage) get(ref channels.DeviceRef) (devices.Device, bool) {
	s.Helper()
	all, err := s.Log.Devices(s.Context(), []channels.DeviceRef{ref})
	if err != nil {
		s.Fatal(err)
	}
	if len(all) == 0 {
		return devices.Device{}, false
	}
	if len(all) > 1 || all[0].DeviceRef != ref {
		s.Fatalf("asked for %v, got %v", ref, all)
	}
	return all[0], true
}

func (s *stage) wantDevice(want devices.Device) {
	s.Helper()
	got, ok := s.get(want.DeviceRef)
	if !ok {
		s.Fatalf("device %v is not known", want.DeviceRef)
	}
	if want.Values == nil {
		want.Values = map[string]json.RawMessage{}
	}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got  device %+v\nwant device %+v", got, want)
	}
}

func registryScenes() []scene {
	return []scene{
		{"a device comes back as it was", func(s *stage) {
			s.put(known("pump", "1"))
			s.wantDevice(known("pump", "1"))
			zero := 0.0
			blank := devices.Device{DeviceRef: ref("pump", "2"), Status: devices.Offline, Battery: &zero}
			s.put(blank)
			s.wantDevice(blank)
			s.put(devices.Device{DeviceRef: ref("pump", "1"), Status: devices.Error})
			s.wantDevice(devices.Device{DeviceRef: ref("pump", "1"), Status: devices.Error})
		}},
		{"devices that are not known are left out", func(s *stage) {
			s.put(known("pump", "1"), known("pump", "2"))
			all, err := s.Log.Devices(s.Context(), []channels.DeviceRef{ref("pump", "2"), ref("valve", "1"), ref("pump", "1"),
				ref("", ""), ref("Pump", "1")})
			if err != nil || len(all) != 2 {
				s.Errorf("got %v, %v", all, err)
			}
			if all, err := s.Log.Devices(s.Context(), nil); err != nil || len(all) != 0 {
				s.Errorf("of none: got %v, %v", all, err)
			}
		}},
		{"of the changes of a batch the last one stays", func(s *stage) {
			first, last := known("pump", "1"), known("pump", "1")
			first.Firmware, last.Firmware = "1", "2"
			s.appendTo(s.Log, channels.Batch{State: []any{devices.Changes{first}, devices.Changes{known("a", "b"), last}}})
			s.wantDevice(last)
			s.wantDevice(known("a", "b"))
		}},
		{"devices are listed by type and id, page by page", func(s *stage) {
			var want []string
			var all []devices.Device
			for _, deviceType := range []string{"pump", "Pump", "valve", "p", "é", "pump_a"} {
				for i := range 5 {
					d := known(deviceType, fmt.Sprint(i*i*i))
					all = append(all, d)
					want = append(want, d.Type+"\x00"+d.ID)
				}
			}
			s.put(all...)
			sort.Strings(want)
			for limit := 1; limit < 8; limit++ {
				var got []string
				for after := (channels.DeviceRef{}); ; {
					page, err := s.Log.List(s.Context(), "", after, limit)
					if err != nil || len(page) > limit {
						s.Fatalf("%d devices, %v", len(page), err)
					}
					for _, d := range page {
						got, after = append(got, d.Type+"\x00"+d.ID), d.DeviceRef
					}
					if len(page) < limit {
						break
					}
				}
				if !reflect.DeepEqual(got, want) {
					s.Fatalf("limit %d: got %q, want %q", limit, got, want)
				}
			}
		}},
		{"a list is narrowed to one type", func(s *stage) {
			s.put(known("a", "1"), known("b", "1"), known("b", "2"), known("b", "3"), known("c", "1"))
			for after, want := range map[channels.DeviceRef]string{
				{}: "123", ref("a", "9"): "123", ref("b", "1"): "23", ref("b", "3"): "", ref("c", ""): "",
			} {
				page, err := s.Log.List(s.Context(), "b", after, 10)
				got := ""
				for _, d := range page {
					got += d.ID
				}
				if err != nil || got != want {
					s.Errorf("after %v: got %q, %v, want %q", after, got, err, want)
				}
			}
		}},
		{"devices of any name are apart", func(s *stage) {
			for _, text := range hostile() {
				d := known(text, text)
				d.Firmware = text
				d.Values[text] = json.RawMessage("1")
				s.put(d)
			}
			for _, text := range hostile() {
				d := known(text, text)
				d.Firmware = text
				d.Values[text] = json.RawMessage("1")
				s.wantDevice(d)
			}
			if all, err := s.Log.List(s.Context(), "", channels.DeviceRef{}, 1000); err != nil || len(all) != len(hostile()) {
				s.Errorf("%d devices are listed, %v, want %d", len(all), err, len(hostile()))
			}
		}},
	}
}
