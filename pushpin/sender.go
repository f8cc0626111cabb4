package pushpin

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// pacing is when a sender asks again.
type pacing struct {
	first   time.Duration // after one failure; doubled with each further one,
	last    time.Duration // up to this,
	refused time.Duration // or this, where nobody listens: that costs nothing to ask
	misled  time.Duration // where nothing will change by itself
	idle    time.Duration // where nothing was to be sent
}

func defaultPacing() pacing {
	return pacing{
		first:   100 * time.Millisecond,
		last:    10 * time.Second,
		refused: time.Second,
		misled:  30 * time.Second,
		idle:    15 * time.Second,
	}
}

// startPatience keeps a proxy that starts at the same time as we do from being called an outage.
const startPatience = 5 * time.Second

// failuresBeforeDown keeps one connection that breaks from being called an outage.
const failuresBeforeDown = 2

// A sender brings messages to one proxy.
type sender struct {
	name      string
	port      port
	log       *slog.Logger
	bodyLimit int
	// reset appends what tells the viewers of a channel without numbers of a loss.
	reset    func(dst []grip.Item, channel string) []grip.Item
	pacing   pacing
	wake     chan struct{} // has a token when there may be something to do
	answered chan struct{} // closed after the first request

	// merge makes one content for streams of several items' ones; nil for never.
	merge func([]grip.Item) []byte
	pace  pace
	lag   prometheus.Observer

	// events has what the queue has no room for, place tells where, and render makes items of it again. nil for no log.
	events Log
	place  func(*grip.Item) (channels.Position, bool)
	render func(dst []grip.Item, e *channels.Event) []grip.Item

	// Of run's goroutine alone.
	most      int // messages in the next batch
	tried     trial
	left      []message // memory for gather
	failures  int       // in a row
	rejects   int       // in a row
	noRecover bool
	bare      bool // the proxy takes content and no other actions
	// unreadable tells that the log did not answer last time.
	unreadable bool

	mu      sync.Mutex
	queue   queue
	backlog backlog
	behind  time.Time // since when there is a backlog
	lost    losses
	stopped bool
	report  Status // without the parts that queue knows
	missed  uint64 // the number after the last message that was not taken,
	why     error  // and the reason
	flushed uint64 // the number up to which Flush has reported
	waiters []*waiter
}

// A trial is a batch of which it is not known whether the proxy has taken it.
type trial struct {
	first uint64 // the number of its first message
	n     int
}

func newSender(name string, port port, options Options, lag prometheus.Observer) *sender {
	return &sender{
		name:      name,
		port:      port,
		log:       options.Logger.With("proxy", name),
		bodyLimit: options.BodyLimit,
		reset:     options.Reset,
		merge:     options.Merge,
		pace:      newPace(options),
		lag:       lag,
		events:    options.Log,
		place:     options.Place,
		render:    options.Render,
		pacing:    defaultPacing(),
		wake:      make(chan struct{}, 1),
		answered:  make(chan struct{}),
		most:      batchItems,
		queue:     queue{limit: options.QueueBytes},
		report:    Status{Proxy: name, Since: time.Now()},
	}
}

// give queues messages. It does not block.
func (s *sender) give(messages []message) {
	s.mu.Lock()
	losing, behind := !s.lost.empty(), s.backlog.pending()
	if !s.stopped {
		messages = s.leaveToLog(messages)
	}
	s.drop(s.queue.push(messages), errBehind)
	if s.stopped {
		s.drop(s.queue.pop(s.queue.end()), errStopped)
	}
	full := !losing && !s.lost.empty() && !s.stopped
	if behind = !behind && s.backlog.pending(); behind {
		s.behind = time.Now()
	}
	s.mu.Unlock()
	if behind {
		s.log.Warn("the proxy does not keep up or is away: what comes now is read from the log later")
	}
	if full {
		s.log.Warn("dropping the oldest items: the proxy does not keep up or is away")
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Why messages are dropped where the proxy has not said so.
var (
	errBehind  = errors.New("the queue was full")
	errStopped = errors.New("sending has stopped")
)

// drop notes messages that were taken out of the queue because the proxy is away or too slow.
func (s *sender) drop(messages []message, why error) {
	s.report.Dropped += uint64(len(messages))
	s.miss(messages, s.queue.end(), why)
}

// miss notes messages that were taken out of the queue and will not be sent. Viewers are to be
// told once the proxy has taken what is numbered below due: asked before, they would read
// more from the log than the proxy has, and take the rest for another gap.
func (s *sender) miss(messages []message, due uint64, why error) {
	if len(messages) == 0 {
		return
	}
	s.missed, s.why = s.queue.first, why
	for i := range messages {
		s.lost.add(&messages[i].item)
	}
	s.lost.due = max(s.lost.due, due)
	s.release()
}

// run sends until ctx has ended and nothing is queued, or draining ends.
func (s *sender) run(ctx, draining context.Context) {
	defer s.stop()
	for asked := false; ; asked = true {
		s.readOn(draining)
		queued, lost := s.due()
		if !queued && ctx.Err() != nil {
			return
		}
		// The first request tells whether the proxy is there, and those after a failure whether it is back: who waits
		// to be ready should not wait for somebody to publish.
		if asked && s.failures == 0 && !queued && !lost && !s.idle(ctx) {
			continue
		}
		if queued && !sleep(draining, s.pace.wait()) {
			return
		}
		pause := s.exchange(draining)
		if !asked {
			close(s.answered)
		}
		if draining.Err() != nil {
			return
		}
		if pause > 0 && !sleep(ctx, pause) {
			sleep(draining, min(pause, s.pacing.first))
		}
	}
}

// due tells whether there are messages to send, and viewers to be told of a loss.
func (s *sender) due() (queued, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue.messages) > 0, !s.lost.empty()
}

// idle waits until something is given, and tells if instead it is time to see if the proxy is still there.
func (s *sender) idle(ctx context.Context) bool {
	t := time.NewTimer(s.pacing.idle)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-t.C:
		return true
	}
	return false
}

