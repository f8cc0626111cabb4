package pushpin

import "github.com/prometheus/client_golang/prometheus"

// A collector shows the Status of every proxy to Prometheus.
type collector struct {
	client *Client

	items, requests, failures, repairs *prometheus.Desc
	queuedItems, queuedBytes, up       *prometheus.Desc
}

func newCollector(client *Client) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("griphub_publish_"+name, help, append([]string{"proxy"}, labels...), nil)
	}
	return &collector{
		client: client,
		items: desc("items_total", "Items that are done with: the proxy took them (sent), called them bad (rejected), "+
			"or was away or too slow (dropped).", "outcome"),
		requests:    desc("requests_total", "Requests to the control port."),
		failures:    desc("request_failures_total", "Requests to the control port that got no good answer."),
		repairs:     desc("repairs_total", "Times that viewers were told to ask again, after items had been lost."),
		queuedItems: desc("queued_items", "Items that wait for the proxy."),
		queuedBytes: desc("queued_bytes", "Size of the items that wait for the proxy."),
		up:          desc("proxy_up", "1 if the proxy takes items, else 0."),
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
		gauge(c.queuedItems, s.QueuedItems)
		gauge(c.queuedBytes, s.QueuedBytes)
		up := 0
		if s.State == StateUp {
			up = 1
		}
		gauge(c.up, up)
	}
}
