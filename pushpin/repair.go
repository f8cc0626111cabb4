package pushpin

import (
	"context"
	"errors"
	"net/http"

	"github.com/griphub/griphub/grip"
)

// maxLostChannels bounds the channels that are hinted one by one after a loss.
const maxLostChannels = 256

// losses is what viewers of one proxy have to ask the log for, since items that told
// of it were not sent.
type losses struct {
	channels map[string]struct{}
	many     bool   // there are more than channels
	due      uint64 // the number that the queue has to reach first
}

func (l *losses) empty() bool { return len(l.channels) == 0 }

func (l *losses) add(channel string) {
	if _, known := l.channels[channel]; known {
		return
	}
	if len(l.channels) == maxLostChannels {
		l.many = true
		return
	}
	if l.channels == nil {
		l.channels = make(map[string]struct{})
	}
	l.channels[channel] = struct{}{}
}

// repair tells the viewers who may have missed something to ask again, if it is time for that. The proxy
// takes items at the moment.
//
// A hint per channel reaches just the viewers concerned, at every kind of proxy. Where too many
// channels are concerned, Pushpin is told to forget all positions and to have everyone ask.
func (s *sender) repair(ctx context.Context) error {
	s.mu.Lock()
	if s.lost.empty() || s.queue.first < s.lost.due {
		s.mu.Unlock()
		return nil
	}
	lost := s.lost
	s.lost = losses{}
	s.mu.Unlock()

	err := s.tell(ctx, lost)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		// What was lost meanwhile comes on top.
		for channel := range lost.channels {
			s.lost.add(channel)
		}
		s.lost.many = s.lost.many || lost.many
		s.lost.due = max(s.lost.due, lost.due)
		return err
	}
	s.report.Repairs++
	return nil
}

func (s *sender) tell(ctx context.Context, lost losses) error {
	if lost.many && !s.noRecover {
		err := s.port.recover(ctx)
		var status *statusError
		if !errors.As(err, &status) || status.code != http.StatusNotFound && status.code != http.StatusMethodNotAllowed {
			if err == nil {
				s.log.Info("told all viewers to ask for what they missed")
			}
			return err
		}
		// Fastly is such a proxy. The others find out with their next event.
		s.noRecover = true
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
	messages := encode(hints, s.bodyLimit, func(*grip.Item, error) {})
	for len(messages) > 0 {
		n := batchOf(messages, batchItems, s.bodyLimit)
		if err := s.port.publish(ctx, body(messages[:n])); judge(err) == bad {
			s.log.Debug("the proxy refuses hints", "err", err)
		} else if err != nil {
			return err
		}
		messages = messages[n:]
	}
	s.log.Info("told viewers to ask for what they missed", "channels", len(lost.channels))
	return nil
}
