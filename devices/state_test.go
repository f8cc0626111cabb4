package devices_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// owned has the device c-1 of user 7, and c-2 of nobody.
func owned() *hub {
	h := newHub()
	record := devices.DefaultRecord()
	record.Code, record.Key, record.Name, record.Owner, record.ProductType = "c-1", "k-1", "Pümpe <1>", "7", "P-100"
	record.Groups = []devices.Group{{ID: "3", Name: "Hall"}}
	h.register("p-1", record)
	nobodys := devices.DefaultRecord()
	nobodys.Code = "c-2"
	h.register("p-2", nobodys)
	return h
}

func (h *hub) register(id string, record devices.Record) {
	ref := channels.DeviceRef{Type: "weatherstation", ID: id}
	h.devices[ref] = devices.Device{DeviceRef: ref, Record: record, State: devices.State{Status: devices.Offline}}
}

// state is a message on users/{user}/devices/{code}/status.
func state(code, payload string) devices.Message {
	return devices.Message{Kind: devices.KindState, User: "7", Code: code, Topic: "users/7/devices/" + code + "/status", Payload: []byte(payload), Received: noon}
}

// owners returns what the owner got, in order.
func (h *hub) owners() []string {
	var all []string
	for _, e := range h.events {
		if e.Scope == channels.ScopeUser {
			all = append(all, string(e.Data))
		}
	}
	return all
}

// viewers returns what the device's viewers got, as "type data".
func (h *hub) viewers() []string {
	var all []string
	for _, e := range h.events {
		if e.Scope == channels.ScopeChannel {
			_, data, _ := strings.Cut(string(e.Data), `"data":`)
			data, _, _ = strings.Cut(data, `,"timestamp"`)
			all = append(all, e.Type+" "+data)
		}
	}
	return all
}

func processor(h *hub) *devices.Processor { return devices.NewProcessor(h, h, devices.Options{}) }

func TestTheOwnerGetsExactlyFifteenKeys(t *testing.T) {
	h := owned()
	process(t, processor(h), state("c-1", `{"status":"online","temperature":21.50,"humidity":0,"latitude":-0.0,"longitude":13.4,"firmware_version":"1.2","battery_level":50,"extra":[1]}`))
	wantStrings(t, "the owner", h.owners(), `{"id":"weatherstation/p-1","key":"k-1","device_code":"c-1","product_type":"P-100","name":"Pümpe <1>","status":"online",`+
		`"last_seen":"2025-01-15T12:00:00+00:00","is_active":true,"device_type":"weatherstation","firmware_version":"1.2",`+
		`"temperature":21.5,"humidity":0,"latitude":0,"longitude":13.4,"groups":[{"id":"3","name":"Hall"}]}`)
	wantStrings(t, "viewers", h.viewers(),
		`status {"old_status":"offline","new_status":"online"}`,
		`data {"temperature":21.50,"humidity":0,"latitude":-0.0,"longitude":13.4}`)
	event := h.events[len(h.events)-1]
	if got := fmt.Sprint(event.Channels, event.Type, event.User, event.Device); got != "[@user/7 @devices/7]device_status7{weatherstation p-1}" {
		t.Errorf("the owner's event is %s", got)
	}
	if h.batches != 1 {
		t.Errorf("%d batches: whom it concerns is told with the commit", h.batches)
	}
	d := h.device(t, "p-1")
	if d.Status != devices.Online || *d.Temperature != 21.5 || *d.Humidity != 0 || *d.Latitude != 0 || *d.Longitude != 13.4 ||
		!d.LastSeen.Equal(noon) || string(d.Values["humidity"]) != "0" || len(d.Values) != 4 || *d.Battery != 50 || d.Firmware != "1.2" {
		t.Errorf("the registry has %+v", d)
	}
}

