package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// A next link is what the proxy follows to go on with a stream: after a gap, after a silence, or through a
// backlog. It follows it without the viewer's headers, so the link holds a ticket.
//
// The ticket stands in the path, because Pushpin takes links that differ only in the query for one request and
// gives all viewers its answer. And viewers with equal rights hold equal links wherever that is safe, because
// Pushpin follows ten different links a second, and a viewer who waits for a turn receives nothing. The link of a stream of one
// channel leaves that to the proxy, too, which names it with its position (Grip-Last): a thousand streams of a thousand devices,
// opened together, would otherwise wait for more than a minute.
const nextPath = "/next/"

const sealNextLink = "next-link"

// linkLife is for how long a next link may be followed after its time: Pushpin takes its turn with many. Streams renew theirs
// each time it is followed, which is every stream.recheck; expiries are rounded to a tenth of this, so that links made at about the same time are equal.
const linkLife = time.Hour

// A ticket is what a next link says: who the viewer is, as far as it matters, and what the stream shows.
type ticket struct {
	Family string `json:"f"`
	// Channels are what the stream shows; empty for the one that the proxy names.
	Channels []channels.Channel `json:"c,omitempty"`
	Form     channels.Form      `json:"h,omitempty"`
	User     string             `json:"u,omitempty"`
	Patterns []channels.Pattern `json:"p,omitempty"`
	Admin    bool               `json:"a,omitempty"`
	Expires  int64              `json:"e,omitempty"`
	// Kicks is the place up to which the stream knows who was kicked, for viewers who can be.
	Kicks channels.Seq `json:"k,omitempty"`
	// Snapshot tells that the viewer wants the state of devices where what it missed is lost.
	Snapshot bool `json:"s,omitempty"`
	// From is where to read on in a backlog; empty where the proxy knows the positions.
	From string `json:"n,omitempty"`
}

// newTicket keeps of the principal what the authorizer's decisions depend on.
func (s *Server) newTicket(st *stream, cursor channels.Cursor) ticket {
	p := s.reduced(st.principal, st.channels)
	t := ticket{Family: st.family.name, Channels: st.channels, Form: st.form, User: p.User, Patterns: p.Channels, Admin: p.Admin,
		Snapshot: st.snapshot}
	if !p.Expires.IsZero() {
		t.Expires = p.Expires.Unix()
	}
	if kickable(p.User, st.channels) {
		t.Kicks = st.kicks
	}
	t.From = cursor.String()
	if t.From == "" && t.nameless() && len(st.channels) == 1 && s.opts.Reader.Stored(st.channels[0]) {
		t.Channels = nil
	}
	return t
}

// nameless tells that the ticket is anybody's with those rights, which are the same for everybody: whatever else its viewers
// could name, they may read.
func (t *ticket) nameless() bool {
	return (t.User == "" || t.User == channels.Somebody) && len(t.Patterns) == 0 && !t.Admin
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
func (s *Server) nextLink(st *stream, cursor channels.Cursor) (grip.Link, error) {
	const step = linkLife / 10
	t := s.newTicket(st, cursor)
	sealed, err := s.sealer.Seal(sealNextLink, t, s.now().Add(s.opts.Stream.Recheck+linkLife+step).Truncate(step))
	if err != nil {
		return grip.Link{}, err
	}
	timeout := s.opts.Stream.Recheck
	if end := st.principal.Expires; !end.IsZero() {
		// The stream ends when the identity does.
		timeout = min(timeout, max(time.Second, end.Sub(s.now())))
	}
	return grip.Link{URI: nextPath + sealed, Rel: grip.RelNext, Timeout: timeout}, nil
}

// errBadLink refuses a next link that is forged, or whose time or whose viewer's is over. The stream ends without a
// word: the viewer reconnects, with what then says who it is.
var errBadLink = &refusal{status: http.StatusForbidden, condition: "bad-link", text: "The next link is not valid."}

// followLink answers the proxy's request for a next link. Refusals end the stream in band: an HTTP error would be tried
// again, with the viewer waiting.
func (s *Server) followLink(c *gin.Context) error {
	streamHeaders(c.Writer.Header())
	st, err := s.openTicket(c.Request, param(c.Request, "ticket"))
	if err == nil {
		err = s.authorize(c.Request.Context(), st.principal, st.channels)
	}
	if err == nil {
		err = s.hold(c, st)
	}
	var no *refusal
	if errors.As(err, &no) {
		c.Data(http.StatusOK, eventStream, ending(*no))
		return nil
	}
	return err
}

// openTicket reads the stream that a next link goes on with.
func (s *Server) openTicket(r *http.Request, sealed string) (*stream, error) {
	var t ticket
	if s.sealer.Open(sealNextLink, sealed, &t, s.now()) != nil {
		return nil, errBadLink
	}
	st := &stream{family: s.families.named(t.Family), principal: t.principal(), channels: t.Channels, form: t.Form, kicks: t.Kicks, followed: true, snapshot: t.Snapshot}
	if st.family == nil || st.principal.Expired(s.now()) {
		return nil, errBadLink
	}
	var err error
	if t.From == "" {
		st.from, err = s.reportedPosition(r)
	} else {
		st.from, err = channels.ParseCursor(t.From)
	}
	if err == nil && len(st.channels) == 0 {
		// No proxy follows such a link without a position.
		if len(st.from) != 1 || !t.nameless() {
			return nil, errBadLink
		}
		st.channels = []channels.Channel{st.from[0].Channel}
	}
	return st, err
}
