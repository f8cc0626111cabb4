// Package load is the benchmark's audience: thousands of streams and WebSockets in one process, each of which checks that it gets
// every event of its channel once and in order, and how long the events took.
//
// It is built to cost little per delivery, so that it measures the other side: no goroutine has a buffer while it
// waits, and nothing of an event is parsed but its mark.
package load