func TestAnUnknownPlaceAndTimeAreNull(t *testing.T) {
	h := owned()
	process(t, processor(h), state("c-1", `{"status":"offline"}`))
	wantStrings(t, "the owner", h.owners(), `{"id":"weatherstation/p-1","key":"k-1","device_code":"c-1","product_type":"P-100","name":"Pümpe <1>","status":"offline",`+
		`"last_seen":null,"is_active":true,"device_type":"weatherstation","firmware_version":"",`+
		`"temperature":null,"humidity":null,"latitude":null,"longitude":null,"groups":[{"id":"3","name":"Hall"}]}`)
}

// What contract D leaves open. Each decision is a row of the table in docs/devices.md.
func TestDecisionsOfTheStatusProcessor(t *testing.T) {
	before := state("c-1", `{"status":"warning","temperature":1,"humidity":2,"latitude":3,"longitude":4}`)
	unowned := state("c-2", `{"status":"online"}`)
	unowned.User, unowned.Topic = "", "devices/c-2/status"
	inPayload := state("", `{"device_code":"c-1","status":"error"}`)
	asNumber := state("", `{"device_code":4711,"status":"error"}`)
	other := state("c-1", `{"status":"error","device_code":"c-2"}`)
	anyUsers := state("c-1", `{"status":"error"}`)
	anyUsers.User, anyUsers.Topic = "", "devices/c-1/status"
	for name, c := range map[string]struct {
		message devices.Message
		status  devices.Status
		told    string // temperature, humidity, latitude, longitude; empty where the owner is not told
	}{
		"0 is a value":                       {state("c-1", `{"status":"online","temperature":0,"humidity":0.0,"latitude":0,"longitude":-0}`), "online", "0 0 0 0"},
		"null keeps the old value":           {state("c-1", `{"status":"online","temperature":null,"humidity":null}`), "online", "1 2 3 4"},
		"absent keeps the old value":         {state("c-1", `{"status":"online"}`), "online", "1 2 3 4"},
		"null does not erase the position":   {state("c-1", `{"status":"online","latitude":null,"longitude":5}`), "online", "1 2 3 5"},
		"a missing status keeps the old one": {state("c-1", `{"temperature":9}`), "warning", "9 2 3 4"},
		"a null status keeps the old one":    {state("c-1", `{"status":null}`), "warning", "1 2 3 4"},
		"nothing new is told as well":        {before, "warning", "1 2 3 4"},
		"nothing at all is a sign of life":   {state("c-1", `{}`), "warning", "1 2 3 4"},
		"a status in any case":               {state("c-1", `{"status":" ERROR "}`), "error", "1 2 3 4"},
		"other fields are left alone":        {state("c-1", `{"status":"error","device_id":7,"last_seen":"2031-01-01","groups":[]}`), "error", "1 2 3 4"},
		"the code may be in the payload":     {inPayload, "error", "1 2 3 4"},
		"the topic's code goes first":        {other, "error", "1 2 3 4"},
		"a topic without a user is anyone's": {anyUsers, "error", "1 2 3 4"},
		"a device of nobody tells nobody":    {unowned, "warning", ""},
		"a code may be a number":             {asNumber, "warning", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := owned()
			p := processor(h)
			process(t, p, before)
			told := len(h.owners())
			process(t, p, at(c.message, time.Second))
			d := h.device(t, "p-1")
			if d.Status != c.status {
				t.Errorf("the status is %s, want %s", d.Status, c.status)
			}
			got := h.owners()[told:]
			switch {
			case c.told == "" && len(got) > 0, c.told != "" && len(got) != 1:
				t.Errorf("the owner got %q", got)
			case c.told != "":
				m := strings.Fields(c.told)
				want := fmt.Sprintf(`"temperature":%s,"humidity":%s,"latitude":%s,"longitude":%s,`, m[0], m[1], m[2], m[3])
				if !strings.Contains(got[0], want) {
					t.Errorf("the owner got %s, want %s", got[0], want)
				}
				if !d.LastSeen.Equal(noon.Add(time.Second)) {
					t.Errorf("last seen %v", d.LastSeen)
				}
			}
		})
	}
}

