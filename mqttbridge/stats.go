package mqttbridge

import "sync/atomic"

// Stats counts what happened since a Bridge or Broker was made.
type Stats struct {
	// Received messages, each delivery counted.
	Received uint64
	// Stored messages: committed as events or as refusals.
	Stored uint64
	// Duplicates are redeliveries of messages that were stored before.
	Duplicates uint64
	// Unmatched messages, whose topic no rule matches.
	Unmatched uint64
	// Dropped messages of QoS 0, for which the queue had no room.
	Dropped uint64
	// Batches committed.
	Batches uint64
	// Failures of commits, each followed by another try.
	Failures uint64
	// Connections made to the broker, or of devices to the Broker.
	Connections uint64
	// Waiting messages, received and not yet committed.
	Waiting uint64
}

type counters struct {
	received, stored, duplicates, unmatched, dropped, batches, failures, connections atomic.Uint64
}

func (c *counters) stats(waiting int) Stats {
	return Stats{
		Received:    c.received.Load(),
		Stored:      c.stored.Load(),
		Duplicates:  c.duplicates.Load(),
		Unmatched:   c.unmatched.Load(),
		Dropped:     c.dropped.Load(),
		Batches:     c.batches.Load(),
		Failures:    c.failures.Load(),
		Connections: c.connections.Load(),
		Waiting:     uint64(waiting),
	}
}
