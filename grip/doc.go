// Package grip is the wire vocabulary of GRIP, the Generic Realtime
// Intermediary Protocol, from the backend's side: what a backend answers to
// make a proxy hold a connection, what it publishes to the proxy's control
// port, and what the proxy tells it in request headers and in
// WebSocket-over-HTTP bodies.
//
// The package knows no network and no policy. It is strict in both
// directions: a value that a proxy would misread, refuse or silently drop is
// an error here, and a request that no proxy could have sent is an error too.
// Nothing that it reads can make it panic.
//
// The behaviour follows Pushpin, the reference implementation, from version
// 1.36 on; where a version or Fastly Fanout differs, the name concerned says
// so.
package grip
