package logtest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func ref(deviceType, id string) channels.DeviceRef {
	return channels.DeviceRef{Type: deviceType, ID: id}
}

// known is the state of a device of which everything is known.
func known(deviceType, id string) devices.Change {
	return devices.Change{
		DeviceRef: ref(deviceType, id),
		State: devices.State{
			Status: devices.LowBattery, Overdue: true, Firmware: "1.2.3", Battery: new(12.5),
			LastSeen: moment, DataTime: moment.Add(time.Hour), StatusTime: moment.Add(-time.Hour),
			Measures: devices.Measures{Temperature: new(21.5), Humidity: new(0.0), Latitude: new(-90.0), Longitude: new(13.404954)},
			Values:   map[string]json.RawMessage{"t": json.RawMessage("21.50"), "s": json.RawMessage(`"\u0000"`)},
		},
		Register: true,
	}
}

// moment is any, in the precision of logs.
var moment = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

func (s *stage) put(changes ...devices.Change) {
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

// wantState demands the state of a device of which no administrator has said anything.
func (s *stage) wantState(want devices.Change) {
	s.Helper()
	s.wantDevice(devices.Device{DeviceRef: want.DeviceRef, Record: devices.DefaultRecord(), State: want.State})
}

// wantDevice demands a device, with times of its own that are about now.
func (s *stage) wantDevice(want devices.Device) {
	s.Helper()
	got, ok := s.get(want.DeviceRef)
	if !ok {
		s.Fatalf("device %v is not known", want.DeviceRef)
	}
	if since := time.Since(got.Created); since < 0 || since > patience || got.Updated.Before(got.Created) {
		s.Errorf("device %v was created at %v and updated at %v", want.DeviceRef, got.Created, got.Updated)
	}
	got.Created, got.Updated = want.Created, want.Updated
	if want.Values == nil {
		want.Values = map[string]json.RawMessage{}
	}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got  device %+v\nwant device %+v", asText(got), asText(want))
	}
}

func asText(d devices.Device) string {
	text, err := json.Marshal(d)
	return fmt.Sprint(string(text), d.DataTime, d.StatusTime, err)
}

func registryScenes() []scene {
	return []scene{
		{"a device comes back as it was", func(s *stage) {
			s.put(known("pump", "1"))
			s.wantState(known("pump", "1"))
			blank := devices.Change{DeviceRef: ref("pump", "2"), State: devices.State{Status: devices.Offline, Battery: new(0.0)}, Register: true}
			s.put(blank)
			s.wantState(blank)
		}},
		{"a change replaces all but the measures that it does not tell", func(s *stage) {
			s.put(known("pump", "1"))
			next := devices.Change{DeviceRef: ref("pump", "1"), State: devices.State{Status: devices.Error}}
			next.Temperature, next.Longitude = new(0.0), new(0.0)
			s.put(next)
			next.Humidity, next.Latitude = new(0.0), new(-90.0)
			s.wantState(next)
		}},
		{"a change adds a device only where it says so", func(s *stage) {
			absent := known("pump", "1")
			absent.Register = false
			s.put(absent, known("pump", "2"))
			if _, there := s.get(absent.DeviceRef); there {
				s.Error("the device was added")
			}
			s.wantState(known("pump", "2"))
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
			s.wantState(last)
			s.wantState(known("a", "b"))
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
				s.wantState(d)
			}
			if all, err := s.Log.List(s.Context(), devices.Filter{}, channels.DeviceRef{}, 1000); err != nil || len(all) != len(hostile()) {
				s.Errorf("%d devices are listed, %v, want %d", len(all), err, len(hostile()))
			}
		}},
	}
}
