package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// A selector tells which channels a request is for. Its errors are *refusal.
type selector func(*http.Request, channels.Principal) ([]channels.Channel, error)

// A stream is one viewer's request for events.
type stream struct {
	family    *family
	principal channels.Principal
	channels  []channels.Channel
	// from is where the viewer stands; channels that it does not name start at their head.
	from channels.Cursor
	// followed tells that the proxy asks for a stream that it holds already.
	followed bool
}

// serveStream answers a request for the channels in the family's form: from the next link's ticket where it is
// one, else from the viewer's own words.
func (s *Server) serveStream(c *gin.Context, f *family, chans selector) error {
	st, err := s.openStream(c.Request, f, chans)
	var no *refusal
	if errors.As(err, &no) {
		status, contentType, body := f.refusal(*no)
		if st.followed {
			status, contentType, body = http.StatusOK, eventStream, ending(*no)
		}
		streamHeaders(c.Writer.Header())
		c.Data(status, contentType, body)
		return nil
	}
	if err != nil {
		return err
	}
	streamHeaders(c.Writer.Header())
	if c.Request.Method == http.MethodHead {
		c.Header("Content-Type", eventStream)
		c.Status(http.StatusOK)
		return nil
	}
	return s.hold(c, st)
}

func streamHeaders(h http.Header) {
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}

// errBadLink refuses a next link that is expired, forged or another stream's.
var errBadLink = &refusal{status: http.StatusForbidden, condition: "bad-link", text: "The next link is not valid."}

// openStream works out who asks for what from where, and refuses what may not be.
func (s *Server) openStream(r *http.Request, f *family, chans selector) (*stream, error) {
	st := &stream{family: f}
	ticket, followed, err := s.follow(r)
	if st.followed = followed; followed {
		if err != nil || ticket.Family != f.name {
			return st, errBadLink
		}
		st.channels, st.principal = ticket.Channels, ticket.principal()
		st.from, err = s.linkedPosition(r)
	} else {
		if st.principal, err = s.opts.Authenticator.Authenticate(r); err != nil {
			return st, unauthorized(err)
		}
		if st.channels, err = chans(r, st.principal); err != nil {
			return st, err
		}
		st.from, err = resumePosition(r)
	}
	if err != nil {
		return st, err
	}
	return st, s.authorize(r.Context(), st.principal, st.channels)
}

// authorize refuses unless the principal may read every channel.
func (s *Server) authorize(ctx context.Context, p channels.Principal, chans []channels.Channel) error {
	var denied []channels.Channel
	if p.Expired(s.now()) {
		denied = chans
	} else {
		for _, c := range chans {
			ok, err := s.opts.Authorizer.MayRead(ctx, p, c)
			if err != nil {
				return fmt.Errorf("authorize channel %q: %w", c, err)
			}
			if !ok {
				denied = append(denied, c)
			}
		}
	}
	if len(denied) == 0 {
		return nil
	}
	names := make([]string, len(denied))
	for i, c := range denied {
		names[i] = string(c)
	}
	status := http.StatusForbidden
	if p.Anonymous() {
		status = http.StatusUnauthorized
	}
	return &refusal{status, "forbidden", "Permission denied to channels: " + strings.Join(names, ", "), denied}
}

// resumePosition reads where a reconnecting viewer stands: the header Last-Event-ID or, where that is empty,
// the last query value lastEventId that is not.
func resumePosition(r *http.Request) (channels.Cursor, error) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		for _, v := range r.URL.Query()["lastEventId"] {
			if v != "" {
				last = v
			}
		}
	}
	switch last {
	case "":
		return nil, nil
	case "error":
		// A stream that ended in an error was given this id, so that a native EventSource, which repeats
		// it, is stopped by an HTTP error.
		return nil, &problem{status: http.StatusBadRequest, code: "bad-request",
			message: "Invalid request: Can't resume session after stream-error."}
	}
	cursor, err := channels.ParseCursor(last)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "bad-request",
			"Invalid request: Failed to parse Last-Event-ID or lastEventId.", nil}
	}
	return cursor, nil
}

// linkedPosition reads where the stream of a next link stands: the link's own cursor where it reads on through
// a backlog, else what the proxy says it has sent.
func (s *Server) linkedPosition(r *http.Request) (channels.Cursor, error) {
	if r.URL.Query().Has("lastEventId") {
		return resumePosition(r)
	}
	lasts, err := grip.ParseLast(r.Header.Values(grip.HeaderLast))
	if err != nil {
		return nil, badRequest("The header Grip-Last cannot be read.")
	}
	var cursor channels.Cursor
	for _, last := range lasts {
		name, ok := strings.CutPrefix(last.Channel, s.opts.Prefix)
		if !ok {
			continue
		}
		channel, ok := channels.FromGrip(name)
		if !ok {
			continue
		}
		if seq, err := channels.ParseSeq(last.ID); err == nil {
			cursor.Set(channel, seq)
		}
	}
	return cursor, nil
}

