package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	// form is how device events are shown, on channels that have it.
	form channels.Form
	// from is where the viewer stands; channels that it does not name start at their head.
	from channels.Cursor
	// kicks is the place up to which the stream knows who was kicked.
	kicks channels.Seq
	// followed tells that the proxy asks for a stream that it holds already.
	followed bool
	// snapshot tells that the viewer is told the state of devices where the log does not tell it what it missed.
	snapshot bool
}

// serveStream answers a viewer's request for the channels in the family's form.
func (s *Server) serveStream(c *gin.Context, f *family, chans selector) error {
	streamHeaders(c.Writer.Header())
	st, err := s.openStream(c.Request, f, chans)
	if err == nil {
		st.form, err = s.formOf(c.Request, st.channels)
	}
	if err == nil {
		err = st.askForSnapshot(c.Request)
	}
	if err == nil && c.Request.Method == http.MethodHead {
		c.Header("Content-Type", eventStream)
		c.Status(http.StatusOK)
		return nil
	}
	if err == nil {
		err = s.hold(c, st)
	}
	var no *refusal
	if errors.As(err, &no) {
		status, contentType, body := f.refusal(*no)
		challenge(c.Writer.Header(), status)
		c.Data(status, contentType, body)
		return nil
	}
	if err != nil && c.Request.Context().Err() == nil {
		s.postpone(c, err)
		return nil
	}
	return err
}

// askForSnapshot reads whether the viewer wants a snapshot. Only streams of devices have one.
func (st *stream) askForSnapshot(r *http.Request) (err error) {
	if st.family.name != familyDevice {
		return nil
	}
	st.snapshot, err = asksForSnapshot(r)
	if err == nil && st.snapshot && st.form != "" {
		err = &refusal{http.StatusBadRequest, "bad-request", "Invalid request: snapshot: not together with html.", nil}
	}
	return err
}

// postponed ends a stream at once, and has its viewer come back in a while. No empty line ends it: with one, an EventSource would take
// the place that it has for one without an id, and forget its own (HTML Living Standard, section 9.2.6).
const postponed = "retry: 5000\n"

// postpone answers where the failure is ours, such as a log that does not answer: a native EventSource would never ask again
// after a status that is not 200. What is no failure of ours is answered as it is.
func (s *Server) postpone(c *gin.Context, err error) {
	p := s.problemOf(c, err)
	if p.status < http.StatusInternalServerError {
		p.write(c)
		return
	}
	c.Data(http.StatusOK, eventStream, []byte(postponed))
}

func streamHeaders(h http.Header) {
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}

// openStream works out who asks for what from where, and refuses what may not be.
func (s *Server) openStream(r *http.Request, f *family, chans selector) (st *stream, err error) {
	st = &stream{family: f}
	// First of all, since a stream that ended in an error is asked for again with its id, whatever the error was.
	if st.from, err = resumePosition(r); err != nil {
		return nil, err
	}
	if f == s.families.events && r.URL.Query().Has("messages_types") {
		return nil, errNoTypes
	}
	kicked, err := s.kicksBefore(r.Context(), r.Header.Get("Last-Event-ID") != "")
	if err != nil {
		return nil, err
	}
	st.kicks = kicked.Next
	if st.principal, err = s.authenticate(r); err != nil {
		return nil, notLetIn(err)
	}
	if st.channels, err = chans(r, st.principal); err != nil {
		return nil, err
	}
	if err := s.authorize(r.Context(), st.principal, st.channels); err != nil {
		return nil, err
	}
	if s.reduced(st.principal, st.channels).User != channels.Somebody {
		return st, nil
	}
	// Where viewers with equal rights share a next link, the kick of one has ended it for all of them, without a word.
	return st, refuseKicked(kicked, st.principal.User, st.channels)
}

// errNoTypes refuses what django-eventstream's viewset takes and does not do: streams carry all types of their channels.
var errNoTypes = &refusal{status: http.StatusBadRequest, condition: "bad-request",
	text: "Invalid request: messages_types is not offered; listen for the types you want."}

// authorize refuses unless the principal may read every channel.
func (s *Server) authorize(ctx context.Context, p channels.Principal, chans []channels.Channel) error {
	var no []channels.Channel
	if p.Expired(s.now()) {
		no = chans
	} else {
		for _, c := range chans {
			ok, err := s.opts.Authorizer.MayRead(ctx, p, c)
			if err != nil {
				return fmt.Errorf("authorize channel %q: %w", c, err)
			}
			if !ok {
				no = append(no, c)
			}
		}
	}
	switch {
	case len(no) == 0:
		return nil
	case p.Anonymous():
		return denied(http.StatusUnauthorized, no)
	}
	return denied(http.StatusForbidden, no)
}

// denied refuses the channels.
func denied(status int, chans []channels.Channel) *refusal {
	names := make([]string, len(chans))
	for i, c := range chans {
		names[i] = string(c)
	}
	return &refusal{status, "forbidden", "Permission denied to channels: " + strings.Join(names, ", "), chans}
}

// reduced is what the authorizer's decisions about the channels depend on.
func (s *Server) reduced(p channels.Principal, chans []channels.Channel) channels.Principal {
	if r, ok := s.opts.Authorizer.(channels.Reducer); ok {
		return r.Reduce(p, chans)
	}
	return p
}

// errEnded has one form in every family.
var errEnded = &refusal{status: http.StatusBadRequest, condition: "ended", text: "Invalid request: Can't resume session after stream-error."}

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
		return nil, errEnded
	}
	cursor, err := channels.ParseCursor(last)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "bad-request",
			"Invalid request: Failed to parse Last-Event-ID or lastEventId.", nil}
	}
	return cursor, nil
}

