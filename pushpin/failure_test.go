package pushpin_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

func TestNothingIsLostWhileAProxyFails(t *testing.T) {
	t.Parallel()
	for _, code := range []int{500, 503, 429} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			port := newControlPort(t, status(code))
			var log logbook
			c := startClient(t, pushpin.Options{Logger: log.logger()}, port.proxy())
			for i := 1; i <= 200; i++ {
				c.Send(run("a", i, i))
			}
			waitFor(t, "the proxy to be down", func() bool { return c.Status()[0].State == pushpin.StateDown })
			waitFor(t, "more tries", func() bool { return len(port.requests()) > 5 })
			port.become(nil)
			if err := flush(t, c); err != nil {
				t.Fatal(err)
			}
			wantIDs(t, port, idsOf("a", 1, 200)...)
			if log.count("does not take items") != 1 || log.count("takes items again") != 1 {
				t.Errorf("want each change logged once:\n%s", &log)
			}
			s := c.Status()[0]
			if s.State != pushpin.StateUp || s.Err != nil || s.Sent != 200 || s.Dropped != 0 || s.QueuedItems != 0 || s.QueuedBytes != 0 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestAFullQueueDropsTheOldestAndViewersAreTold(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	var log logbook
	c := restingClient(pushpin.Options{QueueBytes: 20_000, Logger: log.logger()}, port.proxy())
	c.Send([]channels.Event{sizedEvent("old", 1, 4000), sizedEvent("old", 2, 4000)})
	c.Send([]channels.Event{sizedEvent("new", 1, 4000), sizedEvent("new", 2, 4000)})
	c.Send([]channels.Event{event("newest", 1)})
	if s := c.Status()[0]; s.Dropped != 2 || s.QueuedItems != 3 || s.QueuedBytes > 20_000 {
		t.Errorf("status %+v", s)
	}
	defer runClient(t, c)()
	// First what there is, and then the hint: viewers read the log once.
	wantIDs(t, port, "new:1", "new:2", "newest:1", "old:hint")
	c.Send(run("old", 3, 3))
	wantIDs(t, port, "new:1", "new:2", "newest:1", "old:hint", "old:3")
	if log.count("dropping the oldest") != 1 {
		t.Errorf("want one line about dropping:\n%s", &log)
	}
	var failed *pushpin.FlushError
	if err := flush(t, c); !errors.As(err, &failed) {
		t.Errorf("Flush: %v, want a failure", err)
	}
	if err := flush(t, c); err != nil {
		t.Errorf("Flush, told before: %v", err)
	}
}

func TestLossOnManyChannelsIsRepairedByRecover(t *testing.T) {
	t.Parallel()
	const lost = 400
	loseMany := func(t *testing.T, port *controlPort) *pushpin.Client {
		c := startClient(t, pushpin.Options{QueueBytes: 1000}, port.proxy())
		for i := range lost {
			c.Send([]channels.Event{sizedEvent("c"+strconv.Itoa(i), 1, 900)})
		}
		return c
	}
	recovers := func(port *controlPort) int {
		n := 0
		for _, p := range port.requests() {
			if p.path == "/recover" {
				n++
				if p.size != 0 || p.Header.Get("Content-Length") != "0" {
					t.Errorf("recover with %d bytes and Content-Length %q", p.size, p.Header.Get("Content-Length"))
				}
			}
		}
		return n
	}
	t.Run("Pushpin", func(t *testing.T) {
		t.Parallel()
		port := newControlPort(t, status(503))
		c := loseMany(t, port)
		port.become(nil)
		waitFor(t, "a repair", func() bool { return c.Status()[0].Repairs == 1 })
		c.Send(run("a", 1, 1))
		if flush(t, c); recovers(port) != 1 {
			t.Errorf("%d recovers, want 1", recovers(port))
		}
	})
	t.Run("a proxy that cannot recover", func(t *testing.T) {
		t.Parallel()
		port := newControlPort(t, status(503))
		c := loseMany(t, port)
		port.become(func(w http.ResponseWriter, p posted) {
			if p.path == "/recover" {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		waitFor(t, "a repair", func() bool { return c.Status()[0].Repairs == 1 })
		hints := 0
		for _, id := range port.ids() {
			if strings.HasSuffix(id, ":hint") {
				hints++
			}
		}
		if hints != 256 || recovers(port) != 1 {
			t.Errorf("%d hints and %d recovers", hints, recovers(port))
		}
	})
}

func TestOneBadItemSpoilsOnlyItself(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	port := newControlPort(t, func(w http.ResponseWriter, p posted) {
		if p.n == 1 {
			<-release
		}
		for _, i := range p.items {
			if i.ID == "37" && i.Channel == "bad" {
				http.Error(w, "Invalid format: no", http.StatusBadRequest)
				return
			}
		}
	})
	var log logbook
	c := startClient(t, pushpin.Options{Logger: log.logger()}, port.proxy())
	c.Send(run("a", 1, 1))
	c.Send(run("a", 2, 40))
	c.Send(run("bad", 36, 38))
	c.Send(run("b", 1, 200))
	close(release)
	var failed *pushpin.FlushError
	if err := flush(t, c); !errors.As(err, &failed) {
		t.Errorf("Flush: %v, want a failure", err)
	}
	want := slices.Concat(idsOf("a", 1, 40), []string{"bad:36", "bad:hint", "bad:38"}, idsOf("b", 1, 200))
	wantIDs(t, port, want...)
	if s := c.Status()[0]; s.Rejected != 1 || s.Dropped != 0 || s.Sent != 242 || s.State != pushpin.StateUp {
		t.Errorf("status %+v", s)
	}
	if log.count("refuses an item") != 1 || log.count("Invalid format: no") != 1 || log.count("id=37") != 1 {
		t.Errorf("want the bad item logged once:\n%s", &log)
	}
	if n := len(port.requests()); n > 25 {
		t.Errorf("%d requests to find one bad item", n)
	}
}

func TestAProxyThatRefusesEverythingDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, status(http.StatusBadRequest))
	var log logbook
	c := startClient(t, pushpin.Options{Logger: log.logger()}, port.proxy())
	c.Send(run("a", 1, 200))
	var failed *pushpin.FlushError
	if err := flush(t, c); !errors.As(err, &failed) {
		t.Errorf("Flush: %v, want a failure", err)
	}
	if s := c.Status()[0]; s.Rejected != 200 || s.Sent != 0 {
		t.Errorf("status %+v", s)
	}
	if n := log.count("refuses an item"); n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
}

func TestAnItemThatNoProxyWouldTakeIsLeftOut(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, nil)
	var log logbook
	c := startClient(t, pushpin.Options{BodyLimit: 1000, Logger: log.logger()}, port.proxy())
	c.SendItems([]grip.Item{
		{Channel: "a", ID: "1", HTTPStream: &grip.HTTPStream{}},
		{Channel: "a", ID: "2"},
		{Channel: "a", ID: "3", HTTPStream: &grip.HTTPStream{Content: make([]byte, 1000)}},
		{Channel: "a", ID: "4", HTTPStream: &grip.HTTPStream{}},
	})
	if err := flush(t, c); err != nil {
		t.Error(err)
	}
	wantIDs(t, port, "a:1", "a:4")
	if log.count("cannot publish") != 2 {
		t.Errorf("want two items logged:\n%s", &log)
	}
}

func TestAWrongKeyIsToldOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []int{401, 403, 404, 302} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			port := newControlPort(t, func(w http.ResponseWriter, _ posted) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(code)
			})
			var log logbook
			c := startClient(t, pushpin.Options{Logger: log.logger()}, port.proxy())
			c.Send(run("a", 1, 3))
			waitFor(t, "tries", func() bool { return len(port.requests()) > 3 })
			if err := c.Ready(context.Background()); err == nil || !strings.Contains(err.Error(), "GRIP URL") {
				t.Errorf("Ready: %v, want advice", err)
			}
			port.become(nil)
			if err := flush(t, c); err != nil {
				t.Error(err)
			}
			wantIDs(t, port, "a:1", "a:2", "a:3")
			for _, p := range port.requests() {
				if p.path != "/publish/" || p.Method != http.MethodPost {
					t.Errorf("a redirect was followed: %s %s", p.Method, p.path)
				}
			}
			if log.count("does not take items") != 1 {
				t.Errorf("want one line:\n%s", &log)
			}
		})
	}
}

