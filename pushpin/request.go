package pushpin

// choose puts what the next request carries in front, and tells how many messages these are. The lock is held.
func (s *sender) choose() int {
	waiting := s.queue.messages
	switch {
	case s.tried.n > 0 && s.tried.first == s.queue.first:
		// The same items again, whatever has come behind them: the proxy knows by their ids which of them it has.
		return min(s.tried.n, len(waiting))
	case s.merge == nil || s.most < batchItems || len(waiting) <= batchItems:
		s.left = nil
		return batchOf(waiting, s.most, s.bodyLimit, s.pace.most)
	}
	// Nothing overtakes what somebody waits for.
	reach := min(batchReach, len(waiting))
	for _, w := range s.waiters {
		if !w.behind {
			reach = min(reach, int(w.end-s.queue.first))
		}
	}
	if s.lost.due > s.queue.first {
		reach = min(reach, int(s.lost.due-s.queue.first))
	}
	n, left := gather(waiting[:reach], s.left, s.bodyLimit, s.pace.most)
	s.left = left
	return n
}

// pack makes the next request's body, of the first of the waiting messages, at most so many.
func (s *sender) pack(waiting []message, most int) (n int, list []run, content []byte) {
	for n = most; ; n /= 2 {
		list = s.runs(waiting[:n])
		content = body(list, s.merge, s.pace.socketless)
		if n <= 1 || len(content) <= s.bodyLimit {
			return n, list, content
		}
		// Merging has added ids.
	}
}

func (s *sender) runs(batch []message) []run {
	if s.bare {
		batch = bare(batch)
	}
	return runs(batch, s.merge != nil)
}
