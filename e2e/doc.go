// Package e2e runs the griphub program as its users do, by its commands, ports and signals, and watches what comes out
// as browsers and devices do: event streams, WebSockets, polls, MQTT.
//
// A test starts a [Hub] with [StartDev], or with [StartServe], which puts a real Pushpin and a real Mosquitto around it.
// It watches with an [EventSource], a [Socket] or a [Poller], sends with the hub's own command, with mosquitto_pub or as a
// [Device], and holds what a viewer saw against the log with a [Record].
//
// Waiting is for conditions, with limits that a slow and busy machine keeps. The limits are the package's own, so
// that tests say only what they wait for. The helpers fail the test where something does not happen; they are for the
// test's own goroutine.
//
// The test binary has to run its tests by [Main], which builds the program.
package e2e