func TestStatesThatAreWrongAreRefusedWhole(t *testing.T) {
	foreign := state("c-1", `{"status":"online"}`)
	foreign.User = "8"
	orphan := state("c-2", `{"status":"online"}`)
	number := strings.Repeat("0", 70_000)
	for name, c := range map[string]struct {
		message devices.Message
		reason  string
	}{
		"a foreign device":       {foreign, `device code "c-1" is no device of user "8"`},
		"nobody's device":        {orphan, `device code "c-2" is no device of user "7"`},
		"a code of nobody":       {state("c-9", `{}`), `device code "c-9" is not registered`},
		"no code":                {state("", `{"status":"online"}`), "device_code: neither the topic nor the payload has one"},
		"an odd code":            {state("", `{"device_code":["c-1"]}`), "device_code: want text"},
		"an empty code":          {state("", `{"device_code":""}`), "device_code: neither the topic nor the payload has one"},
		"not JSON":               {state("c-1", `status=online`), "the payload is not a JSON object"},
		"a word":                 {state("c-1", `online`), "the payload is not a JSON object"},
		"an array":               {state("c-1", `[{"status":"online"}]`), "the payload is not a JSON object"},
		"empty":                  {state("c-1", ``), "the payload is empty"},
		"unknown status":         {state("c-1", `{"temperature":9,"status":"fine"}`), `status "fine" is not known`},
		"a status of the others": {state("c-1", `{"temperature":9,"status":"maintenance"}`), `status "maintenance" is none of online, offline, warning, error`},
		"a status that is none":  {state("c-1", `{"temperature":9,"status":1}`), "status: not text"},
		"a number in quotes":     {state("c-1", `{"status":"online","temperature":"21.5"}`), `temperature: "21.5" is not a number`},
		"NaN":                    {state("c-1", `{"status":"online","humidity":NaN}`), `the payload is not JSON: unexpected 'N' at byte 31`},
		"Infinity":               {state("c-1", `{"status":"online","humidity":Infinity}`), `the payload is not JSON: unexpected 'I' at byte 31`},
		"infinity as a number":   {state("c-1", `{"status":"online","humidity":1e999}`), "humidity: 1e999 is not a number"},
		"a boolean":              {state("c-1", `{"status":"online","humidity":true}`), "humidity: true is not a number"},
		"too far north":          {state("c-1", `{"status":"online","latitude":90.01,"longitude":0}`), "latitude: 90.01 is not a number from -90 to 90"},
		"too far west":           {state("c-1", `{"status":"online","latitude":0,"longitude":-180.5}`), "longitude: -180.5 is not a number from -180 to 180"},
		"battery":                {state("c-1", `{"status":"online","battery_level":101}`), "battery_level: 101 is not a number from 0 to 100"},
		"too long":               {state("c-1", `{"temperature":1.`+number+`}`), "the payload has 70018 bytes, the most is 65536; its first 4096 are kept"},
		"too long as sent":       {state("c-1", `{"status":"error","temperature":1.`+number[:65_450]+`}`), "the event has 65581 bytes as sent, the most is 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			h := owned()
			p := processor(h)
			process(t, p, state("c-1", `{"status":"warning","temperature":1}`))
			before, events := fmt.Sprintf("%+v", h.device(t, "p-1")), len(h.events)
			process(t, p, at(c.message, time.Second))
			wantStrings(t, "refusals", h.reasons(), c.reason)
			if after := fmt.Sprintf("%+v", h.device(t, "p-1")); after != before || len(h.events) != events {
				t.Errorf("half of it was taken: %s, events %q", after, h.data()[events:])
			}
		})
	}
}

func TestAnInactiveDeviceIsSentAsSuch(t *testing.T) {
	h := owned()
	d := h.device(t, "p-1")
	d.Active = false
	h.devices[d.DeviceRef] = d
	process(t, processor(h), state("c-1", `{"status":"online"}`))
	if got := h.owners(); len(got) != 1 || !strings.Contains(got[0], `"is_active":false`) {
		t.Errorf("the owner got %q", got)
	}
}

