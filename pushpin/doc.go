// Package pushpin publishes to GRIP proxies and, on one machine, runs one.
//
// A [Client] posts items to the control port of every configured proxy: Pushpin
// nodes or Fastly Fanout. A [Server] supervises a Pushpin of its own as child
// processes, with a configuration that loses nothing in silence.
package pushpin
