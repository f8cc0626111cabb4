package pushpin

import "time"

// maxLinger bounds how long events wait for the proxy to have brought those before them to their viewers.
const maxLinger = time.Second

// A pace keeps a proxy from being asked for more than it can do. Where an item goes to few viewers, its answers are enough: it
// answers when it has time. Where it goes to many, Pushpin answers before it has brought it to them, and closes streams when it
// is asked for too much. So the next request waits until the viewers of the one before can have been served.
//
// An item after a silence leaves at once. The zero value waits for nothing.
type pace struct {
	viewers func(channel string) (streams, sockets int)
	write   time.Duration // the time of one write to a viewer
	next    time.Time     // when the next request may be made
}

func newPace(options Options) pace {
	return pace{viewers: options.Viewers, write: time.Second / time.Duration(options.WritesPerSecond)}
}

// wait tells how long to wait.
func (p *pace) wait() time.Duration { return time.Until(p.next) }

// begin notes that the batch is being sent. What a stream gets of one request leaves in one write; WebSockets get each message by
// itself.
func (p *pace) begin(batch []message) {
	writes := 0
	seen := make(map[string]bool, 1)
	for i := range batch {
		item := &batch[i].item
		streams, sockets := p.viewers(item.Channel)
		if item.HTTPStream != nil && !seen[item.Channel] {
			seen[item.Channel] = true
			writes += streams
		}
		if item.WSMessage != nil {
			writes += sockets
		}
	}
	p.next = time.Now().Add(min(time.Duration(writes)*p.write, maxLinger))
}
