package chaos

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

var (
	seedFlag   = flag.Uint64("chaos.seed", 1, "decides the faults; 0 chooses one")
	faultsFlag = flag.Int("chaos.faults", 10, "faults with each set-up")
	dbFlag     = flag.String("chaos.db", "", "one set-up alone: sqlite, dev or postgres")
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m, "clockfile")) }

// limits of waiting, which a slow and busy machine keeps.
const (
	startPatience  = 2 * time.Minute
	answerPatience = 2 * time.Minute
	settlePatience = 3 * time.Minute
)

// What was acknowledged is in the log once, and every viewer was shown what the log has, in its order and once, whatever
// failed meanwhile.
func TestNothingIsLostAndNothingIsShownTwice(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	found := false
	for _, s := range setups {
		if *dbFlag != "" && *dbFlag != s.name {
			continue
		}
		found = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d: go test ./chaos -v -chaos.db %s -chaos.faults %d -chaos.seed %d", seed, s.name, *faultsFlag, seed)
			r := &run{t: t, seed: seed, system: s.setup(t), book: newBook(), report: &report{setup: s.name, seed: seed}}
			r.all()
			if len(r.report.problems) > 0 {
				t.Errorf("%v", r.report)
			} else {
				t.Logf("%v", r.report)
			}
		})
	}
	if !found {
		t.Fatalf("-chaos.db %q: want sqlite, dev or postgres", *dbFlag)
	}
}

func TestTheSameSeedMakesTheSamePlan(t *testing.T) {
	ways := []*way{
		{part: "a", name: "kill", weight: 2, longest: time.Second}, {part: "a", name: "stop", longest: 3 * time.Second},
		{part: "b", name: "kill"}, {part: "c", name: "kill"}, {part: "all", all: true, longest: time.Second},
	}
	pause := pause{200 * time.Millisecond, 1500 * time.Millisecond}
	first := plan(7, 300, ways, pause)
	if !slices.Equal(first, plan(7, 300, ways, pause)) {
		t.Error("the same seed has made two plans")
	}
	if slices.Equal(first, plan(8, 300, ways, pause)) {
		t.Error("two seeds have made the same plan")
	}
	for i, f := range first {
		for _, g := range first[:i] {
			if g.heal > f.at && (g.way.part == f.way.part || g.way.all || f.way.all) {
				t.Errorf("%s %s at %v overlaps with %s %s", f.way.part, f.way.name, f.at, g.way.part, g.way.name)
			}
		}
	}
}

// A run is one system with its load, its viewers and its faults.
type run struct {
	t       *testing.T
	seed    uint64
	system  *system
	book    *book
	viewers []viewer
	report  *report
	pages   int    // that were opened
	last    string // what was waited for last
	calm    int    // by how much the senders are slower than usual; 0 for not at all

	senders sync.WaitGroup
	stop    chan struct{}
	cancel  context.CancelFunc
}

func (r *run) all() {
	r.begin()
	r.breakThings(plan(r.seed, *faultsFlag, r.system.ways, pause{200 * time.Millisecond, 1500 * time.Millisecond}))
	r.finish()
}

// begin opens viewers and lets the senders send.
func (r *run) begin() {
	e2e.Eventually(r.t, "the system is ready for the first time", func() bool { return r.system.ready() == nil })
	r.openViewers()
	r.await("each viewer stands somewhere", startPatience, r.notStanding)
	r.report.leftOut = r.system.leftOut
	r.startSenders()
}

// finish ends the load when everything works again, waits until everybody has seen everything, and judges.
func (r *run) finish() {
	s := r.system
	r.awaitReady("after the last fault")
	r.stopSenders()
	r.openArchive()
	ended := time.Now()
	logs := r.settle()
	r.report.settled, r.report.last = time.Since(ended), r.last
	for _, v := range r.viewers {
		v.close()
	}
	r.report.judgeLog(r.book, logs, s.kills)
	for _, v := range r.viewers {
		r.report.judgeView(v, logs)
	}
	r.tellRestarts()
}

