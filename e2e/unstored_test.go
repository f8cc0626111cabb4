package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// What an outage of the proxy costs the viewers of a channel that keeps nothing, they are told.
func TestViewersOfAnUnstoredChannelAreToldOfAnOutage(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	between := func(address string) string {
		control, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(control)
		wire := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if away.Load() {
				panic(http.ErrAbortHandler)
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(wire.Close)
		return wire.URL
	}
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Control: between, Config: "publish: {keys: [a-key-for-the-gauge]}\nstream: {recheck: 5s}\n" +
		"channels:\n  - {match: \"gauge\", read: public, reliable: false}\n  - {match: \"**\", read: public}\n"})
	stream := watch(t, hub.URL("/events/?channel=gauge"))
	next := 0
	publish := func(events, size int) {
		t.Helper()
		var lines strings.Builder
		for range events {
			fmt.Fprintf(&lines, `{"channel":"gauge","data":{"n":%d,"text":%q}}`+"\n", next, strings.Repeat("x", size))
			next++
		}
		header := http.Header{"Authorization": {"Bearer a-key-for-the-gauge"}}
		if answer, _ := post(t, hub.BackendURL("/api/publish"), lines.String(), header); answer.Status != http.StatusOK {
			t.Fatalf("publishing is answered by %d %s", answer.Status, answer.Body)
		}
	}
	publish(3, 0)
	for range 3 {
		stream.Expect(t, "message")
	}

	away.Store(true)
	// More than the queue to a proxy holds.
	for range 40 {
		publish(12, 50_000)
	}
	away.Store(false)
	number := func(e e2e.Event) int {
		var data struct{ N int }
		if e.Type != "message" {
			return -1
		}
		if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
			t.Fatal(err)
		}
		return data.N
	}
	stream.Find(t, "the reset", func(e e2e.Event) bool { return e.Type == "stream-reset" && strings.Contains(e.Data, `"gauge"`) })
	// Pushpin drops what comes while a connection still has too much to take.
	last := next
	// Nor does it write the rest of what a full connection was to get before it follows the stream's next link, which it does
	// in a silence of stream.recheck.
	const silence = 7 * time.Second
	var said time.Time
	e2e.Eventually(t, "what comes later is shown", func() bool {
		if time.Since(said) > silence {
			publish(1, 0)
			said = time.Now()
		}
		events := stream.Events()
		return number(events[len(events)-1]) >= last
	})
	before := -1
	for _, e := range stream.Events() {
		if n := number(e); n >= 0 {
			if n <= before {
				t.Errorf("%d was shown after %d", n, before)
			}
			before = n
		}
	}
	if stream.Opens() != 1 {
		t.Errorf("%d connections were opened, want the one that was held", stream.Opens())
	}
	hub.Stop(t)
}
