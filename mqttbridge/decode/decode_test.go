package decode_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/decode"
	"github.com/griphub/griphub/store"
)

// conventions are the rules of the documents.
var conventions = []mqttbridge.Rule{
	{Topic: "sensors/{device_id}/{field}", Type: "sensor", Kind: devices.KindData, Decoder: "value"},
	{Topic: "sensors/{device_id}", Type: "sensor", Kind: devices.KindStatus, Decoder: "value"},
	{Topic: "zigbee2mqtt/{device_id}", Type: "zigbee", Decoder: "zigbee2mqtt"},
	{Topic: "zigbee2mqtt/{device_id}/availability", Type: "zigbee", Decoder: "zigbee2mqtt"},
	{Topic: "tele/{device_id}/{what}", Type: "tasmota", Decoder: "tasmota"},
	{Topic: "shelly/{device_id}/#", Type: "shelly", Decoder: "shelly"},
	{Topic: "homeassistant/#", Decoder: "homeassistant"},
	{Topic: "esp/#", Decoder: "homeassistant"},
}

// A reader decodes what arrives on topics.
type reader struct {
	t     testing.TB
	rules mqttbridge.Rules
}

func newReader(t testing.TB) *reader {
	t.Helper()
	rules, err := mqttbridge.ParseRules(conventions)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t, rules}
}

// read is what a message comes to: "data type/id {…}", several joined by "; ", or the error.
func (r *reader) read(topic, payload string) string {
	r.t.Helper()
	m, ok := r.rules.Message(topic)
	if !ok {
		return "unmatched"
	}
	m.Payload = []byte(payload)
	messages, err := m.Decoder.Decode(m)
	if err != nil {
		return "refused: " + err.Error()
	}
	var said []string
	for _, m := range messages {
		kept := ""
		if m.Retained {
			kept = " retained"
		}
		said = append(said, fmt.Sprintf("%v %s/%s %s%s", m.Kind, m.Type, m.ID, m.Payload, kept))
	}
	return strings.Join(said, "; ")
}

