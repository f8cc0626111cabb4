package channels

import "time"

// Access tells who may read a channel.
type Access string

const (
	// AccessPublic lets everybody read, also without a name.
	AccessPublic Access = "public"
	// AccessAuthenticated lets everybody read who is somebody. The zero Access means this.
	AccessAuthenticated Access = "authenticated"
	// AccessToken lets those read whose token or application lists a matching pattern.
	AccessToken Access = "token"
	// AccessNobody lets no browser read.
	AccessNobody Access = "nobody"
)

// DefaultRetention is what channels keep that no rule speaks of.
const DefaultRetention = 24 * time.Hour

// A Rule says how the channels are treated that match it.
type Rule struct {
	// Match selects the channels.
	Match Pattern
	// Read is who may read.
	Read Access
	// Unstored channels keep nothing: their events have no number, and what a viewer misses is gone.
	Unstored bool
	// Retention is what a stored channel keeps.
	Retention Retention
	// MaxRate is how often a second viewers are shown something new of the channel, at most; they miss what is not the newest. 0
	// shows every event. See Conflater.
	MaxRate float64
	// Shared tells that the channel's events skip nobody, so that to it all viewers with equal rights are alike:
	// a request that repairs one viewer's stream serves all of them.
	Shared bool
}

// Rules are tried in order; the first that matches wins. Internal channels have rules of their own that no
// configuration changes. The zero value treats every channel as AccessNobody, stored for DefaultRetention.
type Rules []Rule

// For returns the rule of a channel.
func (rs Rules) For(c Channel) Rule {
	if c.Internal() {
		return internalRule(c)
	}
	for _, r := range rs {
		if r.Match.Match(c) {
			return r
		}
	}
	return Rule{Read: AccessNobody, Retention: Retention{Age: DefaultRetention}}
}

// internalRule leaves user channels at AccessNobody: Authorize lets the one user in by name.
func internalRule(c Channel) Rule {
	r := Rule{Match: Pattern(c), Read: AccessNobody, Retention: Retention{Age: DefaultRetention}}
	if c == Public {
		r.Read = AccessPublic
	}
	return r
}

// Stored tells whether events of the channel are kept in the log.
func (rs Rules) Stored(c Channel) bool { return !rs.For(c).Unstored }

// Retention returns what the log keeps of the channel, for Log.Trim.
func (rs Rules) Retention(c Channel) Retention { return rs.For(c).Retention }
