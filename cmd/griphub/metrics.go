package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// registerSource shows the source's own counts, read when they are asked for.
func registerSource(r prometheus.Registerer, source deviceSource) {
	counter := func(name, help string, value func(mqttbridge.Stats) uint64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(source.Stats())) }))
	}
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter("griphub_mqtt_received_total", "MQTT messages received, every delivery counted.",
		func(s mqttbridge.Stats) uint64 { return s.Received })
	counter("griphub_mqtt_stored_total", "MQTT messages committed, as events or as refusals.",
		func(s mqttbridge.Stats) uint64 { return s.Stored })
	counter("griphub_mqtt_duplicates_total", "Redelivered MQTT messages that were stored before.",
		func(s mqttbridge.Stats) uint64 { return s.Duplicates })
	counter("griphub_mqtt_unmatched_total", "MQTT messages whose topic no rule matches.",
		func(s mqttbridge.Stats) uint64 { return s.Unmatched })
	counter("griphub_mqtt_dropped_total", "MQTT messages of QoS 0 for which there was no room.",
		func(s mqttbridge.Stats) uint64 { return s.Dropped })
	counter("griphub_mqtt_commits_total", "Transactions that stored MQTT messages.",
		func(s mqttbridge.Stats) uint64 { return s.Batches })
	counter("griphub_mqtt_commit_failures_total", "Transactions that failed and were tried again.",
		func(s mqttbridge.Stats) uint64 { return s.Failures })
	counter("griphub_mqtt_connections_total", "Connections made to the broker.",
		func(s mqttbridge.Stats) uint64 { return s.Connections })
	gauge("griphub_mqtt_waiting_messages", "MQTT messages received and not yet committed.",
		func() float64 { return float64(source.Stats().Waiting) })
	gauge("griphub_mqtt_connected", "1 while the session at the broker is up.", func() float64 {
		if source.Connected() {
			return 1
		}
		return 0
	})
}

func registerConflater(r prometheus.Registerer, c *channels.Conflater) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "griphub_conflated_events_total", Help: "Events of channels of class state that viewers were not shown, a newer one in their place.",
	}, func() float64 { return float64(c.Conflated()) }))
}

// registerProcessor shows what became of devices' messages.
func registerProcessor(r prometheus.Registerer, p *devices.Processor) {
	for name, counter := range map[string]struct {
		help  string
		value func(devices.Stats) uint64
	}{
		"refused":  {"Messages of devices that became dead letters.", func(s devices.Stats) uint64 { return s.Refused }},
		"ignored":  {"Messages of devices that are not registered, of which nothing is kept.", func(s devices.Stats) uint64 { return s.Ignored }},
		"repeated": {"Messages of devices whose own id was stored before.", func(s devices.Stats) uint64 { return s.Repeated }},
		"late":     {"Messages of devices that the device dated before what it had said already.", func(s devices.Stats) uint64 { return s.Late }},
	} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "griphub_device_messages_" + name + "_total", Help: counter.help},
			func() float64 { return float64(counter.value(p.Stats())) }))
	}
}