func TestARequestThatHangsIsGivenUpAndRepeated(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	port := newControlPort(t, func(_ http.ResponseWriter, p posted) {
		if p.n == 1 {
			<-hang
		}
	})
	c, stop := newClient(t, pushpin.Options{RequestTimeout: time.Second}, port.proxy())
	defer stop()
	c.Send(run("a", 1, 2))
	if err := flush(t, c); err != nil {
		t.Error(err)
	}
	if s := c.Status()[0]; s.Sent != 2 || s.Failures != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestAnAnswerWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	port := newControlPort(t, func(w http.ResponseWriter, p posted) {
		for {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	c := startClient(t, pushpin.Options{}, port.proxy())
	c.Send(run("a", 1, 2))
	if err := flush(t, c); err != nil {
		t.Error(err)
	}
}

func TestWhereNobodyListensItemsAreGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	c := startClient(t, pushpin.Options{}, parseProxy(t, "http://"+address+"?iss=pushpin&key=secret"))
	c.Send(run("a", 1, 5))
	var failed *pushpin.FlushError
	err := flush(t, c)
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("Flush: %v, want a refused connection", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a secret is told: %v", err)
	}

	// Whoever watches on a proxy that only seemed to be gone has missed something.
	port := listenAt(t, address)
	wantIDs(t, port, "a:hint")
	c.Send(run("a", 6, 6))
	wantIDs(t, port, "a:hint", "a:6")
}
