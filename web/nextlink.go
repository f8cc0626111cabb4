package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// linkLife is how long a next link is good for. Streams renew theirs each time it is followed, which is every
// stream.recheck; expiries are rounded to a tenth of this, so that viewers with equal rights hold equal
// links and the proxy fetches them once for all.
const linkLife = time.Hour

const sealNextLink = "next-link"

// A ticket is what a next link carries, because the proxy follows it without the viewer's headers: who
// the viewer is and what the stream shows.
type ticket struct {
	Family   string             `json:"f"`
	Channels []channels.Channel `json:"c"`
	User     string             `json:"u,omitempty"`
	Patterns []channels.Pattern `json:"p,omitempty"`
	Admin    bool               `json:"a,omitempty"`
	Expires  int64              `json:"e,omitempty"`
}

func newTicket(f *family, chans []channels.Channel, p channels.Principal) ticket {
	t := ticket{Family: f.name, Channels: chans, User: p.User, Patterns: p.Channels, Admin: p.Admin}
	if !p.Expires.IsZero() {
		t.Expires = p.Expires.Unix()
	}
	return t
}

func (t *ticket) principal() channels.Principal {
	p := channels.Principal{User: t.User, Channels: t.Patterns, Admin: t.Admin}
	if t.Expires != 0 {
		p.Expires = time.Unix(t.Expires, 0)
	}
	return p
}

// nextLink makes the stream's next link. With a cursor it reads on from there; without, from the positions
// that the proxy reports.
func (s *Server) nextLink(r *http.Request, t ticket, cursor channels.Cursor) (grip.Link, error) {
	const step = linkLife / 10
	expires := s.now().Add(linkLife + step).Truncate(step)
	sealed, err := s.sealer.seal(sealNextLink, t, expires)
	if err != nil {
		return grip.Link{}, err
	}
	q := url.Values{"link": {"next"}, "ticket": {sealed}}
	if cursor != nil {
		q.Set("lastEventId", cursor.String())
	}
	uri := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: q.Encode()}
	return grip.Link{URI: uri.String(), Rel: grip.RelNext, Timeout: s.opts.Stream.Recheck}, nil
}

// follow reads the ticket of a next link; ok is false for a request that is none.
func (s *Server) follow(r *http.Request) (t ticket, ok bool, err error) {
	q := r.URL.Query()
	if q.Get("link") != "next" {
		return t, false, nil
	}
	err = s.sealer.open(sealNextLink, q.Get("ticket"), &t, s.now())
	return t, true, err
}
