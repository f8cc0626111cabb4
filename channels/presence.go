package channels

// A PresenceState tells what a proxy's count of viewers is worth.
type PresenceState string

// The states of a proxy that counts viewers.
const (
	// PresenceKnown counts are the proxy's own, of a second ago at most.
	PresenceKnown PresenceState = "known"
	// PresenceLearning counts may be too small: a proxy tells of viewers that were there before only in the course of
	// a while.
	PresenceLearning PresenceState = "learning"
	// PresenceAway proxies cannot be reached. Their count is 0, since the viewers of a proxy that has died are gone.
	PresenceAway PresenceState = "away"
)

// A Presence is how many connections one proxy holds on a channel.
type Presence struct {
	// Viewers counts connections: a person with two tabs is two viewers.
	Viewers int           `json:"viewers"`
	State   PresenceState `json:"state"`
}
