// Package web answers browsers: event streams, WebSockets, polling, the publish API and pages.
//
// Streams are answered with GRIP instructions, so that the proxy holds the connection and no handler
// keeps one, nor any memory of a client. Who asks, what may be read and where a viewer stands is worked out anew
// from each request.
package web
