package pushpin

import "time"

const (
	// maxLinger bounds how long events wait for the proxy to have brought those before them to their viewers.
	maxLinger = time.Second
	// maxSlowdown bounds how much slower a proxy is taken to be than it is said to be: one that does not keep up all the same makes
	// its requests wait.
	maxSlowdown = 4
	// A write of more than smallWrite bytes takes as much longer as its bytes are times largeWrite (measured: a Pushpin on two cores
	// moves about 300 MB a second).
	smallWrite, largeWrite = 3_000, 15_000
	// partBytes is as much of a message with several events as takes about as long as a message of its own. Such a message is taken to
	// be a write more than its parts: a WebSocket's goes through one process more than a stream's (measured: 0.1 ms of CPU instead of
	// 0.04), and while it is waited for, what comes shares the next one.
	partBytes = 2000
)

// A pace keeps a proxy from being asked for more than it can do. Where an item goes to few viewers, its answers are enough: it
// answers when it has time. Where it goes to many, Pushpin answers before it has brought it to them, and closes streams when it
// is asked for too much. So the next request waits until the viewers of the one before can have been served. A proxy that is slow
// to answer then was still busy with that: it is left alone for as long again and given more time from now on, and less again when it
// answers at once: quickly to near the time that was too little last, and slowly from there.
//
// An item after a silence leaves at once. The zero value waits for nothing.
type pace struct {
	viewers  func(channel string) Viewers
	write    time.Duration // the time of one write to a viewer, as it is said to be
	slowdown float64       // how much longer it takes
	tooQuick float64       // the slowdown that was too small last
	last     time.Duration // between the last request and the next one, at least
	next     time.Time     // when the next request may be made
}

func newPace(options Options) pace {
	return pace{viewers: options.Viewers, write: time.Second / time.Duration(options.WritesPerSecond), slowdown: 1}
}

// wait tells how long to wait.
func (p *pace) wait() time.Duration { return time.Until(p.next) }

// begin notes that the runs are being sent.
func (p *pace) begin(list []run) {
	took := time.Duration(float64(p.writes(list)) * float64(p.write) * p.slowdown)
	p.last = min(took, maxLinger)
	p.next = time.Now().Add(p.last)
}

// writes counts what the proxy writes to viewers. What a stream gets of one request leaves in one write; WebSockets get each message
// by itself, and of one with several events each part of partBytes counts.
func (p *pace) writes(list []run) (n int) {
	bytes := make(map[string]int, 1) // to each stream of a channel
	for _, r := range list {
		for _, m := range r {
			if m.item.HTTPStream != nil {
				bytes[m.item.Channel] += len(m.item.HTTPStream.Content)
			}
		}
		n += p.viewers(r[0].item.Channel).Sockets * r.socketWrites()
	}
	for channel, size := range bytes {
		streams := p.viewers(channel).Streams
		n += streams + streams*max(0, size-smallWrite)/largeWrite
	}
	return n
}

// socketWrites counts what each WebSocket is written of the run.
func (r run) socketWrites() (n int) {
	size := 0
	for _, m := range r {
		switch {
		case m.batched():
			size += len(m.content())
		case m.item.WSMessage != nil:
			n++
		}
	}
	if size > 0 {
		n += 1 + (size+partBytes-1)/partBytes
	}
	return n
}

// socketless tells that nobody has a WebSocket on the channel.
func (p *pace) socketless(channel string) bool {
	v := p.viewers(channel)
	return v.Sure && v.Sockets == 0
}

// most is how many messages of a channel a batch may have: more where nobody has a WebSocket, as far as is known, and any number
// where there is nobody at all.
func (p *pace) most(channel string) int {
	switch v := p.viewers(channel); {
	case v == Viewers{Sure: true}:
		return batchReach
	case v.Streams > 0 && v.Sockets == 0:
		return batchItems
	}
	return batchChannelItems
}

// answered notes how long the proxy took to answer. An answer that took little of the time between requests is one at once.
func (p *pace) answered(took time.Duration) {
	const more, less, hardlyLess, near, atOnce = 1.2, 0.95, 0.999, 1.1, 4
	switch {
	case p.last > 0 && took > max(p.last/atOnce, 2*time.Millisecond):
		p.next = time.Now().Add(p.last)
		p.tooQuick = p.slowdown
		p.slowdown = min(p.slowdown*more, maxSlowdown)
	case p.slowdown < p.tooQuick*near && p.slowdown > p.tooQuick/near:
		p.slowdown = max(p.slowdown*hardlyLess, 1)
	default:
		p.slowdown = max(p.slowdown*less, 1)
	}
}
