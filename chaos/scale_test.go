//go:build long

package chaos

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onHosts makes a run on a plant.
func onHosts(t *testing.T, setup string, lags bool) (*run, *plant) {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	p := newPlant(t, lags)
	r := &run{t: t, seed: seed, system: p.system, book: newBook(), report: &report{setup: setup, seed: seed}, calm: 2}
	r.begin()
	return r, p
}

// tell ends the run and says what it has found.
func (r *run) tell() {
	r.t.Helper()
	r.finish()
	if len(r.report.problems) > 0 {
		r.t.Errorf("%v", r.report)
	} else {
		r.t.Logf("%v", r.report)
	}
}

// resets counts how often viewers were told to expect nothing of what they missed.
func (r *report) resets() (n int) {
	for _, v := range r.viewers {
		if !strings.HasPrefix(v.kind, "poll by cookie") { // which forgets by itself, where an answer is cut off
			n += v.resets
		}
	}
	return n
}

const (
	// partitions last longer between hosts that have something to say.
	talkingCut, silentCut = 8 * time.Second, 500 * time.Millisecond
	afterCut              = 4 * time.Second
	// unplugged is longer than any part waits for a sign of life from the database.
	unplugged = 15 * time.Second
)

// Whatever two hosts cannot reach each other, and whatever is restarted, nothing is lost, nothing is shown twice, and nobody is
// told to begin anew.
func TestEachPairOfHostsIsParted(t *testing.T) {
	r, p := onHosts(t, "partitions", false)
	var faults []fault
	at := time.Second
	for _, pair := range p.network.pairs() {
		w := &way{
			part: pair[0].name + " – " + pair[1].name, name: "parted",
			inject: func() { cut(pair[0], pair[1]) }, heal: func() { join(pair[0], pair[1]) },
		}
		lasts, rest := silentCut, time.Duration(0)
		if p.talk(pair[0], pair[1]) {
			lasts, rest = talkingCut, afterCut
		}
		faults = append(faults, fault{way: w, at: at, heal: at + lasts})
		at += lasts + rest
	}
	r.breakThings(faults)
	r.tell()
	if n := r.report.resets(); n > 0 {
		t.Errorf("viewers were reset %d times", n)
	}
}

// A host that is cut off from everybody, as by its cable, is missed by nobody.
func TestEachHostIsUnplugged(t *testing.T) {
	r, p := onHosts(t, "unplugged hosts", false)
	var faults []fault
	at := time.Second
	for _, h := range p.network.hosts[1:] {
		faults = append(faults, fault{
			way: &way{part: h.name, name: "unplugged", inject: h.unplug, heal: h.plug}, at: at, heal: at + unplugged,
		})
		at += unplugged + afterCut
	}
	r.breakThings(faults)
	r.tell()
	if n := r.report.resets(); n > 0 {
		t.Errorf("viewers were reset %d times", n)
	}
}

// Every griphub and every Pushpin is replaced in turn while devices send and viewers watch, and nobody notices.
func TestARollingUpgradeIsNoticedByNobody(t *testing.T) {
	r, p := onHosts(t, "rolling upgrade", false)
	for _, list := range [][]*service{p.hubs, p.proxies} {
		for _, s := range list {
			page := r.openPage()
			r.report.faults = append(r.report.faults, fault{way: &way{part: s.name, name: "replaced"}})
			r.restart(s)
			page.close()
		}
	}
	r.tell()
	if n := r.report.resets(); n > 0 {
		t.Errorf("viewers were reset %d times", n)
	}
}

// loadFor is how long devices and programs send before something happens to the database, and after.
const loadFor = 5 * time.Second

// lose takes the first server of the database away, as a power failure does, and lets the standby take over. It returns
// how long no event could be stored.
func (p *plant) lose(r *run) time.Duration {
	start := time.Now()
	p.first.unplug()
	p.primary.down(syscall.SIGKILL)
	p.promote(r.t)
	r.awaitReady("after the standby took over")
	return time.Since(start)
}

// Where the database confirms only what its standby has too, a failover loses nothing.
func TestAFailoverToASynchronousStandbyLosesNothing(t *testing.T) {
	r, p := onHosts(t, "failover, synchronous", false)
	time.Sleep(loadFor)
	// The log cannot know that nothing is missing, and jumps. Nothing that was acknowledged may be.
	r.report.takeover = &takeover{}
	t.Logf("ready %v after the first server was lost", p.lose(r))
	time.Sleep(loadFor)
	r.tell()
	if r.report.unmade > 0 {
		t.Errorf("%d times an event was shown that the log does not have", r.report.unmade)
	}
}

// Where the database confirms what its standby does not have yet, a failover loses that, and whoever has seen some of it
// is told.
func TestAFailoverToALaggingStandbyIsAnnounced(t *testing.T) {
	r, p := onHosts(t, "failover, lagging", true)
	time.Sleep(loadFor)
	since := time.Now()
	cut(p.first, p.other)
	time.Sleep(loadFor)
	r.report.takeover = &takeover{since.Add(-time.Second), time.Now().Add(time.Second)}
	t.Logf("ready %v after the first server was lost", p.lose(r))
	time.Sleep(loadFor)
	r.tell()
	if r.report.gone == 0 || r.report.unmade == 0 {
		t.Errorf("%d messages are gone, and were shown %d times: the standby did not lag", r.report.gone, r.report.unmade)
	}
	if r.report.resets() == 0 {
		t.Error("nobody was told")
	}
}
