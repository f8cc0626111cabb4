package main

import (
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/webhook"
)

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "griphub_build_info", Help: "Always 1; the labels tell the version, and the Go that built it.",
		ConstLabels: prometheus.Labels{"version": version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build)
	return r
}

// Metrics that parts of the hub keep themselves are read when they are asked for.

// counter shows a part's own count. labels may be nil.
func counter(r prometheus.Registerer, name, help string, labels prometheus.Labels, value func() uint64) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) }))
}

// gauge shows a part's own measure.
func gauge(r prometheus.Registerer, name, help string, labels prometheus.Labels, value func() float64) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func registerSource(r prometheus.Registerer, source deviceSource) {
	count := func(name, help string, value func(mqttbridge.Stats) uint64) {
		counter(r, "griphub_mqtt_"+name, help, nil, func() uint64 { return value(source.Stats()) })
	}
	count("messages_received_total", "MQTT messages received, every delivery counted.",
		func(s mqttbridge.Stats) uint64 { return s.Received })
	count("messages_stored_total", "MQTT messages committed, as events or as refusals.",
		func(s mqttbridge.Stats) uint64 { return s.Stored })
	count("messages_duplicate_total", "Redelivered MQTT messages that were stored before.",
		func(s mqttbridge.Stats) uint64 { return s.Duplicates })
	count("messages_unmatched_total", "MQTT messages whose topic no rule matches.",
		func(s mqttbridge.Stats) uint64 { return s.Unmatched })
	count("messages_dropped_total", "MQTT messages of QoS 0 for which there was no room.",
		func(s mqttbridge.Stats) uint64 { return s.Dropped })
	count("commits_total", "Transactions that stored MQTT messages.",
		func(s mqttbridge.Stats) uint64 { return s.Batches })
	count("commit_failures_total", "Transactions of MQTT messages that failed and were tried again.",
		func(s mqttbridge.Stats) uint64 { return s.Failures })
	count("connections_total", "Connections made to the broker.",
		func(s mqttbridge.Stats) uint64 { return s.Connections })
	gauge(r, "griphub_mqtt_queue_messages", "MQTT messages received and not yet committed.", nil,
		func() float64 { return float64(source.Stats().Waiting) })
	gauge(r, "griphub_mqtt_connected", "1 while this process has the session at the broker, else 0; of several processes one has it.", nil,
		func() float64 { return oneIf(source.Connected()) })
}

// registerEvents shows what is on its way from the publisher to the proxies.
func registerEvents(r prometheus.Registerer, p *channels.Publisher, c *channels.Conflater) {
	gauge(r, "griphub_publisher_queue_batches", "Batches of events that wait for their transaction.", nil,
		func() float64 { return float64(p.Waiting()) })
	gauge(r, "griphub_conflation_queue_events", "Events of channels of class state that are held back until viewers may be shown something new.", nil,
		func() float64 { return float64(c.Held()) })
	counter(r, "griphub_events_conflated_total", "Events of channels of class state that viewers were not shown, a newer one in their place.", nil,
		c.Conflated)
}

// registerProcessor shows what became of devices' messages.
func registerProcessor(r prometheus.Registerer, p *devices.Processor) {
	count := func(name, help string, value func(devices.Stats) uint64) {
		counter(r, "griphub_device_messages_"+name+"_total", help, nil, func() uint64 { return value(p.Stats()) })
	}
	count("refused", "Messages of devices that became dead letters.", func(s devices.Stats) uint64 { return s.Refused })
	count("ignored", "Messages of devices that are not registered, of which nothing is kept.", func(s devices.Stats) uint64 { return s.Ignored })
	count("repeated", "Messages of devices whose own id was stored before.", func(s devices.Stats) uint64 { return s.Repeated })
	count("late", "Messages of devices that the device dated before what it had said already.", func(s devices.Stats) uint64 { return s.Late })
}

// registerAudience shows who listens, and how the reading of each stats socket does. Subscriptions are counted by kinds of channels,
// of which there are few, and never by channels.
func registerAudience(r prometheus.Registerer, audience *pushpin.Audience) {
	for i, s := range audience.Status() {
		gauge(r, "griphub_presence_connected", "1 while the proxy's stats socket is read, else 0.", prometheus.Labels{"socket": s.Endpoint},
			func() float64 { return oneIf(audience.Status()[i].State != channels.PresenceAway) })
	}
	r.MustRegister(audience)
}

func registerHooks(r prometheus.Registerer, list channels.Hooks) {
	for _, h := range slices.Concat(list.Receive, list.Send) {
		count := func(name, help string, value func(channels.HookStats) uint64) {
			counter(r, "griphub_hook_"+name, help, prometheus.Labels{"hook": h.Name()}, func() uint64 { return value(h.Stats()) })
		}
		count("events_asked_total", "Events that the hook was asked about.", func(s channels.HookStats) uint64 { return s.Asked })
		count("events_changed_total", "Events that the hook has changed.", func(s channels.HookStats) uint64 { return s.Changed })
		count("events_dropped_total", "Events that the hook has dropped.", func(s channels.HookStats) uint64 { return s.Dropped })
		count("events_refused_total", "Events that the hook has refused.", func(s channels.HookStats) uint64 { return s.Refused })
		count("failures_total", "Calls of the hook that failed or were answered by nonsense.", func(s channels.HookStats) uint64 { return s.Failures })
		count("events_passed_total", "Events that were published as they were because the hook had failed.",
			func(s channels.HookStats) uint64 { return s.Passed })
	}
}

func registerSubscribers(r prometheus.Registerer, list []*webhook.Subscriber) {
	for _, s := range list {
		count := func(name, help string, value func(webhook.SubscriberStats) uint64) {
			counter(r, "griphub_subscriber_"+name, help, prometheus.Labels{"subscriber": s.Name()}, func() uint64 { return value(s.Stats()) })
		}
		count("messages_delivered_total", "Messages that the subscriber took.",
			func(s webhook.SubscriberStats) uint64 { return s.Delivered })
		count("failures_total", "Tries to deliver to the subscriber that failed.",
			func(s webhook.SubscriberStats) uint64 { return s.Failures })
		count("messages_dead_total", "Messages that were put away, as the subscriber did not take them.",
			func(s webhook.SubscriberStats) uint64 { return s.Dead })
		count("channels_lost_total", "Channels whose events were trimmed before the subscriber took them.",
			func(s webhook.SubscriberStats) uint64 { return s.Lost })
	}
}
