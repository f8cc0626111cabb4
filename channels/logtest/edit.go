package logtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func (s *stage) edit(edits ...devices.Edit) {
	s.Helper()
	if err := s.Log.Edit(s.Context(), edits); err != nil {
		s.Fatal(err)
	}
}

// wantEditError demands that the edit of that index is refused for that reason, and that nothing is done.
func (s *stage) wantEditError(index int, want error, edits ...devices.Edit) {
	s.Helper()
	before := s.devices()
	err := s.Log.Edit(s.Context(), edits)
	var wrong *devices.EditError
	if !errors.As(err, &wrong) || wrong.Index != index || !errors.Is(wrong.Err, want) && wrong.Err.Error() != want.Error() {
		s.Errorf("got %v, want %v of edit %d", err, want, index)
	}
	if after := s.devices(); !reflect.DeepEqual(before, after) {
		s.Errorf("the devices were %+v and are %+v", before, after)
	}
}

func (s *stage) devices() []devices.Device {
	s.Helper()
	all, err := s.Log.List(s.Context(), devices.Filter{}, channels.DeviceRef{}, 1000)
	if err != nil {
		s.Fatal(err)
	}
	return all
}

// patch is one that says everything.
func patch(code string) devices.Patch {
	return devices.Patch{
		Code: &code, Key: new("key of " + code), Name: new("Pümpe \"1\""), Owner: new("user@example.org"), ProductType: new("P-100"),
		Groups: &[]devices.Group{{ID: "b", Name: "B"}, {ID: "a", Name: ""}}, Active: new(false),
		Attributes: new(json.RawMessage(`{"floor":3,"note":"\u0000é"}`)), Latitude: new(52.5), Longitude: new(-13.25),
	}
}

func edited(p devices.Patch) devices.Record {
	return devices.Record{
		Code: *p.Code, Key: *p.Key, Name: *p.Name, Owner: *p.Owner, Groups: *p.Groups, Active: *p.Active,
		ProductType: *p.ProductType, Attributes: *p.Attributes,
	}
}

func editScenes() []scene {
	one, two := ref("pump", "1"), ref("pump", "2")
	edit := func(ref channels.DeviceRef, kind devices.EditKind, p devices.Patch) devices.Edit {
		return devices.Edit{DeviceRef: ref, Kind: kind, Patch: p}
	}
	code := func(text string) devices.Patch { return devices.Patch{Code: &text} }
	return []scene{
		{"a device that is added comes back as it was", func(s *stage) {
			s.edit(edit(one, devices.EditAdd, patch("c")), edit(two, devices.EditPut, devices.Patch{}))
			want := devices.Device{DeviceRef: one, Record: edited(patch("c")), State: devices.State{Status: devices.Offline}}
			want.Latitude, want.Longitude = new(52.5), new(-13.25)
			s.wantDevice(want)
			s.wantDevice(devices.Device{DeviceRef: two, Record: devices.DefaultRecord(), State: devices.State{Status: devices.Offline}})
			found, err := s.Log.WithCodes(s.Context(), []string{"d", "c", "", "C"})
			if err != nil || len(found) != 1 || found[0].DeviceRef != one {
				s.Errorf("with code c: %+v, %v", found, err)
			}
		}},
		{"an edit leaves alone what it does not speak of", func(s *stage) {
			s.put(known("pump", "1"))
			s.edit(edit(one, devices.EditSet, patch("c")))
			s.edit(edit(one, devices.EditSet, devices.Patch{Name: new(""), Longitude: new(0.0)}))
			want := devices.Device{DeviceRef: one, Record: edited(patch("c")), State: known("pump", "1").State}
			want.Name, want.Latitude, want.Longitude = "", new(52.5), new(0.0)
			s.wantDevice(want)
		}},
		{"what a device reports leaves alone what administrators said", func(s *stage) {
			s.edit(edit(one, devices.EditAdd, patch("c")))
			change := known("pump", "1")
			change.Latitude = nil
			s.put(change)
			want := devices.Device{DeviceRef: one, Record: edited(patch("c")), State: change.State}
			want.Latitude = new(52.5)
			s.wantDevice(want)
		}},
		{"edits and reports at the same time lose nothing of each other", playTogether},
		{"a device that is removed stays removed", func(s *stage) {
			s.put(known("pump", "1"))
			s.edit(edit(one, devices.EditSet, patch("c")))
			s.edit(edit(one, devices.EditRemove, devices.Patch{}))
			late := known("pump", "1")
			late.Register = false
			s.put(late)
			if all := s.devices(); len(all) != 0 {
				s.Errorf("there is %+v", all)
			}
			page, err := s.Log.List(s.Context(), devices.Filter{Group: "a"}, channels.DeviceRef{}, 10)
			if err != nil || len(page) > 0 {
				s.Errorf("its group has %+v, %v", page, err)
			}
			s.edit(edit(two, devices.EditAdd, patch("c")), edit(one, devices.EditAdd, devices.Patch{}))
			s.wantDevice(devices.Device{DeviceRef: one, Record: devices.DefaultRecord(), State: devices.State{Status: devices.Offline}})
		}},
		{"codes and keys are unique, and may change hands", func(s *stage) {
			s.edit(edit(one, devices.EditAdd, patch("c")), edit(two, devices.EditAdd, patch("d")))
			three := ref("valve", "1")
			s.wantEditError(1, &devices.TakenError{Field: "device_code", By: one}, edit(two, devices.EditSet, devices.Patch{}), edit(three, devices.EditAdd, code("c")))
			s.wantEditError(0, &devices.TakenError{Field: "key", By: two}, edit(three, devices.EditPut, devices.Patch{Key: new("key of d")}))
			s.wantEditError(1, &devices.TakenError{Field: "device_code", By: three}, edit(three, devices.EditAdd, code("e")), edit(two, devices.EditSet, code("e")))
			s.edit(edit(one, devices.EditSet, patch("d")), edit(two, devices.EditSet, patch("c")))
			s.edit(edit(one, devices.EditRemove, devices.Patch{}), edit(three, devices.EditAdd, patch("d")))
			s.edit(edit(two, devices.EditSet, devices.Patch{Code: new(""), Key: new("")}), edit(three, devices.EditSet, devices.Patch{Code: new(""), Key: new("")}))
		}},
		{"an edit that is wrong fails, and all edits with it", func(s *stage) {
			s.put(known("pump", "1"))
			s.wantEditError(1, &devices.TakenError{Field: "device_id", By: one}, edit(two, devices.EditAdd, devices.Patch{}), edit(one, devices.EditAdd, devices.Patch{}))
			s.wantEditError(0, channels.ErrNotFound, edit(two, devices.EditSet, patch("c")), edit(one, devices.EditSet, patch("c")))
			s.wantEditError(0, channels.ErrNotFound, edit(two, devices.EditRemove, devices.Patch{}))
			s.wantEditError(1, &channels.InvalidError{Field: "latitude", Reason: "want a number from -90 to 90"},
				edit(one, devices.EditSet, patch("c")), edit(two, devices.EditAdd, devices.Patch{Latitude: new(90.5)}))
			s.wantEditError(2, &channels.InvalidError{Field: "device_id", Reason: "pump/1 is edited twice"},
				edit(one, devices.EditSet, patch("c")), edit(two, devices.EditAdd, devices.Patch{}), edit(one, devices.EditRemove, devices.Patch{}))
		}},
		{"groups are joined and left", func(s *stage) {
			in := func(group string) int {
				page, err := s.Log.List(s.Context(), devices.Filter{Group: group}, channels.DeviceRef{}, 10)
				if err != nil {
					s.Fatal(err)
				}
				return len(page)
			}
			s.edit(edit(one, devices.EditAdd, patch("c")), edit(two, devices.EditAdd, patch("d")))
			s.edit(edit(one, devices.EditSet, devices.Patch{Groups: &[]devices.Group{{ID: "a"}, {ID: "x"}}}))
			s.edit(edit(two, devices.EditSet, devices.Patch{Groups: &[]devices.Group{}}))
			if a, b, x := in("a"), in("b"), in("x"); a != 1 || b != 0 || x != 1 {
				s.Errorf("a has %d, b %d, x %d", a, b, x)
			}
		}},
		{"no edits are nothing", func(s *stage) { s.edit() }},
	}
}

