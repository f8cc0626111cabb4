package pushpin

// A queue holds, oldest first, the messages that one proxy has not taken yet. Every message that
// was ever pushed has a number: 0, 1, 2… It is not safe for concurrent use.
type queue struct {
	limit    int // of bytes
	messages []message
	bytes    int
	first    uint64 // the number of messages[0]
}

// end is the number of the next message to be pushed.
func (q *queue) end() uint64 { return q.first + uint64(len(q.messages)) }

// push appends messages and takes out the oldest ones where the limit is exceeded; these
// are returned. The newest message stays, however large it is.
func (q *queue) push(messages []message) (dropped []message) {
	for i := range messages {
		q.bytes += messages[i].size()
	}
	q.messages = append(q.messages, messages...)
	excess, n := q.bytes-q.limit, 0
	for ; excess > 0 && n < len(q.messages)-1; n++ {
		excess -= q.messages[n].size()
	}
	return q.pop(q.first + uint64(n))
}

// pop takes out the messages with numbers below end and returns them.
func (q *queue) pop(end uint64) []message {
	if end <= q.first {
		return nil
	}
	n := min(end-q.first, uint64(len(q.messages)))
	out := q.messages[:n:n]
	for i := range out {
		q.bytes -= out[i].size()
	}
	q.messages = q.messages[n:]
	q.first += n
	if len(q.messages) == 0 {
		// The array may be as large as the longest backlog.
		q.messages = nil
	}
	return out
}
