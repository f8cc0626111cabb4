// Package channels says what an event is, in which order events stand, and who may read them.
//
// Events are appended to a Log, which numbers them per channel. A Publisher appends what many senders
// bring in one transaction and hands what was stored to the proxies. Where a viewer stands is a Cursor; what
// it missed is read from the Log.
package channels
