package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

const conventions = `
mqtt:
  topics:
    - {topic: "zigbee2mqtt/{device_id}", decoder: zigbee2mqtt, type: zigbee}
    - {topic: "zigbee2mqtt/{device_id}/availability", decoder: zigbee2mqtt, type: zigbee}
    - {topic: "tele/{device_id}/{what}", decoder: tasmota, type: tasmota}
    - {topic: "shelly/{device_id}/#", decoder: shelly, type: shelly}
    - {topic: "sensors/{device_id}/{field}", decoder: value, kind: data, type: sensor}
    - {topic: "homeassistant/#", decoder: homeassistant}
    - {topic: "esp/#", decoder: homeassistant}
`

func TestDevicesOfOtherConventionsAreSeen(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: conventions})
	pub := func(topic, payload string, more ...string) {
		e2e.MosquittoPub(t, hub.MQTT, append([]string{"-t", topic, "-m", payload}, more...)...)
	}
	viewer := watch(t, hub.URL("/iot/stream/tasmota/"))
	pub("tele/plug/LWT", "Online", "-r")
	viewer.Expect(t, "status")
	pub("tele/plug/SENSOR", `{"Time":"2024-02-24T22:20:38","ENERGY":{"Power":5}}`)
	if e := viewer.Expect(t, "data"); !strings.Contains(e.Data, `"data":{"ENERGY.Power":5}`) {
		t.Errorf("the plug says %s", e.Data)
	}
	pub("zigbee2mqtt/lamp", `{"state":"ON","battery":80}`)
	pub("zigbee2mqtt/lamp/availability", `{"state":"online"}`)
	pub("shelly/plus1/status/switch:0", `{"id":0,"output":true}`)
	pub("sensors/s1/temperature", "21.5")
	pub("homeassistant/sensor/kitchen/config", `{"stat_t":"esp/kitchen","val_tpl":"{{ value_json.t }}","dev":{"ids":"kitchen","name":"Kitchen"}}`, "-r")
	pub("esp/kitchen", `{"t":20}`)
	for device, want := range map[string]string{
		"zigbee/lamp": `"ON"`, "shelly/plus1": "switch:0.output", "sensor/s1": `"temperature": 21.5`, "homeassistant/kitchen": `"kitchen": 20`,
	} {
		e2e.Eventually(t, device+" is registered", func() bool {
			return strings.Contains(hub.Run(t, "devices", "show", device).Stdout, want)
		})
	}
	var lamp struct {
		Status  string   `json:"status"`
		Battery *float64 `json:"battery_level"`
	}
	if err := json.Unmarshal([]byte(run(t, hub, "devices", "show", "zigbee/lamp")), &lamp); err != nil || lamp.Status != "online" || lamp.Battery == nil || *lamp.Battery != 80 {
		t.Errorf("the lamp is %+v, %v", lamp, err)
	}
	hub.Stop(t)
}

func TestDiscoveryIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Env: []string{
		`GRIPHUB_MQTT_TOPICS=[{topic: "homeassistant/#", decoder: homeassistant}, {topic: "esp/#", decoder: homeassistant}]`,
	}})
	value := func(want string) func() bool {
		return func() bool {
			return strings.Contains(hub.Run(t, "devices", "show", "homeassistant/kitchen").Stdout, want)
		}
	}
	e2e.MosquittoPub(t, hub.MQTT, "-r", "-t", "homeassistant/sensor/t/config", "-m", `{"stat_t":"esp/kitchen","dev":{"ids":"kitchen"}}`)
	e2e.MosquittoPub(t, hub.MQTT, "-t", "esp/kitchen", "-m", "20")
	e2e.Eventually(t, "the reading is known", value(`"t": 20`))
	hub.Restart(t)
	e2e.Eventually(t, "the discovery message has come again", func() bool {
		e2e.MosquittoPub(t, hub.MQTT, "-t", "esp/kitchen", "-m", "21")
		return value(`"t": 21`)()
	})
	hub.Stop(t)
}