// The payloads are examples of the conventions' own documents.
func TestConventionsAreRead(t *testing.T) {
	r := newReader(t) // one for all, since discovery is remembered
	const ha = "homeassistant/sensor/0x0017880104e45521/temperature/config"
	for _, c := range []struct{ topic, payload, want string }{
		{"sensors/s1/temperature", "21.5", `data sensor/s1 {"temperature":21.5}`},
		{"sensors/s1/door", "open", `data sensor/s1 {"door":"open"}`},
		{"sensors/s1/ok", " true\n", `data sensor/s1 {"ok":true}`},
		{"sensors/s1/t", "NaN", `data sensor/s1 {"t":"NaN"}`},
		{"sensors/s1/t", "", ``},
		{"sensors/s1/t", "\xff", `refused: the payload is not text`},
		{"sensors/s1", "offline", `status sensor/s1 offline`},

		{"zigbee2mqtt/0x00158d0001dc126a", `{"temperature":27.34,"humidity":44.72}`, `data zigbee/0x00158d0001dc126a {"humidity":44.72,"temperature":27.34}`},
		{"zigbee2mqtt/lamp", `{"state":"ON","color":{"x":0.7,"y":0.3},"battery":85.5}`, `data zigbee/lamp {"battery":85.5,"color":{"x":0.7,"y":0.3},"state":"ON"}; status zigbee/lamp {"battery_level":85.5}`},
		{"zigbee2mqtt/lamp", `{"battery":"low"}`, `data zigbee/lamp {"battery":"low"}`},
		{"zigbee2mqtt/lamp/availability", `{"state":"online"}`, `status zigbee/lamp {"status":"online"}`},
		{"zigbee2mqtt/lamp/availability", `offline`, `status zigbee/lamp {"status":"offline"}`},
		{"zigbee2mqtt/lamp/availability", `gone`, `refused: "gone" is neither "online" nor "offline"`},
		{"zigbee2mqtt/lamp", ``, ``},
		{"zigbee2mqtt/lamp", `on`, `refused: the payload is not a JSON object`},
		{"zigbee2mqtt/bridge", `{}`, ``},
		{"zigbee2mqtt/bridge/state", `{"state":"online"}`, `unmatched`},

		{"tele/tasmota_9CF9D1/SENSOR", `{"Time":"2024-02-24T22:20:38","AM2301":{"Temperature":21.3,"Humidity":44.0},"TempUnit":"C"}`, `data tasmota/tasmota_9CF9D1 {"AM2301.Humidity":44.0,"AM2301.Temperature":21.3,"TempUnit":"C"}`},
		{"tele/t/STATE", `{"Time":"2024-02-24T22:20:38","UptimeSec":611,"POWER":"OFF","Wifi":{"RSSI":44,"Signal":-78}}`, `data tasmota/t {"POWER":"OFF","UptimeSec":611,"Wifi.RSSI":44,"Wifi.Signal":-78}`},
		{"tele/t/LWT", `Online`, `status tasmota/t {"status":"online"}`},
		{"tele/t/LWT", `Offline`, `status tasmota/t {"status":"offline"}`},
		{"tele/t/LWT", ``, ``},
		{"tele/t/INFO1", `{"Info1":{"Module":"Generic","Version":"13.3.0(tasmota)","FallbackTopic":"cmnd/x_fb/"}}`, `status tasmota/t {"firmware_version":"13.3.0(tasmota)"}`},
		{"tele/t/INFO3", `{"Info3":{"RestartReason":"Software"}}`, ``},
		{"tele/t/SENSOR", `nan`, `refused: the payload is not a JSON object`},

		{"shelly/plus1-a8032abe54dc/online", `true`, `status shelly/plus1-a8032abe54dc {"status":"online"}`},
		{"shelly/p/online", `false`, `status shelly/p {"status":"offline"}`},
		{"shelly/p/status/switch:0", `{"id":0,"source":"init","output":false,"apower":8.9,"aenergy":{"total":6.5,"by_minute":[0,1,2]},"temperature":{"tC":42.1}}`,
			`data shelly/p {"switch:0.aenergy.by_minute":[0,1,2],"switch:0.aenergy.total":6.5,"switch:0.apower":8.9,"switch:0.output":false,"switch:0.source":"init","switch:0.temperature.tC":42.1}`},
		{"shelly/p/status/devicepower:0", `{"id":0,"battery":{"V":5.91,"percent":96},"external":{"present":false}}`,
			`data shelly/p {"devicepower:0.battery.V":5.91,"devicepower:0.battery.percent":96,"devicepower:0.external.present":false}; status shelly/p {"battery_level":96}`},
		{"shelly/p/events/rpc", `{"src":"shellyplus1-a8032abe54dc","dst":"shelly/p/events","method":"NotifyStatus","params":{"ts":1631266595.5,"switch:0":{"id":0,"output":true}}}`,
			`data shelly/p {"switch:0.output":true,"timestamp":"2021-09-10T09:36:35.5Z"}`},
		{"shelly/p/events/rpc", `{"src":"p","method":"NotifyEvent","params":{"ts":1631267354,"events":[{"component":"input:0","id":0,"event":"single_push","ts":1631267354}]}}`,
			`data shelly/p {"input:0.event":"single_push","timestamp":"2021-09-10T09:49:14Z"}`},
		{"shelly/p/events/rpc", `{"method":"NotifyEvent","params":{}}`, `refused: NotifyEvent without a list of events`},
		{"shelly/p/rpc", `{"id":1,"method":"Switch.Set"}`, ``},
		{"shelly/p/status/sys", ``, ``},

		{ha, `{"unit_of_measurement":"°C","device_class":"temperature","value_template":"{{ value_json.temperature }}","state_topic":"esp/0x0017","availability":[{"topic":"esp/bridge/state"}],"device":{"identifiers":["esp_0x0017"],"name":"Kitchen","sw_version":"1.2","model":"Aqara","manufacturer":"Xiaomi"}}`,
			`data homeassistant/esp_0x0017 {"manufacturer":"Xiaomi","model":"Aqara","name":"Kitchen","sw_version":"1.2"} retained`},
		{"homeassistant/sensor/hum/config", `{"~":"esp/node","stat_t":"~/state","val_tpl":"{{value_json['env'][\"hum\"]}}","avty_t":"~/status","pl_avail":"up","pl_not_avail":"down","dev":{"ids":"node","mdl":"ESP32"}}`,
			`data homeassistant/node {"model":"ESP32"} retained`},
		{"homeassistant/sensor/raw/config", `{"stat_t":"esp/raw"}`, `data homeassistant/raw {"name":"raw"} retained`},
		{"homeassistant/device/garage/config", `{"dev":{"ids":"garage","name":"Garage"},"o":{"name":"x"},"cmps":{"door":{"p":"binary_sensor","val_tpl":"{{ value_json.door }}"},"temp":{"p":"sensor","value_template":"{{ value_json.temp }}"}},"stat_t":"esp/garage","qos":2}`,
			`data homeassistant/garage {"name":"Garage"} retained`},
		{"esp/0x0017", `{"temperature":21.5,"humidity":40}`, `data homeassistant/esp_0x0017 {"temperature":21.5}`},
		{"esp/0x0017", `{"humidity":40}`, ``},
		{"esp/bridge/state", `offline`, `status homeassistant/esp_0x0017 {"status":"offline"}`},
		{"esp/node/state", `{"env":{"hum":40}}`, `data homeassistant/node {"hum":40}`},
		{"esp/node/status", `up`, `status homeassistant/node {"status":"online"}`},
		{"esp/node/status", `sideways`, `refused: "sideways" is neither "up" nor "down"`},
		{"esp/raw", `open`, `data homeassistant/raw {"raw":"open"}`},
		{"esp/garage", `{"door":"ON","temp":7}`, `data homeassistant/garage {"door":"ON","temp":7}`},
		{"esp/unknown", `1`, `refused: no discovery message describes this topic`},
		{"homeassistant/sensor/raw/config", ``, ``}, // taken back
		{"esp/raw", `open`, `refused: no discovery message describes this topic`},
		{"homeassistant/sensor/x/config", `{"stat_t":"esp/x","val_tpl":"{{ value | float * 2 }}"}`, `refused: entity "x": template "{{ value | float * 2 }}": only {{ value }} and {{ value_json.name }} can be read`},
		{"homeassistant/sensor/x/config", `[]`, `refused: the payload is not a JSON object`},
		{"homeassistant/sensor/x/config", `{"dev":5}`, `refused: device: not an object`},
	} {
		if got := r.read(c.topic, c.payload); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.topic, c.payload, got, c.want)
		}
	}
}

