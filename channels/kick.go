package channels

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/grip"
)

// Kicks is the channel that stores kicks, in the order in which they were made. No viewer reads it.
const Kicks Channel = "@kicks"

// CloseForbidden is the WebSocket close code of viewers that may not read what they asked for, or no longer, as
// django-devicehub has it.
const CloseForbidden = 4403

// GripKicks is the name at the proxy of what streams hold to hear of kicks, without the deployment's prefix. Its items
// name the event channel in question (filter require-sub).
//
// They only have the proxy ask: the answer says whose stream ends. A channel of the user's own would do it without
// asking, but each viewer would be its first subscriber, and for those Pushpin asks a second later, ten a second.
const GripKicks = "kicks"

// GripKicks returns the name at the proxy of what long polls of the channel hold to hear of kicks.
func (c Channel) GripKicks() string { return GripKicks + "-" + c.Escape() }

// A Kick says that what a user may do on a channel has changed. The user's streams of the channel end; whether new ones
// may begin is for the Authorizer to say.
type Kick struct {
	User    string
	Channel Channel
	// Time is when it was stored.
	Time time.Time
}

// ParseKick validates the names of a user and a channel as an administrator gives them. Its errors are *InvalidError.
func ParseKick(user, channel string) (Kick, error) {
	if _, err := User(user); err != nil {
		return Kick{}, invalid("user", "%v", err)
	}
	if user == Somebody {
		return Kick{}, invalid("user", "%q is nobody's id", user)
	}
	c, err := ParseChannel(channel)
	if err != nil {
		return Kick{}, invalid("channel", "%v", err)
	}
	return Kick{User: user, Channel: c}, nil
}

// Draft is the kick as the log keeps it.
func (k Kick) Draft() Draft {
	data, _ := json.Marshal(map[string]Channel{"channel": k.Channel}) // a string always has a JSON form
	return Draft{Channels: []Channel{Kicks}, Type: "kick", Data: data, Scope: ScopeSystem, User: k.User}
}

// kick is the reverse of Kick.Draft; ok is false for other events.
func (e *Event) kick() (k Kick, ok bool) {
	var data struct {
		Channel Channel `json:"channel"`
	}
	if json.Unmarshal(e.Data, &data) != nil || e.User == "" || data.Channel == "" {
		return Kick{}, false
	}
	return Kick{User: e.User, Channel: data.Channel, Time: e.Time}, true
}

// Grip returns the name at the proxy of what WebSockets of the user and the channel hold: filters that could tell them
// apart do not work on WebSockets before Pushpin 2.
func (k Kick) Grip() string { return "user-" + escape(k.User, keepInCursor) + ":" + k.Channel.Grip() }

// appendItems appends what tells the proxy's viewers of the channel. Without ids, so that none is taken for a repetition.
func (k Kick) appendItems(dst []grip.Item, prefix string) []grip.Item {
	for _, form := range StreamForms() {
		dst = append(dst, grip.Item{
			Channel:    prefix + GripKicks,
			Meta:       map[string]string{grip.MetaRequireSub: prefix + k.Channel.GripIn(form)},
			HTTPStream: &grip.HTTPStream{Action: grip.ActionHint},
		})
	}
	return append(dst,
		grip.Item{
			Channel:      prefix + k.Channel.GripKicks(),
			HTTPResponse: &grip.HTTPResponse{Action: grip.ActionHint},
		},
		grip.Item{
			Channel:   prefix + k.Grip(),
			WSMessage: &grip.WSMessage{Action: grip.ActionClose, Code: CloseForbidden, Reason: "forbidden"},
		},
	)
}

// Kicked is what was kicked after a place in Kicks.
type Kicked struct {
	kicks []Kick
	// Next is the place after it.
	Next Seq
	// Lost tells that the place asked for is no place in the log: who was kicked since is not known.
	Lost bool
}

// From returns those of the channels that the user was kicked from, and, for Somebody, those that anybody was.
func (k Kicked) From(user string, chans []Channel) []Channel {
	var from []Channel
	for _, c := range chans {
		if slices.ContainsFunc(k.kicks, func(one Kick) bool {
			return one.Channel == c && (one.User == user || user == Somebody)
		}) {
			from = append(from, c)
		}
	}
	return from
}

// Names tells whether the user was kicked from any channel.
func (k Kicked) Names(user string) bool {
	return slices.ContainsFunc(k.kicks, func(one Kick) bool { return one.User == user })
}

func (k *Kicked) add(page *Page) {
	k.Next, k.Lost = page.Next, page.Lost
	for i := range page.Events {
		if one, ok := page.Events[i].kick(); ok {
			k.kicks = append(k.kicks, one)
		}
	}
}

// kickPage is how many kicks are read at once.
const kickPage = 500

// KicksHead returns the place of the newest kick.
func (r *Reader) KicksHead(ctx context.Context) (Seq, error) {
	heads, err := r.log.Heads(ctx, []Channel{Kicks})
	if err != nil {
		return 0, fmt.Errorf("read the newest kick: %w", err)
	}
	return heads[0].Seq, nil
}

// KicksSince returns the kicks since the moment, at most kickPage of them, the newest.
func (r *Reader) KicksSince(ctx context.Context, moment time.Time) (Kicked, error) {
	page, err := r.log.Latest(ctx, Kicks, kickPage)
	if err != nil {
		return Kicked{}, fmt.Errorf("read the newest kicks: %w", err)
	}
	var kicked Kicked
	kicked.add(&page)
	kicked.kicks = slices.DeleteFunc(kicked.kicks, func(k Kick) bool { return k.Time.Before(moment) })
	return kicked, nil
}

// KicksAfter returns the kicks after the place.
func (r *Reader) KicksAfter(ctx context.Context, place Seq) (Kicked, error) {
	return r.kicksAfter(ctx, Kicked{Next: place})
}

// kicksAfter adds the kicks after those that are known.
func (r *Reader) kicksAfter(ctx context.Context, kicked Kicked) (Kicked, error) {
	for {
		pages, err := r.log.Read(ctx, Cursor{{Kicks, kicked.Next}}, kickPage)
		if err != nil {
			return kicked, fmt.Errorf("read kicks: %w", err)
		}
		kicked.add(&pages[0])
		if !pages[0].More {
			return kicked, nil
		}
	}
}

// Follow is Read for a stream that goes on: it also returns the kicks after their place, from the same moment.
func (r *Reader) Follow(ctx context.Context, chans []Channel, from Cursor, kicks Seq, limit int) (Replay, Kicked, error) {
	replay, rest, err := r.read(ctx, chans, from, limit, Cursor{{Kicks, kicks}})
	if err != nil {
		return replay, Kicked{}, err
	}
	var kicked Kicked
	kicked.add(&rest[0])
	if rest[0].More {
		kicked, err = r.kicksAfter(ctx, kicked)
	}
	return replay, kicked, err
}