// hold answers with what the viewer missed, and has the proxy hold the connection at the place after
// it, or ask at once for more where the log has more than fits a reply.
func (s *Server) hold(c *gin.Context, st *stream) error {
	replay, err := s.opts.Reader.Read(c.Request.Context(), st.channels, st.from, channels.ReplayEvents)
	if err != nil {
		return err
	}
	body, cursor, more := st.render(&replay)
	link, err := s.linkOf(c.Request, st, cursor, more)
	if err != nil {
		return err
	}
	instruct := grip.Instruct{
		// Also a reply that does not hold names the channels: the proxy's filters for the next link's body are
		// those of the reply before it.
		Channels: s.holdChannels(st, cursor),
		Meta:     s.holdMeta(st, cursor),
		Links:    []grip.Link{link},
	}
	if !more {
		instruct.Hold = grip.Hold{Mode: grip.HoldStream}
		instruct.KeepAlive = grip.KeepAlive{Data: st.family.keepAlive, Timeout: st.family.interval, Mode: grip.KeepAliveIdle}
	}
	if err := instruct.WriteHeader(c.Writer.Header()); err != nil {
		return fmt.Errorf("hold %d channels: %w", len(st.channels), err)
	}
	c.Data(http.StatusOK, eventStream, body)
	return nil
}

func (s *Server) linkOf(r *http.Request, st *stream, cursor channels.Cursor, more bool) (grip.Link, error) {
	if !more {
		cursor = nil
	}
	return s.nextLink(r, newTicket(st.family, st.channels, st.principal), cursor)
}

// render writes the opening, resets and missed events, up to what one reply may hold, and returns the place
// after them. The text is in the form that the proxy's build-id filter reads, which it is wherever the
// cursor has a position.
func (st *stream) render(replay *channels.Replay) (body []byte, cursor channels.Cursor, more bool) {
	cursor = append(channels.Cursor(nil), replay.Start...)
	var out []byte
	if !st.followed {
		out = st.family.opening(out, st.channels, cursor.String())
	}
	if len(replay.Lost) > 0 {
		out = resetEvent(out, cursor.String(), replay.Lost)
	}
	if len(cursor) > 0 {
		out = grip.AppendBuildID(nil, out)
	}
	var one []byte
	for _, step := range replay.Steps {
		before := cursor.String()
		cursor.Set(step.Channel, step.Seq)
		if step.Event.Skips(st.principal.User) {
			continue
		}
		one = step.Event.AppendSSE(one[:0], cursor.String())
		size := len(out)
		out = grip.AppendBuildID(out, one)
		if len(out) > channels.ReplayBytes && size > 0 && step != replay.Steps[0] {
			back, _ := channels.ParseCursor(before)
			return out[:size], back, true
		}
	}
	return out, cursor, replay.More
}

// holdChannels subscribes the stream to its channels. A stored channel names its position, so that the proxy
// notices a gap, and has its ids rendered.
func (s *Server) holdChannels(st *stream, cursor channels.Cursor) []grip.Channel {
	subs := make([]grip.Channel, 0, len(st.channels)+1)
	for _, c := range st.channels {
		sub := grip.Channel{Name: s.opts.Prefix + c.Grip(), Filters: []string{grip.FilterSkipUsers}}
		if seq, ok := cursor.Find(c); ok {
			sub.PrevID = seq.String()
			sub.Filters = []string{grip.FilterBuildID, grip.FilterSkipUsers}
		}
		subs = append(subs, sub)
	}
	return subs
}

// holdMeta is what the proxy's filters need to know of the stream.
func (s *Server) holdMeta(st *stream, cursor channels.Cursor) map[string]string {
	meta := map[string]string{}
	if st.principal.User != "" {
		meta[grip.MetaUser] = st.principal.User
	}
	if len(cursor) > 0 {
		format := make([]string, len(cursor))
		for i, p := range cursor {
			name := string(grip.AppendBuildID(nil, p.Channel.Escape()))
			format[i] = name + ":" + grip.IDFormatPosition(s.opts.Prefix+p.Channel.Grip())
		}
		meta[grip.MetaIDFormat] = strings.Join(format, ",")
	}
	return meta
}

// Error makes refusal an error, for the way from the decision to the answer.
func (r *refusal) Error() string { return r.text }

// unauthorized tells a client whose credentials are bad; what exactly is wrong with them is not for it to know.
func unauthorized(err error) error {
	var p *problem
	if errors.As(err, &p) {
		return err
	}
	return &problem{status: http.StatusUnauthorized, code: "unauthorized", message: "The credentials are not valid."}
}