func TestTheDecodersAreKnownByName(t *testing.T) {
	if want := []string{"homeassistant", "json", "shelly", "tasmota", "value", "zigbee2mqtt"}; !slices.Equal(decode.Names(), want) {
		t.Errorf("the decoders are %q", decode.Names())
	}
	if _, err := decode.New("zwave"); err == nil || !strings.Contains(err.Error(), "want homeassistant, json") {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestDecodedMessagesBecomeEventsAndStates(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "hub.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := devices.NewProcessor(appender{db}, db, devices.Options{})
	r := newReader(t)
	for _, said := range []struct {
		topic, payload string
		retained       bool
	}{
		{"tele/plug/LWT", "Online", true}, {"tele/plug/SENSOR", `{"ENERGY":{"Power":5}}`, true},
		{"tele/plug/SENSOR", `{"ENERGY":{"Power":7}}`, false}, {"tele/plug/LWT", "Offline", false}, {"tele/plug/SENSOR", "x", false},
		{"zigbee2mqtt/lamp", `{"battery":55,"state":"ON"}`, false},
	} {
		m, _ := r.rules.Message(said.topic)
		m.Payload, m.Retained, m.Received = []byte(said.payload), said.retained, time.Now()
		if err := p.Process(t.Context(), []devices.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := db.Latest(t.Context(), "iot_tasmota_plug", 10)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range page.Events {
		types = append(types, e.Type)
	}
	if want := []string{"status", "data", "status"}; !slices.Equal(types, want) { // what was retained is no data event
		t.Errorf("the plug's events are %v, want %v", types, want)
	}
	found, err := db.Devices(t.Context(), []channels.DeviceRef{{Type: "tasmota", ID: "plug"}, {Type: "zigbee", ID: "lamp"}})
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	slices.SortFunc(found, func(a, b devices.Device) int { return strings.Compare(a.Type, b.Type) })
	if d := found[0]; d.Status != devices.Offline || string(d.Values["ENERGY.Power"]) != "7" {
		t.Errorf("the plug is %+v", d)
	}
	if d := found[1]; d.Battery == nil || *d.Battery != 55 {
		t.Errorf("the lamp is %+v", d)
	}
	refused, err := db.Refusals(t.Context(), 0, 10)
	if err != nil || len(refused) != 1 || string(refused[0].Payload) != "x" || refused[0].Source != "tele/plug/SENSOR" {
		t.Errorf("refused: %+v, %v", refused, err)
	}
}

func TestWhatIsTooMuchIsRefused(t *testing.T) {
	r := newReader(t)
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	var wide []string
	for n := range 1000 {
		wide = append(wide, fmt.Sprintf(`"f%d":%d`, n, n))
	}
	for name, got := range map[string]string{
		"deep": r.read("tele/t/SENSOR", deep),
		"wide": r.read("shelly/p/status/sys", "{"+strings.Join(wide, ",")+"}"),
	} {
		if !strings.HasPrefix(got, "refused") {
			t.Errorf("%s: %.200s", name, got)
		}
	}
	last := ""
	for n := range 30_000 {
		last = r.read(fmt.Sprintf("homeassistant/sensor/%d/config", n), fmt.Sprintf(`{"stat_t":"esp/%d"}`, n))
	}
	if !strings.Contains(last, "more than 20000 entities") {
		t.Errorf("the 30,000th entity: %s", last)
	}
}

// fuzzDecoder feeds a decoder two messages, since some remember, and looks at what comes out.
func fuzzDecoder(f *testing.F, name string, topics ...string) {
	for _, topic := range topics {
		for _, payload := range []string{
			``, `{}`, `[]`, `1`, `true`, `online`, `{"a":{"b":[1,{"c":null}]}}`, `{"state":"online","battery":1e999}`, `{"Time":1,"Info1":{"Version":"1"}}`,
			`{"method":"NotifyStatus","params":{"ts":-1,"x:0":{"battery":{"percent":5}}}}`, `{"method":"NotifyEvent","params":{"events":[{"component":"a","event":{}}]}}`,
			`{"~":"x","stat_t":"esp/x","val_tpl":"{{ value_json.a['b'] }}","avty":[{"t":"~/y"}],"dev":{"ids":["a/b"]},"cmps":{"a":{},"b":null}}`, "\xff",
		} {
			f.Add(topic, []byte(payload), "esp/x", []byte(`{"a":{"b":1}}`))
		}
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte, then string, second []byte) {
		decoder, err := decode.New(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []devices.Message{{Topic: topic, Payload: payload}, {Topic: then, Payload: second}} {
			m.Kind, m.Type, m.ID = devices.KindData, "type", "id"
			before := string(m.Payload)
			messages, err := decoder.Decode(m)
			if string(m.Payload) != before {
				t.Fatal("the payload was changed")
			}
			if err != nil && err.Error() == "" {
				t.Fatal("refused without a reason")
			}
			for _, made := range messages {
				if !json.Valid(made.Payload) || made.ID == "" || made.Kind != devices.KindData && made.Kind != devices.KindStatus {
					t.Fatalf("made %v of %s: %q", made.Kind, made.ID, made.Payload)
				}
			}
		}
	})
}

func FuzzValue(f *testing.F) { fuzzDecoder(f, "value", "sensors/s1/t") }
func FuzzZigbee2MQTT(f *testing.F) {
	fuzzDecoder(f, "zigbee2mqtt", "zigbee2mqtt/x", "zigbee2mqtt/x/availability")
}
func FuzzTasmota(f *testing.F) {
	fuzzDecoder(f, "tasmota", "tele/x/SENSOR", "tele/x/LWT", "tele/x/INFO1")
}
func FuzzShelly(f *testing.F) {
	fuzzDecoder(f, "shelly", "p/online", "p/status/switch:0", "p/events/rpc")
}
func FuzzHomeAssistant(f *testing.F) {
	fuzzDecoder(f, "homeassistant", "homeassistant/sensor/x/config", "esp/x")
}
