package pushpin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// BenchmarkSend measures rendering, encoding and queueing of batches of 100 events for two proxies that are
// not there.
func BenchmarkSend(b *testing.B) {
	proxies := []grip.Proxy{parseProxy(b, "http://127.0.0.1:1"), parseProxy(b, "http://127.0.0.1:2")}
	c := pushpin.NewClient(proxies, pushpin.Options{Render: render})
	var events []channels.Event
	for i := range 100 {
		events = append(events, sizedEvent("channel"+strconv.Itoa(i%10), i, 250))
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Send(events)
	}
	b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPublish measures the way to a control port that takes everything, one event at a time.
func BenchmarkPublish(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	c := startClient(b, pushpin.Options{QueueBytes: 1 << 30}, parseProxy(b, server.URL))
	events := []channels.Event{sizedEvent("channel", 1, 250)}
	for b.Loop() {
		c.Send(events)
	}
	if err := flush(b, c); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
