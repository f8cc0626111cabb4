package pushpin

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
)

// A Listening is a way of listening to a kind of channels. There are few of them, whatever viewers ask for.
type Listening struct {
	// Mode is Pushpin's word for the way: stream, ws or response. A word that is none of these is other.
	Mode string
	// Kind is device, user, public, other, or internal for what is no channel of events, such as a stream's channel of kicks, or
	// another application's.
	Kind string
}

var (
	listeningModes = []string{"stream", "ws", "response", "other"}
	listeningKinds = []string{"device", "user", "public", "other", "internal"}
)

// listening is what a connection does that listens in the mode to the channel of the name at the proxy.
func listening(mode, name, prefix string) Listening {
	if !slices.Contains(listeningModes, mode) {
		mode = "other"
	}
	return Listening{mode, kindOf(name, prefix)}
}

// kindOf tells what kind of channel has the name at the proxy.
func kindOf(name, prefix string) string {
	bare, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "internal"
	}
	c, ok := channels.FromGrip(bare)
	if !ok {
		return "internal"
	}
	if _, device := channels.DeviceOf(c); device {
		return "device"
	}
	switch {
	case c == channels.Public:
		return "public"
	case c.Internal():
		return "user"
	}
	return "other"
}

func (a *Audience) subscriptions() *prometheus.Desc {
	return prometheus.NewDesc("griphub_presence_subscriptions",
		"Subscriptions of connections at the proxy, by how they listen (stream, ws, response) and to what kind of channel (device, user, "+
			"public, other, internal).", []string{"socket", "mode", "kind"}, nil)
}

// Describe sends what Collect's metrics are.
func (a *Audience) Describe(out chan<- *prometheus.Desc) { out <- a.subscriptions() }

// Collect makes the Audience a prometheus.Collector of how many subscriptions each proxy has.
func (a *Audience) Collect(out chan<- prometheus.Metric) {
	desc := a.subscriptions()
	for _, s := range a.Status() {
		for _, mode := range listeningModes {
			for _, kind := range listeningKinds {
				n := float64(s.Listeners[Listening{mode, kind}])
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n, s.Endpoint, mode, kind)
			}
		}
	}
}
