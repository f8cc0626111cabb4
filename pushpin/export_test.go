package pushpin

import "time"

// Hasten makes every pause between requests short, so that tests need not wait.
func (c *Client) Hasten() {
	for _, s := range c.senders {
		s.pacing = pacing{
			first:   time.Millisecond,
			last:    20 * time.Millisecond,
			refused: 20 * time.Millisecond,
			misled:  20 * time.Millisecond,
			idle:    time.Hour,
		}
	}
}