// exchange makes one request, and a repair if one is due, and tells how long to wait before the next.
func (s *sender) exchange(ctx context.Context) (pause time.Duration) {
	s.mu.Lock()
	first, newest := s.queue.first, s.queue.end()
	n := s.choose()
	waiting := s.queue.messages
	s.mu.Unlock()

	n, list, content := s.pack(waiting, n)
	end := first + uint64(n)
	s.tried = trial{first, n}
	s.pace.begin(list)
	began := time.Now()
	err := s.port.publish(ctx, content)
	s.pace.answered(time.Since(began))
	switch judge(err) {
	case taken:
		s.tried = trial{}
		s.took(end)
	case bad:
		s.tried = trial{}
		if n > 1 {
			if tooLarge(err) {
				// All that the proxy says of its limit.
				s.bodyLimit = len(content) / 2
			} else {
				// Find the bad one by halves; what was given first still goes first.
				s.most = min(n/2, batchItems-1)
			}
			s.answer(err, func() {})
			return 0
		}
		if n == 1 && s.simplify(ctx, waiting[0]) {
			s.took(end)
		} else {
			s.reject(end, err)
		}
	case later:
		return s.fail(ctx, err, s.pacing.last)
	case misled:
		s.failures = failuresBeforeDown
		s.fail(ctx, err, 0)
		return s.pacing.misled
	case nobody:
		// Viewers that come when the proxy is back will find these in the log.
		s.giveUp(newest, err)
		return s.fail(ctx, err, s.pacing.refused)
	}
	if err := s.repair(ctx); err != nil {
		return s.fail(ctx, err, s.pacing.last)
	}
	return 0
}

// took notes that the proxy has taken the messages with numbers below end.
func (s *sender) took(end uint64) {
	s.most, s.rejects = min(2*s.most, batchItems), 0
	var out []message
	s.answer(nil, func() {
		out = s.queue.pop(end)
		s.report.Sent += uint64(len(out))
	})
	measure(s.lag, out, time.Now())
	// The queue's array may live as long as something waits.
	clear(out)
}

// reject takes out the one message below end, which the proxy will never take.
func (s *sender) reject(end uint64, err error) {
	s.most = batchItems
	var out []message
	s.answer(err, func() {
		out = s.queue.pop(end)
		s.report.Rejected += uint64(len(out))
		s.miss(out, end, err)
	})
	// A proxy that refuses everything must not fill the log.
	const logged = 10
	if s.rejects++; s.rejects > logged {
		return
	}
	for i := range out {
		s.log.Error("the proxy refuses an item", "channel", out[i].item.Channel, "id", out[i].item.ID, "error", err)
	}
}

// answer notes that the proxy is there, and what else follows from its answer.
func (s *sender) answer(bad error, note func()) {
	s.failures = 0
	s.mu.Lock()
	s.report.Requests++
	if bad != nil {
		s.report.Failures++
	}
	before, since := s.report.State, s.report.Since
	if s.report.Err = nil; before != StateUp {
		s.report.State, s.report.Since = StateUp, time.Now()
	}
	note()
	s.release()
	s.mu.Unlock()
	if before == StateDown {
		s.log.Info("the proxy takes items again", "after", time.Since(since).Round(time.Millisecond))
	}
}

// fail notes a failed request and tells how long to wait.
func (s *sender) fail(ctx context.Context, err error, most time.Duration) time.Duration {
	if ctx.Err() != nil {
		// We hung up, not the proxy.
		return 0
	}
	s.failures++
	s.mu.Lock()
	s.report.Requests++
	s.report.Failures++
	s.report.Err = err
	starting := s.report.State == StateUnknown && time.Since(s.report.Since) < startPatience && errors.Is(err, syscall.ECONNREFUSED)
	down := s.failures >= failuresBeforeDown && s.report.State != StateDown && !starting
	if down {
		s.report.State, s.report.Since = StateDown, time.Now()
	}
	s.mu.Unlock()
	if down {
		s.log.Warn("the proxy does not take items", "error", err)
	}
	pause := min(s.pacing.first<<min(s.failures-1, 20), most)
	// Not all hubs of a proxy that comes back shall ask at the same time.
	return pause - time.Duration(rand.Int64N(int64(pause)/4+1))
}

// giveUp takes out the messages with numbers below end.
func (s *sender) giveUp(end uint64, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandon(why)
	s.drop(s.queue.pop(end), why)
}

// stop gives up what is left.
func (s *sender) stop() {
	s.mu.Lock()
	s.stopped = true
	behind := len(s.backlog.turns)
	s.abandon(errStopped)
	left := s.queue.pop(s.queue.end())
	s.drop(left, errStopped)
	s.mu.Unlock()
	if len(left)+behind > 0 {
		s.log.Warn("stopped before all items were sent", "items", len(left), "channels_in_log", behind)
	}
	s.port.close()
}

func (s *sender) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := s.report
	report.QueuedItems, report.QueuedBytes, report.Behind = len(s.queue.messages), s.queue.bytes, len(s.backlog.turns)
	return report
}
