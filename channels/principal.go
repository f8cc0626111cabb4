package channels

import (
	"context"
	"strings"
	"time"
)

// A Principal is who asks. The zero value is anonymous.
type Principal struct {
	// User is the user's id; empty for anonymous.
	User string
	// Channels are patterns that the user's token or application lists for reading.
	Channels []Pattern
	// Publish are patterns of channels that the user may publish to.
	Publish []Pattern
	// Admin lets the user do everything.
	Admin bool
	// Expires is when the identity ends; zero for never.
	Expires time.Time
}

// Anonymous tells that nobody has said who asks.
func (p Principal) Anonymous() bool { return p.User == "" }

// Expired tells that the identity has ended.
func (p Principal) Expired(now time.Time) bool { return !p.Expires.IsZero() && !now.Before(p.Expires) }

// An Authorizer decides who may read what. It is asked at every connect and at every next link.
type Authorizer interface {
	// MayRead tells whether the principal may read the channel. An error is a failure to decide, not a no.
	MayRead(ctx context.Context, p Principal, c Channel) (bool, error)
}

// MayRead makes Rules an Authorizer. It never fails.
func (rs Rules) MayRead(_ context.Context, p Principal, c Channel) (bool, error) {
	if !p.Anonymous() && (c == Channel(userPrefix+p.User) || c == Channel(devicesPrefix+p.User)) {
		return true, nil
	}
	switch rs.For(c).Read {
	case AccessPublic:
		return true, nil
	case AccessAuthenticated, "":
		return !p.Anonymous(), nil
	case AccessToken:
		return p.Admin || matchAny(p.Channels, c), nil
	}
	return p.Admin && !c.Internal(), nil
}

// Somebody is a user whose name does not matter. No real user has this name.
const Somebody = "@somebody"

// A Reducer is an Authorizer that knows what its decisions depend on.
type Reducer interface {
	// Reduce returns a principal that may read the channels just as p may, with as little of p as possible, so
	// that those of many users are equal. It keeps the user's name where events of a channel may skip users.
	Reduce(p Principal, chans []Channel) Principal
}

// Reduce makes Rules a Reducer.
func (rs Rules) Reduce(p Principal, chans []Channel) Principal {
	reduced := Principal{}
	for _, c := range chans {
		rule := rs.For(c)
		if !rule.Shared {
			reduced.User = p.User
		}
		switch rule.Read {
		case AccessPublic:
			continue
		case AccessToken, AccessNobody:
			reduced.Channels, reduced.Admin = p.Channels, p.Admin
		}
		if reduced.User == "" && !p.Anonymous() {
			reduced.User = Somebody
		}
		reduced.Expires = p.Expires
	}
	if reduced.User == Somebody && !reduced.Expires.IsZero() {
		// Up to the minute, so that tokens made at about the same time are alike.
		reduced.Expires = reduced.Expires.Add(time.Minute - 1).Truncate(time.Minute)
	}
	return reduced
}

// MayPublish tells whether the principal may publish to the channel.
func (p Principal) MayPublish(c Channel) bool { return p.Admin || matchAny(p.Publish, c) }

// matchAny also keeps wildcards from internal channels: a pattern has to name the "@" itself.
func matchAny(patterns []Pattern, c Channel) bool {
	for _, p := range patterns {
		if (!c.Internal() || strings.HasPrefix(string(p), "@")) && p.Match(c) {
			return true
		}
	}
	return false
}
