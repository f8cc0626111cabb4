package pushpin

import (
	"context"
	"errors"

	"github.com/griphub/griphub/grip"
)

const (
	// maxLostChannels bounds the channels that are hinted one by one after a loss.
	maxLostChannels = 256
	// maxResetChannels bounds the channels without numbers whose viewers are told of a loss.
	maxResetChannels = 1 << 16
)

// losses is what viewers of one proxy have to ask the log for, since items that told
// of it were not sent.
type losses struct {
	channels map[string]struct{}
	many     bool                // there are more than channels
	resets   map[string]struct{} // channels without numbers, of whose events no log tells
	untold   map[string]struct{} // those of resets whose viewers know nothing yet
	due      uint64              // the number that the queue has to reach first
}

func (l *losses) empty() bool { return len(l.channels) == 0 && len(l.resets) == 0 }

func (l *losses) add(item *grip.Item) {
	if item.ID == "" {
		l.addReset(item.Channel)
	} else {
		l.addChannel(item.Channel)
	}
}

func (l *losses) addReset(channel string) {
	if _, known := l.resets[channel]; !known && len(l.resets) < maxResetChannels {
		l.resets = put(l.resets, channel)
		l.untold = put(l.untold, channel)
	}
}

func (l *losses) addChannel(channel string) {
	if _, known := l.channels[channel]; !known && len(l.channels) == maxLostChannels {
		l.many = true
		return
	}
	l.channels = put(l.channels, channel)
}

// merge adds what another has.
func (l *losses) merge(other losses) {
	for channel := range other.channels {
		l.addChannel(channel)
	}
	for channel := range other.resets {
		l.addReset(channel)
	}
	l.many = l.many || other.many
	l.due = max(l.due, other.due)
}

func put(set map[string]struct{}, name string) map[string]struct{} {
	if set == nil {
		set = make(map[string]struct{})
	}
	set[name] = struct{}{}
	return set
}

// repair tells the viewers who may have missed something to ask again, if it is time for that. The proxy
// takes items at the moment.
//
// A hint per channel reaches just the viewers concerned, at every kind of proxy. Where too many
// channels are concerned, Pushpin is told to forget all positions and to have everyone ask.
func (s *sender) repair(ctx context.Context) error {
	s.mu.Lock()
	if s.lost.empty() || s.queue.first < s.lost.due {
		untold := s.lost.untold
		s.lost.untold = nil
		s.mu.Unlock()
		return s.warn(ctx, untold)
	}
	lost := s.lost
	s.lost = losses{}
	s.mu.Unlock()

	err := s.tell(ctx, lost)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		// What was lost meanwhile comes on top.
		s.lost.merge(lost)
		return err
	}
	s.report.Repairs++
	s.report.Resets += uint64(len(lost.resets))
	return nil
}

// warn tells viewers of channels without numbers of a loss before its time: where much waits, what comes at its end may be
// more than the proxy keeps for a connection, and then nobody would be told at all.
func (s *sender) warn(ctx context.Context, untold map[string]struct{}) error {
	err := s.post(ctx, s.resetItems(untold))
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for channel := range untold {
			s.lost.untold = put(s.lost.untold, channel)
		}
	}
	return err
}

func (s *sender) tell(ctx context.Context, lost losses) error {
	if err := s.post(ctx, s.resetItems(lost.resets)); err != nil || len(lost.channels) == 0 {
		return err
	}
	if lost.many && !s.noRecover {
		err := s.port.recover(ctx)
		var status *statusError
		if !errors.As(err, &status) || status.code/100 != 4 {
			if err == nil {
				s.log.Info("told all viewers to ask for what they missed")
			}
			return err
		}
		// Fastly is such a proxy. The others find out with their next event.
		s.noRecover = true
	}
	if s.bare {
		// Viewers find out with their next event, or when their link's time has come.
		return nil
	}
	hints := make([]grip.Item, 0, len(lost.channels))
	for channel := range lost.channels {
		// Without an id the hint does not fit the sequence of a reliable channel, so that Pushpin
		// asks with the position where each viewer really stands.
		hints = append(hints, grip.Item{
			Channel:      channel,
			HTTPStream:   &grip.HTTPStream{Action: grip.ActionHint},
			HTTPResponse: &grip.HTTPResponse{Action: grip.ActionHint},
		})
	}
	if err := s.post(ctx, hints); err != nil {
		return err
	}
	s.log.Info("told viewers to ask for what they missed", "channels", len(lost.channels))
	return nil
}

// resetItems tell viewers of channels without numbers that something is gone for good.
func (s *sender) resetItems(channels map[string]struct{}) []grip.Item {
	var items []grip.Item
	for channel := range channels {
		items = s.reset(items, channel)
	}
	return items
}

// post sends items that are about viewers and not about events. A proxy that does not know their kind has refused them
// for good.
func (s *sender) post(ctx context.Context, items []grip.Item) error {
	messages := encode(items, make([]origin, len(items)), s.bodyLimit, func(*grip.Item, error) {})
	for len(messages) > 0 {
		n := batchOf(messages, batchItems, s.bodyLimit, s.pace.most)
		if err := s.port.publish(ctx, body(runs(messages[:n], false), nil, nil)); judge(err) == bad {
			s.log.Debug("the proxy refuses to repair", "error", err)
		} else if err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}
