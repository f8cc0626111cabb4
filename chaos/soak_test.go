//go:build long

package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

var soakFlag = flag.Duration("chaos.soak", time.Hour, "how long griphub runs with broker and proxy failing now and then, and is measured")

// samples are how many measurements a soak takes, at least as far apart as shortestSample.
const (
	samples        = 240
	shortestSample = time.Second
)

// Who goes on running does not grow: while devices and programs publish, viewers come and go, and broker and proxy fail now and
// then, griphub's memory, goroutines and descriptors stay what they were.
func TestASoakLeavesMemoryAndDescriptorsFlat(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	t.Logf("seed %d", seed)
	r := &run{t: t, seed: seed, system: newSoak(t), book: newBook(), report: &report{setup: "soak", seed: seed}, calm: 4}
	r.begin()
	visits := r.receive()
	sampler := startSampler(r.system.ops[0]+"/metrics", max(shortestSample, *soakFlag/samples))
	pause := pause{20 * time.Second, 40 * time.Second}
	faults := plan(seed, int(*soakFlag/pause.longest)+1, r.system.ways, pause)
	r.breakThings(slices.DeleteFunc(faults, func(f fault) bool { return f.heal > *soakFlag }))
	time.Sleep(*soakFlag - r.report.took)
	measured := sampler.stop()
	visits.end()
	r.viewers = append(r.viewers, visits.all...)
	r.finish()
	if len(r.report.problems) > 0 {
		t.Errorf("%v", r.report)
	} else {
		t.Logf("%v", r.report)
	}
	table, grown := measured.judge()
	t.Logf("%d measurements, the first quarter not counted:\n\n%s", len(measured), table)
	for _, what := range grown {
		t.Error(what)
	}
}

// newSoak makes one griphub serve, which nothing happens to, between one Pushpin and one Mosquitto, which fail.
func newSoak(t *testing.T) *system {
	t.Helper()
	s := &system{}
	broker := s.addBroker(t)
	s.serve(t, 1, "sqlite:"+filepath.Join(t.TempDir(), "griphub.db"), broker)
	s.ways = slices.DeleteFunc(s.ways, func(w *way) bool { return w.part != "Mosquitto" && w.part != "Pushpin" })
	s.add(&way{part: "network", name: "connections of viewers cut", weight: 3, inject: s.balancer.cut})
	return s
}

// visits are viewers who come and go.
type visits struct {
	all     []viewer
	leave   chan struct{}
	leaving sync.WaitGroup
}

const (
	visitEvery = 2 * time.Second
	visitFor   = 10 * time.Second
)

// receive lets viewers of all kinds come and go until visits end.
func (r *run) receive() *visits {
	v, url := &visits{leave: make(chan struct{})}, r.system.balancer.url
	kinds := []func() viewer{
		func() viewer {
			s := openStream(r.t, url, "/events/?channel=room-0&channel=room-1", "room-0", "room-1")
			s.passing = true
			return s
		},
		func() viewer {
			s := openSocket(url, "/ws/iot/alpha/", nil, "iot_alpha")
			s.passing = true
			return s
		},
		func() viewer {
			s := openStream(r.t, url, "/iot/stream/beta/", "iot_beta")
			s.passing = true
			return s
		},
		func() viewer {
			p := openPoller(url, "/iot/poll/beta/", "iot_beta", 5, false, nil)
			p.passing = true
			return p
		},
	}
	v.leaving.Go(func() {
		tick := time.NewTicker(visitEvery)
		defer tick.Stop()
		var here []viewer
		for n := 0; ; n++ {
			visitor := kinds[n%len(kinds)]()
			here, v.all = append(here, visitor), append(v.all, visitor)
			if len(here) > int(visitFor/visitEvery) {
				here[0].close()
				here = here[1:]
			}
			select {
			case <-tick.C:
			case <-v.leave:
				return
			}
		}
	})
	return v
}

// end lets nobody come any more. Who is here is closed with all other viewers.
func (v *visits) end() {
	close(v.leave)
	v.leaving.Wait()
}

// A sampler reads a program's own measurements again and again.
type sampler struct {
	ended chan struct{}
	taken chan measurements
}

func startSampler(url string, interval time.Duration) *sampler {
	s := &sampler{ended: make(chan struct{}), taken: make(chan measurements, 1)}
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		client := &http.Client{Timeout: interval}
		defer client.CloseIdleConnections()
		start, all := time.Now(), measurements(nil)
		for {
			if m, err := measure(client, url); err == nil {
				m.at = time.Since(start)
				all = append(all, m)
			}
			select {
			case <-tick.C:
			case <-s.ended:
				s.taken <- all
				return
			}
		}
	}()
	return s
}

func (s *sampler) stop() measurements {
	close(s.ended)
	return <-s.taken
}

// measure asks for one measurement.
func measure(client *http.Client, url string) (m measurement, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return m, fmt.Errorf("status %d", resp.StatusCode)
	}
	return parseMeasurement(resp.Body)
}
