package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Why events are read from the log for a viewer, in metrics.
const (
	causeResume = "resume" // the viewer came back
	causeRepair = "repair" // the proxy, or a ping, found that something was missed
)

// Ways of watching that are no family of streams, in metrics.
const (
	viaSocket = "socket"
	viaPoll   = "poll"
)

// A meter counts and times what the server answers. Its labels are routes and names in the code: nothing that a client writes
// becomes one.
type meter struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	replayed *prometheus.CounterVec
	resets   *prometheus.CounterVec
	// lifetimes are known from proxies with gone links.
	lifetimes *prometheus.HistogramVec
}

func newMeter(families families, registry prometheus.Registerer) *meter {
	m := &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_http_requests_total", Help: "Requests that were answered, by route, method and status.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "griphub_http_request_duration_seconds", Help: "Time to answer a request, by route and method. A stream is answered at once: the proxy holds it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "griphub_http_requests_in_flight", Help: "Requests that are being answered now.",
		}),
		replayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_events_replayed_total",
			Help: "Events that replies brought from the log, by the kind of stream, to viewers who came back (resume) or had missed something " +
				"while they watched (repair). One reply may serve many viewers.",
		}, []string{"stream", "cause"}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_resets_total",
			Help: "Replies that told viewers that what they missed is gone (stream-reset), by the kind of stream.",
		}, []string{"stream"}),
		lifetimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "griphub_stream_lifetime_seconds",
			Help: "How long streams lived whose viewers have left, by the kind of stream, as proxies tell that can (Pushpin 1.41 and later).",
			// Just above what web servers and load balancers cut at.
			Buckets: []float64{1, 5, 16, 31, 61, 91, 121, 301, 601, 1801, 3601, 14401, 86401},
		}, []string{"stream"}),
	}
	for _, f := range []*family{families.events, families.device, families.realtime} {
		m.lifetimes.WithLabelValues(f.name)
	}
	streams := []string{families.events.name, families.device.name, families.realtime.name, viaSocket}
	for _, stream := range streams {
		m.replayed.WithLabelValues(stream, causeResume)
		m.replayed.WithLabelValues(stream, causeRepair)
		m.resets.WithLabelValues(stream)
	}
	m.resets.WithLabelValues(viaPoll)
	// A hub that was asked nothing yet shows that these are there.
	m.requests.WithLabelValues(noRoute, http.MethodGet, "404")
	m.seconds.WithLabelValues(noRoute, http.MethodGet)
	if registry != nil {
		registry.MustRegister(m.requests, m.seconds, m.inFlight, m.replayed, m.resets, m.lifetimes)
	}
	return m
}

// replayedTo counts the events that a stream is brought from the log.
func (m *meter) replayedTo(st *stream) prometheus.Counter {
	cause := causeResume
	if st.followed {
		cause = causeRepair
	}
	return m.replayed.WithLabelValues(st.family.name, cause)
}

// methods are those of the routes. Clients may write any other word.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// measured counts, times and logs the request.
func (s *Server) measured(c *gin.Context) {
	began := time.Now()
	s.meter.inFlight.Inc()
	defer func() {
		took := time.Since(began)
		s.meter.inFlight.Dec()
		route, method := routeOf(c), methodOf(c)
		s.meter.requests.WithLabelValues(route, method, strconv.Itoa(c.Writer.Status())).Inc()
		s.meter.seconds.WithLabelValues(route, method).Observe(took.Seconds())
		s.logAccess(c, took)
	}()
	c.Next()
}

func methodOf(c *gin.Context) string {
	if slices.Contains(methods, c.Request.Method) {
		return c.Request.Method
	}
	return "other"
}

// noRoute stands for the routes of requests that no route answers.
const noRoute = "none"

// routeOf is the route's pattern. What the path says besides may be a secret, and there is no end of it.
func routeOf(c *gin.Context) string {
	if route := c.FullPath(); route != "" {
		return route
	}
	return noRoute
}