func TestUnknownCodesAreTreatedAsConfigured(t *testing.T) {
	for unknown, refused := range map[devices.Unknown]int{devices.RegisterUnknown: 1, devices.RefuseUnknown: 1, devices.IgnoreUnknown: 0} {
		h := owned()
		p := devices.NewProcessor(h, h, devices.Options{Unknown: unknown})
		process(t, p, state("c-9", `{"status":"online"}`))
		if stats := p.Stats(); len(h.refused) != refused || len(h.events) != 0 || len(h.devices) != 2 || int(stats.Refused) != refused || int(stats.Ignored) != 1-refused {
			t.Errorf("%v: refusals %q, events %q, stats %+v", unknown, h.reasons(), h.data(), stats)
		}
	}
	h := owned()
	p := devices.NewProcessor(h, h, devices.Options{Unknown: devices.IgnoreUnknown})
	process(t, p, data("x", `{"t":1}`), status("x", "online"))
	if p.Stats().Ignored != 2 || len(h.events)+len(h.refused) != 0 || len(h.devices) != 2 {
		t.Errorf("stats %+v, events %q, refusals %q", p.Stats(), h.data(), h.reasons())
	}
}

func TestWhatIsLateTurnsNothingBack(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p,
		state("c-1", `{"status":"online","temperature":20,"timestamp":"2025-01-15T11:59:00Z"}`),
		at(state("c-1", `{"status":"error","temperature":10,"timestamp":"2025-01-15T11:58:00Z"}`), time.Second),
		at(state("c-1", `{"status":"offline","timestamp":"2025-01-15T11:58:30Z"}`), 2*time.Second))
	d := h.device(t, "p-1")
	if d.Status != devices.Online || *d.Temperature != 20 || !d.LastSeen.Equal(noon.Add(time.Second)) || p.Stats().Late != 2 {
		t.Errorf("stats %+v, device %+v", p.Stats(), d)
	}
	for _, told := range h.owners() {
		if !strings.Contains(told, `"status":"online"`) || !strings.Contains(told, `"temperature":20`) {
			t.Errorf("the owner got %s", told)
		}
	}
	wantStrings(t, "viewers", h.viewers(), `status {"old_status":"offline","new_status":"online"}`, `data {"temperature":20}`)

	process(t, p,
		data("w", `{"t":2,"timestamp":"2025-01-15T11:59:00Z"}`),
		data("w", `{"t":1,"u":1,"timestamp":"2025-01-15T11:58:59Z"}`),
		status("w", `{"status":"online","timestamp":"2025-01-15T11:00:00Z"}`),
		status("w", `{"status":"error","battery_level":5,"timestamp":"2025-01-15T10:00:00Z"}`))
	if d := h.device(t, "w"); string(d.Values["t"]) != "2" || len(d.Values) != 1 || d.Status != devices.Online || d.Battery != nil {
		t.Errorf("device %+v", d)
	}
	late := h.events[len(h.events)-2]
	if !strings.Contains(string(late.Data), `"data":{"t":1,"u":1},"timestamp":"2025-01-15T11:58:59+00:00"}`) {
		t.Errorf("the late reading is %s", late.Data)
	}
	// One that says no time is of now, and equal times are no reason to doubt.
	process(t, p, data("w", `{"t":3}`), data("w", `{"t":4,"timestamp":"2025-01-15T11:59:00Z"}`))
	if d := h.device(t, "w"); string(d.Values["t"]) != "4" {
		t.Errorf("device %+v", d)
	}
}

func TestAClockThatIsAheadHoldsNothingBack(t *testing.T) {
	h := newHub()
	p := processor(h)
	process(t, p, data("w", `{"t":1,"timestamp":"2099-01-01T00:00:00Z"}`), status("w", `{"status":"online","timestamp":"2099-01-01T00:00:00Z"}`))
	process(t, p, at(data("w", `{"t":2,"timestamp":"2025-01-15T12:00:01Z"}`), time.Second), at(status("w", `{"status":"error","timestamp":"2025-01-15T12:00:01Z"}`), time.Second))
	if d := h.device(t, "w"); string(d.Values["t"]) != "2" || d.Status != devices.Error {
		t.Errorf("device %+v", d)
	}
}

