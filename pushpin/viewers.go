package pushpin

import (
	"time"

	"github.com/griphub/griphub/channels"
)

// Viewers are how many connections hold a GRIP channel, as far as is known.
type Viewers struct {
	Streams, Sockets int
	// Sure tells that there are no others, but for those that have come this moment.
	Sure bool
}

// Watched tells whether there may be anybody. Where there is nobody, events for streams alone need not be sent: Pushpin has the first
// stream of a channel ask what it missed, about a second after it came; and WebSockets ask by themselves.
func (v Viewers) Watched() bool { return !v.Sure || v.Streams > 0 || v.Sockets > 0 }

// Viewers tells how many event streams and WebSockets hold a GRIP channel, named with the prefix, at the proxy that has most
// of each. It is sure where all proxies tell and none is being learned.
func (a *Audience) Viewers(channel string) Viewers {
	v, now := Viewers{Sure: true}, time.Now()
	for _, c := range a.proxies {
		c.mu.Lock()
		modes := c.counts[channel]
		v.Streams = max(v.Streams, modes["stream"].subscribers)
		v.Sockets = max(v.Sockets, modes["ws"].subscribers)
		v.Sure = v.Sure && c.state(now) == channels.PresenceKnown
		c.mu.Unlock()
	}
	return v
}