// reportedPosition is where the proxy says that it has brought the stream.
func (s *Server) reportedPosition(r *http.Request) (channels.Cursor, error) {
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
	if st.snapshot && startsSnapshot(st.from, st.channels[0]) {
		return s.holdSnapshot(c, st, nil)
	}
	replay, err := s.read(c.Request.Context(), st)
	if err != nil {
		return err
	}
	if st.snapshot && len(replay.Lost) > 0 {
		return s.holdSnapshot(c, st, replay.Lost)
	}
	body, cursor, more := s.render(st, &replay)
	if more {
		return s.answer(c, st, body, cursor, cursor)
	}
	return s.answer(c, st, body, cursor, nil)
}

// answer sends the body, and has the proxy hold the connection at the cursor or, where onward is the place of more, ask for
// that at once.
func (s *Server) answer(c *gin.Context, st *stream, body []byte, cursor, onward channels.Cursor) error {
	next, err := s.nextLink(st, onward)
	if err != nil {
		return err
	}
	links, err := s.links(c.Request, st, next)
	if err != nil {
		return err
	}
	instruct := grip.Instruct{
		// Also a reply that does not hold names the channels: the proxy's filters for the next link's body are
		// those of the reply before it.
		Channels: s.holdChannels(st, cursor),
		Meta:     s.holdMeta(st, cursor),
		Links:    links,
	}
	if onward == nil {
		instruct.Hold = grip.Hold{Mode: grip.HoldStream}
		instruct.KeepAlive = grip.KeepAlive{Data: st.family.keepAlive, Timeout: st.family.interval, Mode: grip.KeepAliveIdle}
	}
	if err := instruct.WriteHeader(c.Writer.Header()); err != nil {
		return fmt.Errorf("hold %d channels: %w", len(st.channels), err)
	}
	c.Data(http.StatusOK, eventStream, body)
	return nil
}

// render writes the opening, resets and missed events, up to what one reply may hold, and returns the place
// after them. Where the proxy makes the ids, the text is in the form that its filter build-id reads.
func (s *Server) render(st *stream, replay *channels.Replay) (body []byte, cursor channels.Cursor, more bool) {
	cursor = append(channels.Cursor(nil), replay.Start...)
	var out []byte
	if !st.followed {
		// Only the reset moves the viewer away from a place that is lost: cut off between the two, it is told again.
		opening := slices.Clone(cursor)
		for _, c := range replay.Lost {
			if seq, ok := st.from.Find(c); ok {
				opening.Set(c, seq)
			}
		}
		out = st.family.opening(out, st.channels, opening.String())
	}
	if len(replay.Lost) > 0 {
		out = resetEvent(out, cursor.String(), replay.Lost)
		s.meter.resets.WithLabelValues(st.family.name).Inc()
	}
	rendered := s.rendersIDs(st, cursor)
	if rendered {
		out = grip.AppendBuildID(nil, out)
	}
	var one []byte
	replayed := s.meter.replayedTo(st)
	for _, step := range replay.Steps {
		before, _ := cursor.Find(step.Channel)
		cursor.Set(step.Channel, step.Seq)
		if step.Event.Skips(st.principal.User) {
			continue
		}
		one = s.appendEvent(one[:0], st, step, cursor.String())
		size := len(out)
		if rendered {
			out = grip.AppendBuildID(out, one)
		} else {
			out = append(out, one...)
		}
		// The first event of a next link's reply goes out whatever its size: such replies are not bounded.
		if len(out) > channels.ReplayBytes && size > 0 {
			cursor.Set(step.Channel, before)
			return out[:size], cursor, true
		}
		replayed.Inc()
	}
	return out, cursor, replay.More
}

// holdChannels subscribes the stream to its channels. A stored channel names its position, so that the proxy
// notices a gap. On the channel of kicks it has none, so that the proxy asks at once. Only viewers with a name can be skipped.
func (s *Server) holdChannels(st *stream, cursor channels.Cursor) []grip.Channel {
	subs := make([]grip.Channel, 0, len(st.channels)+1)
	for _, c := range st.channels {
		form := s.formOn(st, c)
		sub := grip.Channel{Name: s.opts.Prefix + c.GripIn(form)}
		if seq, ok := cursor.Find(c); ok {
			sub.PrevID = seq.String()
			if form.RendersID() {
				sub.Filters = append(sub.Filters, grip.FilterBuildID)
			}
		}
		if st.named() {
			sub.Filters = append(sub.Filters, grip.FilterSkipUsers)
		}
		subs = append(subs, sub)
	}
	if kickable(s.reduced(st.principal, st.channels).User, st.channels) {
		subs = append(subs, grip.Channel{Name: s.opts.Prefix + channels.GripKicks, Filters: []string{grip.FilterRequireSub}})
	}
	return subs
}

// holdMeta is what the proxy's filters need to know of the stream.
func (s *Server) holdMeta(st *stream, cursor channels.Cursor) map[string]string {
	meta := map[string]string{}
	if st.named() {
		meta[grip.MetaUser] = st.principal.User
	}
	if s.rendersIDs(st, cursor) {
		format := make([]string, len(cursor))
		for i, p := range cursor {
			name := string(grip.AppendBuildID(nil, p.Channel.Escape()))
			format[i] = name + ":" + grip.IDFormatPosition(s.gripName(st, p.Channel))
		}
		meta[grip.MetaIDFormat] = strings.Join(format, ",")
	}
	return meta
}

// named tells that it is known who watches.
func (st *stream) named() bool {
	return st.principal.User != "" && st.principal.User != channels.Somebody
}

// Error makes refusal an error, for the way from the decision to the answer.
func (r *refusal) Error() string { return r.text }