func TestTheOwnerHearsOfEveryChangeOfStatus(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, status("p-1", "online"), status("p-1", "online"), data("p-1", `{"t":1}`), status("p-1", "maintenance"))
	got := h.owners()
	if len(got) != 2 || !strings.Contains(got[0], `"status":"online"`) || !strings.Contains(got[1], `"status":"maintenance"`) {
		t.Errorf("the owner got %q", got)
	}
}

func TestWhoOwnsADeviceIsAskedEveryTime(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, state("c-1", `{"status":"online"}`))
	d := h.device(t, "p-1")
	d.Owner = "8"
	h.devices[d.DeviceRef] = d
	process(t, p, state("c-1", `{"status":"error"}`), status("p-1", "warning"))
	wantStrings(t, "refusals", h.reasons(), `device code "c-1" is no device of user "7"`)
	if last := h.events[len(h.events)-1]; last.User != "8" {
		t.Errorf("told was user %s", last.User)
	}
}

func TestDataTellsMeasuresToo(t *testing.T) {
	h := owned()
	process(t, processor(h), data("p-1", `{"temperature":7.5,"humidity":"dry","latitude":91,"longitude":null}`), data("p-1", `{"humidity":3}`), state("c-1", `{}`))
	d := h.device(t, "p-1")
	if *d.Temperature != 7.5 || *d.Humidity != 3 || d.Latitude != nil || d.Longitude != nil || string(d.Values["latitude"]) != "91" {
		t.Errorf("device %+v", d)
	}
	if got := h.owners(); len(got) != 1 || !strings.Contains(got[0], `"temperature":7.5,"humidity":3,"latitude":null`) {
		t.Errorf("the owner got %q", got)
	}
}

func TestARetainedStateIsToldWhereItIsNew(t *testing.T) {
	h := owned()
	p := processor(h)
	kept := retained(state("c-1", `{"status":"online","temperature":5}`))
	process(t, p, kept, at(kept, time.Second))
	d := h.device(t, "p-1")
	if got := h.owners(); len(got) != 1 || d.Status != devices.Online || *d.Temperature != 5 || !d.LastSeen.IsZero() {
		t.Errorf("the owner got %q, device %+v", got, d)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"status":"online","temperature":21.50,"humidity":null,"latitude":-0.0,"longitude":180,"battery_level":0,"timestamp":"2025-01-15T12:00:00Z"}`), "c-1")
	f.Add([]byte(`{"device_code":"c-1","status":"OFFLINE","firmware_version":"1","latitude":1e-400}`), "")
	f.Fuzz(func(t *testing.T, payload []byte, code string) {
		h := owned()
		m := state(code, string(payload))
		m.Payload = payload
		process(t, processor(h), m)
		if len(h.refused) > 0 {
			if len(h.events) > 0 {
				t.Errorf("%s is refused (%s), and makes events %q", payload, h.reasons(), h.data())
			}
			return
		}
		var keys map[string]any
		if told := h.owners(); len(told) != 1 || json.Unmarshal([]byte(told[0]), &keys) != nil || len(keys) != 15 {
			t.Fatalf("of %s the owner gets %q", payload, told)
		}
		d := h.device(t, "p-1")
		for what, v := range map[string]*float64{"latitude": d.Latitude, "longitude": d.Longitude, "temperature": d.Temperature, "humidity": d.Humidity} {
			if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0) || what == "latitude" && math.Abs(*v) > 90 || what == "longitude" && math.Abs(*v) > 180) {
				t.Errorf("%s makes the %s %v", payload, what, *v)
			}
		}
		if !d.Status.Known() {
			t.Errorf("%s makes the status %q", payload, d.Status)
		}
	})
}
