package webhook

import "time"

// Hurry shortens the subscriber's pauses for a test.
func (s *Subscriber) Hurry() {
	s.pause = pauses{first: time.Millisecond, last: 8 * time.Millisecond, gone: 50 * time.Millisecond, idle: 20 * time.Millisecond}
}

// ReadAnswers is for the fuzzer.
var ReadAnswers = readAnswers
