package devices

import "time"

// Bounds of how long messages are held up for a hook that fails and lets nothing pass (channels.HookError). What comes
// behind them waits, too, whatever device it is of: so a hook that is away for a moment costs nothing, and one message that a
// hook can never answer does not stop all devices.
const (
	// hookPatience is how long the first messages wait.
	hookPatience = 30 * time.Second
	// hookCalm is how long no hook must fail before messages are waited with again.
	hookCalm = time.Minute
)

// A patience tells when messages are no longer held up. The zero value has just begun.
type patience struct{ since, last time.Time }

// ends notes a failure, and tells whether to give the messages up.
func (p *patience) ends(now time.Time) bool {
	if p.last.IsZero() || now.Sub(p.last) > hookCalm {
		p.since = now
	}
	p.last = now
	return now.Sub(p.since) >= hookPatience
}
