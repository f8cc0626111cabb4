package logtest

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func listScenes() []scene {
	return []scene{
		{"devices are listed by type and id, page by page", func(s *stage) {
			var want []string
			var all []devices.Change
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
					page, err := s.Log.List(s.Context(), devices.Filter{}, after, limit)
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
				page, err := s.Log.List(s.Context(), devices.Filter{Type: "b"}, after, 10)
				got := ""
				for _, d := range page {
					got += d.ID
				}
				if err != nil || got != want {
					s.Errorf("after %v: got %q, %v, want %q", after, got, err, want)
				}
			}
		}},
		{"a list is narrowed by each filter, and by all together", playFilters},
		{"a list that is narrowed comes page by page", func(s *stage) {
			edits := make([]devices.Edit, 0, 30)
			for i := range 30 {
				e := devices.Edit{DeviceRef: ref([]string{"a", "b", "c"}[i%3], fmt.Sprint(i)), Kind: devices.EditAdd}
				e.Patch.Owner, e.Patch.Active, e.Patch.Name = new("7"), new(false), new("Pump")
				e.Patch.Groups = &[]devices.Group{{ID: "g"}, {ID: fmt.Sprint(i)}}
				edits = append(edits, e)
			}
			s.edit(edits...)
			for _, f := range []devices.Filter{{}, {Owner: "7"}, {Group: "g"}, {Active: new(false)}, {Text: "pump"}, {Status: devices.Offline},
				{Owner: "7", Group: "g", Active: new(false), Text: "PUMP", Status: devices.Offline}} {
				n := 0
				for after := (channels.DeviceRef{}); ; {
					page, err := s.Log.List(s.Context(), f, after, 7)
					if err != nil {
						s.Fatal(err)
					}
					if n += len(page); len(page) < 7 {
						break
					}
					after = page[6].DeviceRef
				}
				if n != 30 {
					s.Errorf("%+v: %d devices, want 30", f, n)
				}
			}
		}},
		{"silent are those that were seen, and not since", func(s *stage) {
			seen := func(id string, at time.Time, status devices.Status) devices.Change {
				return devices.Change{DeviceRef: ref("pump", id), Register: true, State: devices.State{Status: status, LastSeen: at}}
			}
			s.put(seen("never", time.Time{}, devices.Online), seen("offline", moment, devices.Offline), seen("a", moment, devices.Warning),
				seen("b", moment.Add(-time.Hour), devices.Online), seen("c", moment.Add(time.Microsecond), devices.Online),
				seen("inactive", moment, devices.Online))
			s.edit(devices.Edit{DeviceRef: ref("pump", "inactive"), Kind: devices.EditSet, Patch: devices.Patch{Active: new(false)}})
			silent := func(before time.Time, after channels.DeviceRef, limit int) string {
				refs, err := s.Log.Silent(s.Context(), before, after, limit)
				if err != nil {
					s.Fatal(err)
				}
				return fmt.Sprint(refs)
			}
			for want, got := range map[string]string{
				"[{pump b}]":                   silent(moment, channels.DeviceRef{}, 9),
				"[{pump a} {pump b}]":          silent(moment.Add(time.Nanosecond), channels.DeviceRef{}, 9),
				"[{pump a}]":                   silent(moment.Add(time.Hour), channels.DeviceRef{}, 1),
				"[{pump b} {pump c}]":          silent(moment.Add(time.Hour), ref("pump", "a"), 9),
				"[]":                           silent(moment.Add(time.Hour), ref("pump", "c"), 9),
				"[{pump a} {pump b} {pump c}]": silent(moment.Add(2*time.Microsecond), channels.DeviceRef{}, 9),
			} {
				if got != want {
					s.Errorf("got %s, want %s", got, want)
				}
			}
		}},
		{"nothing in a filter is a pattern", func(s *stage) {
			s.put(known("pump", "1"))
			for _, text := range hostile() {
				for _, f := range []devices.Filter{{Type: text}, {Status: devices.Status(text)}, {Owner: text}, {Group: text}, {Text: "/" + text + "/"}} {
					if page, err := s.Log.List(s.Context(), f, channels.DeviceRef{}, 10); err != nil || len(page) > 0 {
						s.Errorf("%+v: %d devices, %v", f, len(page), err)
					}
				}
			}
		}},
	}
}

// playFilters asks for devices in many ways.
func playFilters(s *stage) {
	add := func(id, code, name, owner string, active bool, groups ...string) devices.Edit {
		e := devices.Edit{DeviceRef: ref("pump", id), Kind: devices.EditAdd}
		e.Patch = devices.Patch{Code: &code, Name: &name, Owner: &owner, Active: &active, Groups: &[]devices.Group{}}
		for _, g := range groups {
			*e.Patch.Groups = append(*e.Patch.Groups, devices.Group{ID: g, Name: "Group " + g})
		}
		return e
	}
	s.edit(
		add("1", "C-1", "Hall north", "7", true, "hall", "all"),
		add("2", "C-2", "hall SOUTH", "7", false, "hall"),
		add("3", "", "100% Größe", "8", true, "all"),
		add("4", "", "", "", true))
	online := known("pump", "1")
	online.Status, online.Register = devices.Online, false
	s.put(online)
	for filter, want := range map[*devices.Filter]string{
		{}:                                       "1234",
		{Owner: "7"}:                             "12",
		{Owner: "7", Active: new(true)}:          "1",
		{Active: new(false)}:                     "2",
		{Active: new(true)}:                      "134",
		{Group: "all"}:                           "13",
		{Group: "hall", Owner: "7"}:              "12",
		{Group: "hall", Type: "valve"}:           "",
		{Group: "Hall"}:                          "",
		{Status: devices.Online}:                 "1",
		{Status: devices.Offline, Type: "pump"}:  "234",
		{Text: "HALL"}:                           "12",
		{Text: "größe"}:                          "3",
		{Text: "0%"}:                             "3",
		{Text: "_"}:                              "",
		{Text: "c-2"}:                            "2",
		{Text: "pump/4"}:                         "4",
		{Text: "hall", Group: "all", Owner: "7"}: "1",
	} {
		page, err := s.Log.List(s.Context(), *filter, channels.DeviceRef{}, 10)
		var got strings.Builder
		for _, d := range page {
			got.WriteString(d.ID)
		}
		if err != nil || got.String() != want {
			s.Errorf("%+v: got %q, %v, want %q", *filter, got.String(), err, want)
		}
	}
}
