// Package chaos breaks everything that griphub stands on, at random and again and again, while devices and programs publish
// and viewers watch, and holds at the end what every viewer was shown against the log, and the log against what was
// acknowledged.
//
//	make chaos                 200 faults with each set-up
//	go test ./chaos -v -chaos.db postgres -chaos.faults 30 -chaos.seed 7
//
// A seed decides which faults come when and how long they last, and what is published. It does not decide how the
// machine's processes take turns, so a run with the same seed repeats the faults and not every consequence.
//
// # What runs
//
// There are three set-ups. All programs are the real ones, in the versions that are installed.
//
//	sqlite    one griphub serve on SQLite, one Pushpin, one Mosquitto
//	dev       griphub dev, whose own broker acknowledges after the commit
//	postgres  two griphub serve on one PostgreSQL, two Pushpins behind a balancer, one Mosquitto
//
// Whatever ends is started again, as a service manager does.
//
// With the build tag long there are scenes that take root or more time than make test has: make scale, in which each part has a
// network namespace of its own, and hosts are parted, unplugged, replaced and lost, and make soak, in which griphub itself is left
// alone and measured. docs/scale-tests.md tells of both.
//
// # What is promised
//
//   - What was acknowledged to a device (PUBACK) or a program (HTTP 200) stands in the log once, in each of its channels, in
//     its sender's order.
//   - Each viewer was shown, from its opening on, the log's events in the log's order, each once. Event streams are
//     taken as they come, over any number of connections: the viewer sorts nothing and drops nothing. Polls too. A WebSocket
//     viewer drops what it has had, and pings where the message before is missing, as docs/streams.md tells it to.
//   - Where the log was trimmed over a viewer's head, the viewer was told by a reset, and is owed nothing more.
//
// A message without an id of its own that its device sent again is two messages: nobody can tell. Such a message is
// stored at least once and at most as often as the device has sent it: what is repeated behind the broker is told apart.
//
// # Where the broker is killed
//
// Mosquitto 2.0 acknowledges when it has a message in memory, and writes its memory to the disk every autosave_interval
// (30 minutes by default; 1 second here), on SIGUSR1 and at its end. With autosave_on_changes it writes when so many
// messages were queued, but messages on their way to a connected session do not count. So a kill -9 takes with it what was
// acknowledged, and not taken by griphub, since Mosquitto last wrote: up to 2 seconds here. And what griphub took since
// then comes again, as if it were new. No program behind the broker can prevent the one, or tell the other from
// messages that are alike, unless they have ids.
//
// Half of the devices whose messages have ids are careful: after a lost connection they send again what was acknowledged
// in the last 3 seconds before. It does no harm, thanks to the ids, and of theirs nothing may be lost at all. The other
// devices believe each PUBACK. What they miss in the log is charged to Mosquitto only where it was acknowledged less than
// 2.5 seconds before Mosquitto was killed; and a message without an id may be there once more for each time that Mosquitto was killed
// since. The report has a line of its own for both. The broker of griphub dev acknowledges after the commit, and keeps nothing
// that it could forget: there, nothing is excused.
//
// # Clocks and disks
//
// The clock is stepped for griphub alone, by half an hour, in a program that is built for it (build tag clockfile): Go reads the
// clock from the kernel without the C library, so that nothing but the whole machine's clock would do otherwise. A full disk needs
// root, for a small file system of its own; without, the report says so.
package chaos
