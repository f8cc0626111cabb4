package pushpin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
)

// An origin is the event that an item tells of; zero for items that tell of none.
type origin struct {
	channels.Arrival
	event channels.EventID
}

func newLag() *prometheus.HistogramVec {
	return channels.NewLag("griphub_event_publish_lag_seconds",
		"Time from an event's arrival until the proxy has taken it. Exemplars name the event and its sender's trace.", "proxy")
}

// measure observes how long the messages have taken that a proxy has taken now.
func measure(lag prometheus.Observer, taken []message, now time.Time) {
	channels.ObserveLag(lag, now, func(yield func(channels.EventID, channels.Arrival) bool) {
		for i := range taken {
			if o := &taken[i].origin; !yield(o.event, o.Arrival) {
				return
			}
		}
	})
}

// A collector shows the Status of every proxy to Prometheus.
type collector struct {
	client *Client

	items, requests, failures, repairs, resets *prometheus.Desc
	queuedItems, queuedBytes, behind, up       *prometheus.Desc
}

func newCollector(client *Client) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("griphub_proxy_"+name, help, append([]string{"proxy"}, labels...), nil)
	}
	return &collector{
		client: client,
		items: desc("items_total", "Items that are done with: the proxy took them (sent), called them bad (rejected), "+
			"or was away or too slow (dropped).", "outcome"),
		requests:    desc("requests_total", "Requests to the proxy's control port."),
		failures:    desc("request_failures_total", "Requests to the proxy's control port that got no good answer."),
		repairs:     desc("repairs_total", "Times that the proxy's viewers were told to ask for what they missed, after items had been lost."),
		resets:      desc("resets_total", "Channels without history whose viewers at the proxy were told of a loss for good."),
		queuedItems: desc("queue_items", "Items that wait for the proxy."),
		queuedBytes: desc("queue_bytes", "Size of the items that wait for the proxy."),
		behind:      desc("behind_channels", "Channels that wait for the proxy in the log, since the queue has no room."),
		up:          desc("up", "1 if the proxy takes items, else 0."),
	}
}

// Describe sends what the metrics are.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect sends the metrics of every proxy.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.client.Status() {
		count := func(desc *prometheus.Desc, n uint64, labels ...string) {
			labels = append([]string{s.Proxy}, labels...)
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
		}
		gauge := func(desc *prometheus.Desc, n int) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), s.Proxy)
		}
		count(c.items, s.Sent, "sent")
		count(c.items, s.Rejected, "rejected")
		count(c.items, s.Dropped, "dropped")
		count(c.requests, s.Requests)
		count(c.failures, s.Failures)
		count(c.repairs, s.Repairs)
		count(c.resets, s.Resets)
		gauge(c.queuedItems, s.QueuedItems)
		gauge(c.queuedBytes, s.QueuedBytes)
		gauge(c.behind, s.Behind)
		up := 0
		if s.State == StateUp {
			up = 1
		}
		gauge(c.up, up)
	}
}