// await waits until missing says nothing. What it says at the end of patience is a problem of the run, which goes on: its
// report tells most.
func (r *run) await(what string, patience time.Duration, missing func() string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(250 * time.Millisecond) {
		left := missing()
		if left == "" {
			return
		}
		r.last = left
		if time.Now().After(deadline) {
			r.report.problemf("waited %v in vain until %s: %s", patience, what, left)
			return
		}
	}
}

func (r *run) awaitReady(when string) {
	r.t.Helper()
	r.await("the system is ready "+when, startPatience, func() string {
		if err := r.system.ready(); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (r *run) openViewers() {
	t, url := r.t, r.system.balancer.url
	r.viewers = []viewer{
		openStream(t, url, "/iot/stream/alpha/", "iot_alpha"),
		openStream(t, url, "/iot/stream/beta/", "iot_beta"),
		openStream(t, url, "/iot/stream/alpha/a0/", "iot_alpha_a0"),
		openStream(t, url, "/events/?channel=room-0&channel=room-1&channel=iot_beta", "room-0", "room-1", "iot_beta"),
		openStream(t, url, "/events/brief/", trimmedChannel),
		openSocket(url, "/ws/iot/alpha/", nil, "iot_alpha"),
		openSocket(url, "/ws/events/?channel=room-0&channel=room-1", nil, "room-0", "room-1"),
		openSocket(url, "/ws/events/?channel=room-0&channel=room-1&batch=1", nil, "room-0", "room-1"),
		openSocket(url, "/ws/iot/alpha/?batch=1", nil, "iot_alpha"),
		openSocket(url, "/ws/events/?channel=brief", nil, trimmedChannel),
		openPoller(url, "/iot/poll/alpha/", "iot_alpha", 0, false, nil),
		openPoller(url, "/iot/poll/beta/", "iot_beta", 5, false, nil),
		openPoller(url, "/iot/poll/beta/b1/", "iot_beta_b1", 0, true, nil),
	}
}

// notStanding names a viewer that stands nowhere. A poller stands only where there was an event.
func (r *run) notStanding() string {
	for _, v := range r.viewers {
		if _, ok := v.(*poller); ok {
			continue
		}
		for _, channel := range v.watches() {
			if _, ok := v.place(channel); !ok {
				kind, path := v.what()
				return fmt.Sprintf("%s %s is not open", kind, path)
			}
		}
	}
	return ""
}

func (r *run) startSenders() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.stop = cancel, make(chan struct{})
	pace := func(d time.Duration) time.Duration { return d * time.Duration(max(1, r.calm)) }
	r.t.Cleanup(func() { cancel(); r.senders.Wait() })
	for i, id := range []string{"a0", "a1", "a2", "b0", "b1", "b2"} {
		kind := map[byte]string{'a': "alpha", 'b': "beta"}[id[0]]
		named := id != "a2" && id != "b2"
		careful := named && i%2 == 0
		d := &device{
			broker: r.system.mqtt, kind: kind, id: id, named: named, careful: careful,
			trusting: r.system.forgets && !careful, pace: pace(200 * time.Millisecond),
			rng: rand.New(rand.NewPCG(r.seed, uint64(100+i))), book: r.book,
		}
		r.senders.Go(func() { d.run(ctx, r.stop) })
	}
	targets := []string{r.system.balancer.url("/api/publish")}
	for _, backend := range r.system.backends {
		targets = append(targets, backend+"/api/publish")
	}
	for i := range 2 {
		p := &publisher{
			id: fmt.Sprintf("p%d", i), targets: targets, pace: pace(250 * time.Millisecond), turn: i,
			rng: rand.New(rand.NewPCG(r.seed, uint64(200+i))), book: r.book,
		}
		r.senders.Go(func() { p.run(ctx, r.stop) })
	}
	c := &cron{id: "c0", config: r.system.config, pace: pace(3 * time.Second), rng: rand.New(rand.NewPCG(r.seed, 300)), book: r.book}
	r.senders.Go(func() { c.run(ctx, r.stop) })
}

// breakThings carries the plan out. Where something takes its time, what comes after is put off.
func (r *run) breakThings(faults []fault) {
	start := time.Now()
	defer func() { r.report.took += time.Since(start) }()
	r.report.faults = append(r.report.faults, faults...)
	var late time.Duration
	for _, m := range moves(faults) {
		page := r.openPage()
		wait := m.at + late - time.Since(start)
		time.Sleep(max(0, wait))
		late = max(late, time.Since(start)-m.at)
		w := m.fault.way
		verb := "fails"
		if m.heals {
			verb = "is healed"
		}
		r.t.Logf("%s %7.2f s: %s %s: %s", time.Now().UTC().Format("15:04:05.000"), time.Since(start).Seconds(), w.part, verb, w.name)
		if m.heals {
			w.heal()
		} else {
			w.inject()
		}
		page.close()
	}
}

// openPage opens a page that is left after the next fault: streams are opened and left at all moments. Every other one
// begins at the beginning of the log.
func (r *run) openPage() viewer {
	path := "/events/?channel=room-0&channel=iot_alpha"
	if r.pages++; r.pages%2 == 0 {
		path += "&lastEventId=room-0:0,iot_alpha:0"
	}
	page := openStream(r.t, r.system.balancer.url, path, "room-0", "iot_alpha")
	page.passing = true
	r.viewers = append(r.viewers, page)
	return page
}

// openArchive opens, when all is over, viewers that begin at the beginning of the log.
func (r *run) openArchive() {
	url := r.system.balancer.url
	r.viewers = append(r.viewers,
		openStream(r.t, url, "/events/?channel=room-0&channel=room-1&channel=iot_alpha&lastEventId=room-0:0,room-1:0,iot_alpha:0",
			"room-0", "room-1", "iot_alpha"),
		openSocket(url, "/ws/iot/beta/", map[string]int64{"iot_beta": 0}, "iot_beta"),
		openPoller(url, "/iot/poll/beta/", "iot_beta", 0, false, map[string]int64{"iot_beta": 0}),
	)
}

func (r *run) stopSenders() {
	close(r.stop)
	done := make(chan struct{})
	go func() { defer close(done); r.senders.Wait() }()
	select {
	case <-done:
	case <-time.After(answerPatience):
		r.report.problemf("waited %v in vain until the last messages are acknowledged", answerPatience)
	}
	r.cancel()
	<-done
}

// settle waits until all is in the log that was sent, and every viewer has seen the log's end, and returns the log.
func (r *run) settle() map[string][]sighting {
	var logs map[string][]sighting
	r.await("every viewer has seen the end of the log", settlePatience, func() string {
		read, err := r.readLogs()
		if err != nil {
			return err.Error()
		}
		grown := !maps.EqualFunc(read, logs, slices.Equal)
		if logs = read; grown {
			return "the log grows"
		}
		// What is missing may still wait at the broker.
		soFar := &report{takeover: r.report.takeover}
		if soFar.judgeLog(r.book, logs, r.system.kills); soFar.lost > 0 {
			return fmt.Sprintf("%d messages are not in the log", soFar.lost)
		}
		return r.behind(logs)
	})
	return logs
}

func (r *run) readLogs() (map[string][]sighting, error) {
	logs := make(map[string][]sighting)
	r.book.mu.Lock()
	for _, m := range r.book.messages {
		for _, channel := range m.channels {
			logs[channel] = nil
		}
	}
	r.book.mu.Unlock()
	for channel := range logs {
		log, err := readLog(context.Background(), r.system.backends[0], channel)
		if err != nil {
			return nil, err
		}
		logs[channel] = log
	}
	return logs, nil
}

// behind names a viewer that has not seen the end of the log.
func (r *run) behind(logs map[string][]sighting) string {
	for _, v := range r.viewers {
		for _, channel := range v.watches() {
			log := logs[channel]
			if v.left() || len(log) == 0 {
				continue
			}
			if at, _ := v.place(channel); at != log[len(log)-1].seq {
				kind, path := v.what()
				return fmt.Sprintf("%s %s stands at %d of %s, and the log at %d", kind, path, at, channel, log[len(log)-1].seq)
			}
		}
	}
	return ""
}

// tellRestarts adds what the programs have done that nobody told them to.
func (r *run) tellRestarts() {
	for _, s := range r.system.services {
		s.mu.Lock()
		if len(s.byItself) > 0 {
			r.report.restarts = append(r.report.restarts, fmt.Sprintf("%d times, the last: %s", len(s.byItself), s.byItself[len(s.byItself)-1]))
		}
		s.mu.Unlock()
	}
}
