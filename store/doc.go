// Package store keeps the event log and the device registry in SQLite or in PostgreSQL.
//
// Both keep an event once, however many channels it is on: events holds it, positions says which number it
// has in which channel, and channels counts. A number is taken from its channel's counter in the transaction
// that stores the event, and the counter stays locked until that transaction ends, so the order of numbers
// is the order of commits. Counters are never deleted; trimming moves a channel's floor.
//
// SQLite's positions are in two tables. The newest of all channels stand together in positions_recent, on few pages, so
// an append writes few, however large the log is. A few dozen of a channel at a time move to positions_settled, where each channel has
// a place of its own. The view positions shows both, from the floors on.
//
// # Lost histories
//
// A number must never name two events. That holds by itself as long as the database holds everything it ever
// confirmed. It does not after a backup was restored, a file was copied back, or a replica that lagged
// took over: the restored copy would give out again the numbers of the events that it lost, and a viewer
// who comes back with such a number would silently miss what now stands before it.
//
// So a log that cannot prove that it is the newest copy of itself jumps: it notes a base, far above every
// number that any copy may have given out, and continues there, each channel at its next event. The
// numbers between a channel's last event and the base are nobody's, and whoever brings one is told that
// its history is lost (channels.Page.Lost). Everything else stays as it was: positions of events that are
// still there stay valid, so a jump that was not necessary costs nothing. A log jumps when in doubt.
//
// What counts as proof differs. SQLite: see sidecar. PostgreSQL: see the function griphub.identity in its
// first migration. A copy that is put back so exactly that nothing differs, such as the snapshot of a virtual
// machine, proves itself falsely; Jump is for whoever restores one.
//
// Event ids and channel numbers share the base. Every event takes one id and at most one number of each
// channel, so no number is above the newest id, and a base above the ids is above all numbers.
package store
