package devices_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func TestDataBecomesAnEventOnBothChannels(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, data("ws-001", ` {"temperature": 25.30, "humidity": 8.01e1} `))

	wantStrings(t, "events", h.data(),
		`{"event":"data","device_type":"weatherstation","device_id":"ws-001","data":{"temperature":25.30,"humidity":8.01e1},"timestamp":"2025-01-15T12:00:00+00:00"}`)
	event := h.events[0]
	if got := fmt.Sprint(event.Channels); got != "[iot_weatherstation iot_weatherstation_ws-001]" {
		t.Errorf("channels: %s", got)
	}
	if want := (channels.DeviceRef{Type: "weatherstation", ID: "ws-001"}); event.Device != want || event.Type != "data" || !event.Time.Equal(noon) {
		t.Errorf("device %v, type %q, time %v", event.Device, event.Type, event.Time)
	}
	device := h.device(t, "ws-001")
	if string(device.Values["temperature"]) != "25.30" || !device.LastSeen.Equal(noon) {
		t.Errorf("registry: %+v", device)
	}
	if device.Status != devices.Offline {
		t.Errorf("status %q: data must not change the status", device.Status)
	}
}

func TestPayloadOfData(t *testing.T) {
	for name, c := range map[string]struct{ payload, data, timestamp string }{
		"own time in UTC":              {`{"a":1,"timestamp":"2024-02-29T23:59:59Z"}`, `{"a":1}`, "2024-02-29T23:59:59+00:00"},
		"own time with an offset":      {`{"timestamp":"2024-02-29T23:59:59.5+02:00","a":1}`, `{"a":1}`, "2024-02-29T23:59:59.500000+02:00"},
		"own time without an offset":   {`{"a":1,"timestamp":"2024-02-29 23:59:59.123456789","b":2}`, `{"a":1,"b":2}`, "2024-02-29T23:59:59.123456+00:00"},
		"a time that is none stays":    {`{"a":1,"timestamp":"yesterday"}`, `{"a":1,"timestamp":"yesterday"}`, "2025-01-15T12:00:00+00:00"},
		"a number is no time":          {`{"timestamp":1736942400}`, `{"timestamp":1736942400}`, "2025-01-15T12:00:00+00:00"},
		"readings":                     {`{"readings":[{"type":"t","value":25.30},{"value":{"x":[1, 2]},"type":"pos","unit":"m"}]}`, `{"t":25.30,"pos":{"x":[1,2]}}`, ""},
		"readings with other fields":   {`{"id":7,"readings":[{"type":"t","value":1},{"type":"t","value":2}],"b":null,"t":3}`, `{"id":7,"t":3,"b":null}`, ""},
		"readings that are none":       {`{"readings":12}`, `{"readings":12}`, ""},
		"no readings":                  {`{"readings":[]}`, `{}`, ""},
		"nothing to say":               {`{}`, `{}`, ""},
		"of two names the last value":  {`{"a":1,"b":2,"\u0061":3}`, `{"a":3,"b":2}`, ""},
		"order and escapes are kept":   {`{"z":"\u00e9\n","a":"é","%":true}`, `{"z":"\u00e9\n","a":"é","%":true}`, ""},
		"line breaks outside of texts": {"{\r\n \"a\" : [ 1 ,\n2 ]\n}", `{"a":[1,2]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub()
			process(t, devices.NewProcessor(h, h, devices.Options{}), data("ws-001", c.payload))
			if c.timestamp == "" {
				c.timestamp = "2025-01-15T12:00:00+00:00"
			}
			wantStrings(t, "events", h.data(),
				`{"event":"data","device_type":"weatherstation","device_id":"ws-001","data":`+c.data+`,"timestamp":"`+c.timestamp+`"}`)
			wantStrings(t, "refusals", h.reasons())
		})
	}
}

func TestMessagesThatCannotBeEventsAreRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	var wide strings.Builder
	for i := range 300 {
		fmt.Fprintf(&wide, `,"f%d":%d`, i, i)
	}
	state := devices.Message{Kind: devices.KindState, User: "7", Code: "c-1", Topic: "users/7/devices/c-1/status", Payload: []byte(`{}`)}
	named := func(deviceType, id string) devices.Message {
		m := data(id, `{}`)
		m.Type = deviceType
		return m
	}
	for name, c := range map[string]struct {
		message devices.Message
		reason  string
	}{
		"empty":              {data("w", ""), "the payload is empty"},
		"blank":              {data("w", " \n"), "the payload is empty"},
		"not UTF-8":          {data("w", "{\"a\":\"\xff\"}"), "the payload is not UTF-8"},
		"text":               {data("w", "hello"), "the payload is not a JSON object"},
		"an array":           {data("w", "[1]"), "the payload is not a JSON object"},
		"NaN":                {data("w", `{"a":NaN}`), `the payload is not JSON: unexpected 'N' at byte 6`},
		"cut":                {data("w", `{"a":1`), "the payload is not JSON: it ends too early"},
		"more behind":        {data("w", `{"a":1} {"b":2}`), `the payload is not JSON: unexpected '{' at byte 9`},
		"a leading zero":     {data("w", `{"a":01}`), `the payload is not JSON: unexpected '1' at byte 7`},
		"a raw tab":          {data("w", "{\"a\":\"\t\"}"), `the payload is not JSON: unexpected '\t' at byte 7`},
		"too deep":           {data("w", deep), "the payload is nested deeper than 32 levels"},
		"too wide":           {data("w", "{"+wide.String()[1:]+"}"), "the payload has more than 256 fields"},
		"too long":           {data("w", `{"a":"`+strings.Repeat("x", 65536)+`"}`), "the payload has 65544 bytes, the most is 65536; its first 4096 are kept"},
		"too long as sent":   {data("w", `{"a":"`+strings.Repeat("%", 40000)+`"}`), "the event has 80119 bytes as sent, the most is 65536"},
		"readings of words":  {data("w", `{"readings":["a"]}`), "readings[0]: not an object"},
		"reading no type":    {data("w", `{"readings":[{"type":"a","value":1},{"value":1}]}`), `readings[1]: "type" is missing`},
		"reading no value":   {data("w", `{"readings":[{"type":"a"}]}`), `readings[0]: "value" is missing`},
		"reading odd type":   {data("w", `{"readings":[{"type":1,"value":1}]}`), `readings[0]: "type" is not a name`},
		"status unknown":     {status("w", `{"status":"fine"}`), `status "fine" is not known`},
		"status no text":     {status("w", `{"status":1}`), "status: not text"},
		"status empty":       {status("w", ``), "the payload is empty"},
		"battery beyond":     {status("w", `{"battery_level":101}`), "battery_level: 101 is not a number from 0 to 100"},
		"battery text":       {status("w", `{"battery_level":"50"}`), `battery_level: "50" is not a number from 0 to 100`},
		"firmware no text":   {status("w", `{"firmware_version":1.2}`), "firmware_version: not text of at most 255 bytes without control characters"},
		"firmware odd":       {status("w", `{"firmware_version":"1\u0000"}`), "firmware_version: not text of at most 255 bytes without control characters"},
		"state":              {state, `device code "c-1" is not registered`},
		"no kind":            {devices.Message{Topic: "x"}, "messages of Kind(0) are not known"},
		"type empty":         {named("", "a"), "device type: empty"},
		"type long":          {named(strings.Repeat("t", 65), "a"), "device type: longer than 64 bytes"},
		"id empty":           {named("a", ""), "device id: empty"},
		"id long":            {named("a", strings.Repeat("i", 129)), "device id: longer than 128 bytes"},
		"id not UTF-8":       {named("a", "\xff"), "device id: not UTF-8"},
		"id with a level":    {named("a", "b/c"), `device id "b/c": holds one of "/", "+", "#"`},
		"id with a control":  {named("a", "b\x00"), `device id "b\x00": holds a control character`},
		"names that are all": {named(strings.Repeat("_", 64), strings.Repeat("i", 128)), `channel "iot_%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F%5F…": the name is longer than 255 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub()
			p := devices.NewProcessor(h, h, devices.Options{})
			process(t, p, data("before", `{"a":1}`), c.message, data("after", `{"a":2}`))

			wantStrings(t, "refusals", h.reasons(), c.reason)
			if h.batches != 1 || len(h.events) != 2 {
				t.Errorf("%d events in %d batches: poison must hold up nothing", len(h.events), h.batches)
			}
			if len(h.refused) == 1 && (h.refused[0].Source == "" || !strings.HasPrefix(string(c.message.Payload), string(h.refused[0].Payload))) {
				t.Errorf("refusal %+v", h.refused[0])
			}
			if got := p.Stats(); got != (devices.Stats{Events: 2, Refused: 1}) {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

func TestARefusalIsTextWhateverTheTopic(t *testing.T) {
	h := newHub()
	m := data("w", "")
	m.Topic = "a\x00/\xff"
	process(t, devices.NewProcessor(h, h, devices.Options{}), m)
	if got := h.refused[0].Source; got != "a\uFFFD/\uFFFD" {
		t.Errorf("source %q", got)
	}
}

func TestStatusMakesAnEventOnlyWhenItChanges(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p,
		status("w", `{"status":"online","battery_level":87.5,"firmware_version":"1.2","rssi":-70}`),
		status("w", `Online`),
		status("w", `{"battery_level":0}`),
		status("w", `{"status":null,"battery_level":null,"firmware_version":null}`))
	process(t, p,
		at(status("w", ` "offline" `), time.Minute),
		at(status("w", `{"status":"low_battery","timestamp":"2025-01-15T11:59:00+01:00"}`), 2*time.Minute))

	envelope := `{"event":"status","device_type":"weatherstation","device_id":"w","data":`
	wantStrings(t, "events", h.data(),
		envelope+`{"old_status":"offline","new_status":"online"},"timestamp":"2025-01-15T12:00:00+00:00"}`,
		envelope+`{"old_status":"online","new_status":"offline"},"timestamp":"2025-01-15T12:01:00+00:00"}`,
		envelope+`{"old_status":"offline","new_status":"low_battery"},"timestamp":"2025-01-15T11:59:00+01:00"}`)
	device := h.device(t, "w")
	if *device.Battery != 0 || device.Firmware != "1.2" || device.Status != devices.LowBattery {
		t.Errorf("registry: %+v", device)
	}
}

func TestOfflineIsNoSignOfLife(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, status("w", "online"))
	process(t, p, at(status("w", "offline"), time.Hour))
	if device := h.device(t, "w"); !device.LastSeen.Equal(noon) || device.Status != devices.Offline {
		t.Errorf("registry: %+v", device)
	}
}

func TestABatchIsOneTransactionWithEachDeviceOnce(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	var messages []devices.Message
	for i := range 300 {
		messages = append(messages, data(fmt.Sprintf("w%d", i%3), fmt.Sprintf(`{"n":%d}`, i)))
	}
	process(t, p, messages...)
	if h.batches != 1 || h.asked != 1 || len(h.events) != 300 {
		t.Fatalf("%d events in %d batches after asking %d times", len(h.events), h.batches, h.asked)
	}
	for i, e := range h.events {
		if !strings.Contains(string(e.Data), fmt.Sprintf(`"data":{"n":%d}`, i)) {
			t.Fatalf("event %d is %s: drafts must keep the order of messages", i, e.Data)
		}
	}
	if got := string(h.device(t, "w2").Values["n"]); got != "299" {
		t.Errorf("last value %s", got)
	}
}

func TestStateTravelsWithTheBatch(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	extra := devices.Changes{{DeviceRef: channels.DeviceRef{Type: "weatherstation", ID: "extra"}, Register: true}}
	if err := p.Process(t.Context(), []devices.Message{data("w", `{"a":1}`)}, extra); err != nil {
		t.Fatal(err)
	}
	h.device(t, "extra")
	if h.batches != 1 {
		t.Errorf("%d batches", h.batches)
	}
}

func TestARepeatedMessageIsStoredOnceAndOverwritesNothing(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, data("w", `{"id":1,"t":10}`), data("w", `{"id":2,"t":20}`), data("other", `{"id":1,"t":5}`))
	process(t, p, data("w", `{"id":1,"t":10}`), data("other", `{"id":"x","t":6}`), data("other", `{"id":"x","t":6}`))

	if len(h.events) != 4 {
		t.Errorf("%d events: %q", len(h.events), h.data())
	}
	if got := string(h.device(t, "w").Values["t"]); got != "20" {
		t.Errorf("t is %s after the repetition of an older message", got)
	}
	if got := string(h.device(t, "other").Values["t"]); got != "6" {
		t.Errorf("t of the other device is %s", got)
	}
	if got := p.Stats(); got.Repeated != 2 || got.Events != 4 {
		t.Errorf("stats %+v", got)
	}
	if h.events[0].Key != "mqtt/data/weatherstation/w/1" {
		t.Errorf("key %q", h.events[0].Key)
	}
	process(t, p, data("w", `{"id":2,"t":20}`), status("w", "online"))
	if device := h.device(t, "w"); device.Status != devices.Online || string(device.Values["t"]) != "20" {
		t.Errorf("registry: %+v", device)
	}
}

func TestAMessageWithoutAnIDOfItsOwnHasNoKey(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	for _, payload := range []string{`{"t":1}`, `{"id":""}`, `{"id":null}`, `{"id":true}`, `{"id":{"id":1}}`, `{"id":[1]}`} {
		process(t, p, data("w", payload), data("w", payload))
	}
	if len(h.events) != 12 {
		t.Errorf("%d events", len(h.events))
	}
}

func TestLongAndOddIDsAreHashed(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	long := strings.Repeat("x", 400)
	process(t, p, data("w", `{"id":"`+long+`a"}`), data("w", `{"id":"`+long+`b"}`), data("w", `{"id":"\u0000"}`), data("w", `{"id":"`+long+`a"}`))
	if len(h.events) != 3 {
		t.Fatalf("%d events", len(h.events))
	}
	for _, e := range h.events {
		if !strings.HasPrefix(e.Key, "mqtt-sha256/") || len(e.Key) > channels.MaxKeyBytes {
			t.Errorf("key %q", e.Key)
		}
	}
}

func TestUnknownDevicesCanBeRefused(t *testing.T) {
	h := newHub()
	h.devices[channels.DeviceRef{Type: "weatherstation", ID: "w"}] = devices.Device{
		DeviceRef: channels.DeviceRef{Type: "weatherstation", ID: "w"}, State: devices.State{Status: devices.Online}}
	p := devices.NewProcessor(h, h, devices.Options{Unknown: devices.RefuseUnknown})
	process(t, p, data("w", `{"t":1}`), data("x", `{"t":1}`), status("x", "online"))
	wantStrings(t, "refusals", h.reasons(), "device weatherstation/x is not registered", "device weatherstation/x is not registered")
	if len(h.devices) != 1 || len(h.events) != 1 {
		t.Errorf("devices %v, events %q", h.devices, h.data())
	}
}

func TestAfterAnErrorTheSameBatchIsStoredOnce(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, status("w", "online"))
	batch := []devices.Message{status("w", "offline"), data("w", `{"t":1}`)}
	h.fail = []error{errDown}
	if err := p.Process(t.Context(), batch); !errors.Is(err, errDown) {
		t.Fatalf("Process: %v", err)
	}
	h.fail = []error{errDown} // the registry, since the cache no longer trusts itself
	if err := p.Process(t.Context(), batch); !errors.Is(err, errDown) {
		t.Fatalf("Process: %v", err)
	}
	process(t, p, batch...)
	if len(h.events) != 3 || !strings.Contains(h.data()[1], `"old_status":"online","new_status":"offline"`) {
		t.Errorf("events %q", h.data())
	}
}

func TestABatchWhoseAnswerWasLostIsTriedAgainAndStoredOnce(t *testing.T) {
	h := newHub()
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, status("w", "online"))
	batch := []devices.Message{status("w", "offline"), data("w", `{"t":1}`)}
	mark := devices.Mark{Name: "bridge", Value: []byte("1")}
	h.loseAnswer = true
	if err := p.Process(t.Context(), batch, mark); !errors.Is(err, errDown) {
		t.Fatalf("Process: %v", err)
	}
	if err := p.Process(t.Context(), batch, mark); err != nil {
		t.Fatalf("Process again: %v", err)
	}
	if len(h.events) != 3 {
		t.Errorf("events %q", h.data())
	}
	// What the batch said of the device is known, though its answer never came.
	process(t, p, status("w", "online"))
	if len(h.events) != 4 || !strings.Contains(h.data()[3], `"old_status":"offline","new_status":"online"`) {
		t.Errorf("events %q", h.data())
	}
	stale := devices.Mark{Name: "bridge", Value: []byte("2")}
	if err := p.Process(t.Context(), batch, stale); !errors.Is(err, devices.ErrMarkMoved) {
		t.Errorf("Process with a mark that was moved: %v", err)
	}
	if len(h.events) != 4 {
		t.Errorf("events %q", h.data())
	}
}

func TestWhatThePublisherFindsWrongIsRefusedAlone(t *testing.T) {
	h := newHub()
	h.refuse = func(d channels.Draft) error {
		if strings.Contains(string(d.Data), "poison") {
			return errors.New("data: poison")
		}
		return nil
	}
	p := devices.NewProcessor(h, h, devices.Options{})
	process(t, p, data("w", `{"a":1}`), data("w", `{"a":"poison"}`), data("x", `{"a":"poison"}`), data("w", `{"a":3}`))
	wantStrings(t, "refusals", h.reasons(), "data: poison", "data: poison")
	if len(h.events) != 2 || string(h.device(t, "w").Values["a"]) != "3" {
		t.Errorf("events %q", h.data())
	}
	if _, ok := h.devices[channels.DeviceRef{Type: "weatherstation", ID: "x"}]; ok {
		t.Error("a device is registered whose only message was refused")
	}
}

func TestNothingToStoreAsksNobody(t *testing.T) {
	h := newHub()
	process(t, devices.NewProcessor(h, h, devices.Options{}))
	if h.batches+h.asked != 0 {
		t.Errorf("%d batches, asked %d times", h.batches, h.asked)
	}
}
