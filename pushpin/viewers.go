package pushpin

// Listeners tells how many event streams and WebSockets hold a GRIP channel, named with the prefix, at the proxy that has most
// of each.
func (a *Audience) Listeners(channel string) (streams, sockets int) {
	for _, c := range a.proxies {
		c.mu.Lock()
		modes := c.counts[channel]
		streams = max(streams, modes["stream"].subscribers)
		sockets = max(sockets, modes["ws"].subscribers)
		c.mu.Unlock()
	}
	return streams, sockets
}
