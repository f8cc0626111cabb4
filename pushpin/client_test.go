package pushpin_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/pushpin"
)

func run(channel string, from, to int) []channels.Event {
	var events []channels.Event
	for i := from; i <= to; i++ {
		events = append(events, event(channel, i))
	}
	return events
}

func idsOf(channel string, from, to int) []string {
	var ids []string
	for i := from; i <= to; i++ {
		ids = append(ids, channel+":"+strconv.Itoa(i))
	}
	return ids
}

func wantIDs(t *testing.T, port *controlPort, want ...string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d items", len(want)), func() bool { return len(port.ids()) >= len(want) })
	if got := port.ids(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAnItemLeavesAtOnceAndWhatComesMeanwhileLeavesTogether(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	port := newControlPort(t, func(_ http.ResponseWriter, p posted) {
		if p.n == 1 {
			<-release
		}
	})
	c := startClient(t, pushpin.Options{}, port.proxy())
	c.Send(run("a", 1, 1))
	waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
	for i := 2; i <= 30; i++ {
		c.Send(run("a", i, i))
	}
	close(release)
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, port, idsOf("a", 1, 30)...)
	if n := len(port.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 20_000
	port := newControlPort(t, nil)
	c := startClient(t, pushpin.Options{BodyLimit: limit}, port.proxy())
	var events []channels.Event
	events = append(events, run("one", 1, 120)...)
	for i := 1; i <= 250; i++ {
		events = append(events, event("many"+strconv.Itoa(i), 1))
	}
	for i := 1; i <= 20; i++ {
		events = append(events, sizedEvent("large"+strconv.Itoa(i), 1, 6000))
	}
	c.Send(events)
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	if n := len(port.ids()); n != len(events) {
		t.Errorf("%d items, want %d", n, len(events))
	}
	for _, p := range port.requests() {
		perChannel := make(map[string]int)
		for _, i := range p.items {
			if perChannel[i.Channel]++; perChannel[i.Channel] > 50 {
				t.Fatalf("more than 50 items of %s", i.Channel)
			}
		}
		if len(p.items) > 100 || p.size > limit {
			t.Errorf("%d items, %d bytes", len(p.items), p.size)
		}
	}
	if n := len(port.requests()); n > 3+4+8 {
		t.Errorf("%d requests are more than needed", n)
	}
}

func TestOrderIsKeptWhateverHappens(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	port := newControlPort(t, func(w http.ResponseWriter, _ posted) {
		mu.Lock()
		fate := random.IntN(10)
		mu.Unlock()
		switch fate {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler) // after it was read: nobody knows whether it was taken
		case 2:
			time.Sleep(time.Millisecond)
		}
	})
	port.server.Config.ErrorLog = nil
	c := startClient(t, pushpin.Options{}, port.proxy())
	const senders, each = 5, 300
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				c.Send(run("c"+strconv.Itoa(s), i, i))
			}
		})
	}
	wg.Wait()
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	next := make(map[string]int)
	for _, id := range port.ids() {
		channel, number, _ := strings.Cut(id, ":")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%s: nothing was lost, so nothing is to be repaired", id)
		}
		if n != next[channel]+1 {
			t.Fatalf("%s after %s:%d", id, channel, next[channel])
		}
		next[channel] = n
	}
	for s := range senders {
		if channel := "c" + strconv.Itoa(s); next[channel] != each {
			t.Errorf("%s ended with %d", channel, next[channel])
		}
	}
}

func TestAProxyThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	bad := newControlPort(t, func(http.ResponseWriter, posted) { <-hang })
	good := newControlPort(t, nil)
	c, stop := newClient(t, pushpin.Options{RequestTimeout: time.Minute}, bad.proxy(), good.proxy())
	defer stop()
	for i := 1; i <= 10; i++ {
		c.Send(run("a", i, i))
		wantIDs(t, good, idsOf("a", 1, i)...)
	}
	if n := len(bad.requests()); n != 1 {
		t.Errorf("%d requests to the proxy that hangs, want 1", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var failed *pushpin.FlushError
	if err := c.Flush(ctx); !errors.As(err, &failed) || len(failed.Proxies) != 1 || failed.Proxies[0].Proxy != bad.server.URL {
		t.Errorf("Flush: %v, want the bad proxy's failure", err)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush: %v, want a timeout inside", err)
	}
}

func TestRunSendsWhatIsQueuedBeforeItEnds(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	port := newControlPort(t, func(http.ResponseWriter, posted) {
		select {
		case started <- struct{}{}:
		default:
		}
		time.Sleep(10 * time.Millisecond)
	})
	c, stop := newClient(t, pushpin.Options{DrainTimeout: patience}, port.proxy())
	c.Send(run("a", 1, 1))
	<-started
	c.Send(run("a", 2, 200))
	stop()
	wantIDs(t, port, idsOf("a", 1, 200)...)

	c.Send(run("a", 201, 201))
	if s := c.Status()[0]; s.Dropped != 1 || s.QueuedItems != 0 {
		t.Errorf("after Run: %+v", s)
	}
}

func TestRunEndsInTimeWhereAProxyHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	port := newControlPort(t, func(http.ResponseWriter, posted) { <-hang })
	var log logbook
	c, stop := newClient(t, pushpin.Options{DrainTimeout: 20 * time.Millisecond, Logger: log.logger()}, port.proxy())
	c.Send(run("a", 1, 3))
	waitFor(t, "the request", func() bool { return len(port.requests()) == 1 })
	stop()
	if s := c.Status()[0]; s.Dropped != 3 || s.State == pushpin.StateDown {
		t.Errorf("status %+v", s)
	}
	if log.count("items=3") != 1 {
		t.Errorf("want a line about three items:\n%s", &log)
	}
}

func TestReadyWhenOneProxyAnswers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	good := newControlPort(t, nil)
	gone := parseProxy(t, "http://"+freeAddress(t))
	if err := startClient(t, pushpin.Options{}, gone, good.proxy()).Ready(ctx); err != nil {
		t.Error(err)
	}
	if err := startClient(t, pushpin.Options{}, gone).Ready(ctx); err == nil {
		t.Error("ready without any proxy that answers")
	}
	if err := startClient(t, pushpin.Options{}).Ready(ctx); err != nil {
		t.Errorf("without proxies: %v", err)
	}
}

func TestRequestsAreAuthorised(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	port := newControlPort(t, func(_ http.ResponseWriter, p posted) { got <- p.Header.Get("Authorization") })
	c := startClient(t, pushpin.Options{}, parseProxy(t, port.server.URL+"?key=token"))
	c.Send(run("a", 1, 1))
	if a := <-got; a != "Bearer token" {
		t.Errorf("Authorization: %q", a)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	registry := prometheus.NewRegistry()
	// The same control port twice must not make metrics that contradict each other.
	c := startClient(t, pushpin.Options{Registerer: registry}, port.proxy(), port.proxy())
	c.Send(run("a", 1, 7))
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	got := gather(t, registry)
	for series, want := range map[string]float64{
		"griphub_proxy_items_total sent URL":       7,
		"griphub_proxy_items_total sent URL#2":     7,
		"griphub_proxy_items_total dropped URL":    0,
		"griphub_proxy_items_total rejected URL":   0,
		"griphub_proxy_request_failures_total URL": 0,
		"griphub_proxy_repairs_total URL":          0,
		"griphub_proxy_resets_total URL":           0,
		"griphub_proxy_queue_items URL":            0,
		"griphub_proxy_queue_bytes URL":            0,
		"griphub_proxy_up URL":                     1,
		"griphub_proxy_up URL#2":                   1,
	} {
		name := strings.Replace(series, "URL", port.server.URL, 1)
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}

func TestWhatAProxyTakesLateIsMeasuredFromItsArrival(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	registry := prometheus.NewRegistry()
	c := startClient(t, pushpin.Options{Registerer: registry}, port.proxy())
	events := run("a", 1, 3)
	for i := range events {
		events[i].Arrival = channels.Arrival{At: time.Now().Add(-time.Duration(i) * time.Minute), Trace: strings.Repeat("b", 32)}
	}
	c.Send(events)
	c.Send(run("a", 4, 2)) // nobody has noted when these came
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "griphub_event_publish_lag_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if sum := h.GetSampleSum(); h.GetSampleCount() != 3 || sum < 180 || sum > 180+patience.Seconds() {
			t.Errorf("%d items took %v s", h.GetSampleCount(), sum)
		}
		for _, b := range h.GetBucket() {
			if e := b.GetExemplar(); e != nil && (b.GetUpperBound() != 300 || e.GetValue() < 120) {
				t.Errorf("the exemplar is %v", e)
			}
		}
		return
	}
	t.Error("nothing is measured")
}

// gather returns the value of every series, by its name and the values of its labels.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}