// playTogether edits from two handles while two others report.
func playTogether(s *stage) {
	const rounds, devs = 30, 4
	var group errgroup.Group
	var edits []devices.Edit
	for d := range devs {
		edits = append(edits, devices.Edit{DeviceRef: ref("pump", fmt.Sprint(d)), Kind: devices.EditAdd})
	}
	s.edit(edits...)
	for n, author := range []Log{s.Log, s.Another()} {
		group.Go(func() error {
			for i := range rounds {
				var edits []devices.Edit
				for d := range devs {
					e := devices.Edit{DeviceRef: ref("pump", fmt.Sprint(devs-1-d)), Kind: devices.EditSet}
					if n == 0 {
						e.Patch = devices.Patch{Name: new(fmt.Sprint(i)), Latitude: new(float64(i))}
					} else {
						e.Patch = devices.Patch{Code: new(fmt.Sprint(d, " ", i)), Groups: &[]devices.Group{{ID: fmt.Sprint(i)}}}
					}
					edits = append(edits, e)
				}
				if err := author.Edit(s.Context(), edits); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n, device := range []Log{s.Another(), s.Another()} {
		group.Go(func() error {
			for i := range rounds {
				var changes devices.Changes
				for d := n; d < devs; d += 2 {
					c := devices.Change{DeviceRef: ref("pump", fmt.Sprint(d)), State: devices.State{Status: devices.Online}}
					c.Firmware, c.Longitude, c.LastSeen = fmt.Sprint(i), new(float64(i)), moment.Add(time.Duration(i)*time.Second)
					changes = append(changes, c)
				}
				if _, err := device.Append(s.Context(), channels.Batch{Drafts: onEach(1, "a"), State: []any{changes}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
	last := fmt.Sprint(rounds - 1)
	for _, d := range s.devices() {
		if d.Name != last || d.Firmware != last || *d.Latitude != rounds-1 || *d.Longitude != rounds-1 || len(d.Groups) != 1 ||
			d.Groups[0].ID != last || d.Code == "" || d.Status != devices.Online {
			s.Errorf("something was overwritten: %s", asText(d))
		}
	}
}
