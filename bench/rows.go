package main

import (
	"context"
	"time"

	"github.com/griphub/griphub/bench/subject"
)

// The sides' names.
const (
	pushpin  = "pushpin"
	grouped  = "pushpin grouped"
	griphub  = "griphub"
	batches  = "griphub batches"
	sqlite   = "griphub sqlite"
	postgres = "griphub postgres"
)

// rawGrouped is Pushpin at its best: what has come in a tenth of a second makes one item per channel.
var rawGrouped = subject.Raw{Every: 100 * time.Millisecond, Merge: true}

// rows are the table. The peers do what anybody can do that has streams and publishing over HTTP.
func rows(peers []subject.Peer) []row {
	const deliveries, events, requests = "deliveries", "events", "requests"
	devices := flood{audience: audience{channels: 1000, viewers: 1, settled: true}, events: 60_000}
	fromBroker := devices
	fromBroker.batch = 1000
	thousand := audience{channels: 1, viewers: 1000}
	newest := thousand
	newest.options.Newest = true
	rising := climb{
		audience: thousand, lasting: 4 * time.Second, p99: 200 * time.Millisecond,
		perSecond: []float64{20, 80, 300, 400, 500, 600, 700},
	}
	sockets := thousand
	sockets.sockets = true
	risingSockets := climb{
		audience: sockets, lasting: 4 * time.Second, p99: 500 * time.Millisecond, perSecond: []float64{15, 20, 25, 30, 40, 50},
	}
	risingBatches := risingSockets
	risingBatches.perSecond = []float64{15, 25, 50, 75, 100, 150, 200, 250, 300}
	at := func(a audience, perSecond float64, lasting time.Duration) pace {
		return pace{audience: a, perSecond: perSecond, lasting: lasting}
	}
	tenThousand := audience{channels: 1, viewers: 10_000}
	hundred := audience{channels: 100, viewers: 1}
	burst := pace{audience: audience{channels: 1, viewers: 20, sockets: true}, perSecond: 500, burst: 1000, lasting: 10 * time.Second}
	viaMQTT := subject.Griphub{MQTT: true}

	table := []row{
		{
			name: "devices", title: "MQTT QoS 1 → log → Pushpin → 1,000 channels × 1 SSE, flat out", unit: deliveries,
			sides: []side{
				{pushpin, devices.by(subject.Raw{})},
				{sqlite, fromBroker.by(viaMQTT)},
				{postgres, fromBroker.by(subject.Griphub{MQTT: true, Postgres: true})},
			},
			bars: []bar{atLeast(sqlite, rate, 0).of(pushpin, 0.8, 0), atLeast(postgres, rate, 0).of(pushpin, 0.8, 0)},
		},
		{
			name: "fan-out", title: "one channel, 1,000 SSE viewers: the highest rate with p99 ≤ 200 ms", unit: deliveries,
			sides: append([]side{
				{pushpin, rising.by(subject.Raw{})},
				{grouped, rising.by(rawGrouped)},
				{griphub, rising.by(subject.Griphub{})},
			}, withPeers(peers, rising.by)...),
			bars: append([]bar{atLeast(griphub, rate, 300_000), atLeast(griphub, rate, 0).of(grouped, 0.9, 0)},
				overPeers(peers, 3)...),
		},
		{
			name: "fan-out-300", title: "one channel, 1,000 SSE viewers, 300 events/s", unit: deliveries,
			sides: []side{
				{grouped, at(thousand, 300, 10*time.Second).by(rawGrouped)},
				{griphub, at(thousand, 300, 10*time.Second).by(subject.Griphub{})},
			},
			bars: []bar{atMost(griphub, p99, 120)},
		},
		{
			name: "fan-out-50", title: "one channel, 1,000 SSE viewers, 50 events/s", unit: deliveries,
			sides: append([]side{
				{grouped, at(thousand, 50, 10*time.Second).by(rawGrouped)},
				{griphub, at(thousand, 50, 10*time.Second).by(subject.Griphub{})},
			}, withPeers(peers, at(thousand, 50, 10*time.Second).by)...),
			bars: []bar{atMost(griphub, p50, 50), atMost(griphub, p99, 80)},
		},
		{
			name: "crowd-20", title: "one channel, 10,000 SSE viewers, 20 events/s", unit: deliveries,
			sides: []side{
				{grouped, at(tenThousand, 20, 10*time.Second).by(subject.Raw{Every: 500 * time.Millisecond, Merge: true})},
				{griphub, at(tenThousand, 20, 10*time.Second).by(subject.Griphub{})},
			},
			bars: []bar{atMost(griphub, p99, 1000)},
		},
		{
			name: "crowd-40", title: "one channel, 10,000 SSE viewers, 40 events/s", unit: deliveries,
			sides: []side{
				{grouped, at(tenThousand, 40, 10*time.Second).by(subject.Raw{Every: 500 * time.Millisecond, Merge: true})},
				{griphub, at(tenThousand, 40, 10*time.Second).by(subject.Griphub{})},
			},
			bars: []bar{atMost(griphub, p99, 1000)},
		},
		{
			name: "overload", title: "one channel, 1,000 SSE viewers, 2,500 events/s for half a minute: twice what fits", unit: deliveries,
			sides: []side{{griphub, at(thousand, 2500, 30*time.Second).by(subject.Griphub{})}},
			bars:  []bar{atMost(griphub, recovery, 10)},
		},
		{
			name: "overload-state", title: "the same of one device, whose viewers are shown the newest (class: state)", unit: deliveries,
			sides: []side{{griphub, at(newest, 2500, 30*time.Second).by(subject.Griphub{State: true})}},
			bars:  []bar{atMost(griphub, recovery, 10)},
		},
		{
			name: "sockets", title: "one channel, 1,000 WebSockets: the highest rate with p99 ≤ 500 ms", unit: deliveries,
			sides: []side{
				{pushpin, risingSockets.by(subject.Raw{Sockets: true})},
				{griphub, risingSockets.by(subject.Griphub{})},
				{batches, risingBatches.by(subject.Griphub{Batches: true})},
			},
			bars: []bar{atLeast(griphub, rate, 0).of(pushpin, 1, 0), atLeast(batches, rate, 0).of(pushpin, 1, 0)},
		},
		{
			name: "socket-bursts", title: "one channel, 20 WebSockets, bursts of 1,000 events", unit: deliveries,
			sides: []side{
				{pushpin, burst.by(subject.Raw{Sockets: true})},
				{griphub, burst.by(subject.Griphub{})},
				{batches, burst.by(subject.Griphub{Batches: true})},
			},
			bars: []bar{atMost(griphub, lost, 0), atMost(batches, lost, 0)},
		},
		{
			name: "publish", title: "POST /api/publish, 1,000 events a request, 4 clients, no viewers", unit: events,
			sides: []side{
				{sqlite, appends{events: 200_000, batch: 1000, clients: 4}.by(subject.Griphub{})},
				{postgres, appends{events: 200_000, batch: 1000, clients: 4}.by(subject.Griphub{Postgres: true})},
			},
			bars: []bar{atLeast(sqlite, rate, 30_000), atLeast(postgres, rate, 20_000)},
		},
		{
			name: "publish-command", title: "griphub publish --jsonl, no viewers", unit: events,
			sides: []side{
				{sqlite, appends{events: 200_000, batch: 1000, clients: 1, command: true}.by(subject.Griphub{})},
				{postgres, appends{events: 200_000, batch: 1000, clients: 1, command: true}.by(subject.Griphub{Postgres: true})},
			},
			bars: []bar{atLeast(sqlite, rate, 30_000), atLeast(postgres, rate, 20_000)},
		},
		{
			name: "publish-single", title: "POST /api/publish, 1 event a request, 64 clients, no viewers", unit: events,
			sides: []side{
				{sqlite, appends{events: 40_000, batch: 1, clients: 64}.by(subject.Griphub{})},
				{postgres, appends{events: 40_000, batch: 1, clients: 64}.by(subject.Griphub{Postgres: true})},
			},
			bars: []bar{atLeast(sqlite, rate, 5000), atLeast(postgres, rate, 5000)},
		},
		latency("latency-100", "MQTT → SSE, 100 channels × 1 SSE, 100 events/s", at(hundred, 100, 10*time.Second)),
		latency("latency-1000", "MQTT → SSE, 100 channels × 1 SSE, 1,000 events/s", at(hundred, 1000, 10*time.Second)),
		{
			name: "hold", title: "hold answers to new streams, one core", unit: requests,
			sides: []side{{griphub, holding{requests: 40_000, clients: 8}.by(subject.Griphub{Procs: 1})}},
			bars:  []bar{atLeast(griphub, rate, 10_000)},
		},
		{
			name: "resume", title: "hold answers with 100 missed events, one core", unit: requests,
			sides: []side{{griphub, holding{requests: 10_000, clients: 8, missed: 100}.by(subject.Griphub{Procs: 1})}},
			bars:  []bar{atLeast(griphub, rate, 3000)},
		},
		{
			name: "storm", title: "10,000 SSE viewers drop and come back at once", unit: "streams",
			sides: []side{
				{pushpin, storm{viewers: 10_000}.by(subject.Raw{})},
				{griphub, storm{viewers: 10_000, missed: 10, resumes: true}.by(subject.Griphub{})},
			},
			bars: []bar{atMost(griphub, opening, 0).of(pushpin, 1.3, 0)},
		},
		{
			name: "memory", title: "griphub's memory with 10,000 SSE viewers after 100,000 devices' messages", unit: deliveries,
			sides: []side{
				{"griphub 100", crowd{viewers: 100, devices: 100_000}.by(subject.Griphub{})},
				{griphub, crowd{viewers: 10_000, devices: 100_000}.by(subject.Griphub{})},
			},
			bars: []bar{atMost(griphub, memory, 80)},
		},
		{
			name: "growth", title: "appending to 10 million stored events, with trimming, against 100,000", unit: events,
			sides: []side{
				{sqlite, growth{small: 100_000, large: 10_000_000, lasting: 10 * time.Second}.by(false)},
				{postgres, growth{small: 100_000, large: 10_000_000, lasting: 10 * time.Second}.by(true)},
			},
			bars: []bar{atLeast(sqlite, slowdown, 0.8), atLeast(postgres, slowdown, 0.8)},
		},
	}
	return table
}

// latency compares the way through griphub with the shortest way there is from MQTT to Pushpin.
func latency(name, title string, p pace) row {
	return row{
		name: name, title: title, unit: "deliveries",
		sides: []side{{pushpin, p.by(subject.Raw{MQTT: true})}, {griphub, p.by(subject.Griphub{MQTT: true})}},
		bars:  []bar{atMost(griphub, p50, 0).of(pushpin, 1, 2), atMost(griphub, p99, 0).of(pushpin, 1, 10)},
	}
}

func withPeers(peers []subject.Peer, by func(subject.Starter) func(context.Context, *measurement) (result, error)) []side {
	var sides []side
	for _, p := range peers {
		sides = append(sides, side{p.Name, by(p)})
	}
	return sides
}

func overPeers(peers []subject.Peer, times float64) []bar {
	var bars []bar
	for _, p := range peers {
		bars = append(bars, atLeast(griphub, rate, 0).of(p.Name, times, 0))
	}
	return bars
}
