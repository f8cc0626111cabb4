package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// A kick ends the streams of one user on one channel. It stands in the log (channels.Kicks), and each stream, WebSocket and
// long poll carries the place up to which it knows the kicks: in its next link, in its connection's meta, and in the proxy's
// positions. What is published beside only makes the proxy ask at once; where that is lost, it asks when it would
// have asked anyway.
//
// The place is read before who asks is worked out: what has changed since is then found when the proxy asks next.

const (
	// kickMeta is the connection's meta (Set-Meta-, Meta-) with the place up to which a WebSocket knows the kicks.
	kickMeta = "Kicks"
	// comeback is how long a client may take to connect again.
	comeback = time.Minute
	// maxKickBody bounds the body of POST /api/kick, in bytes.
	maxKickBody = 4 << 10
	// closeRestart tells a WebSocket client to connect again (IANA WebSocket Close Code Number Registry).
	closeRestart = 1012
)

// kick answers POST /api/kick. The answer comes after the commit.
func (s *Server) kick(c *gin.Context) error {
	by, err := s.publisher(c.Request)
	if err != nil {
		return err
	}
	if !by.Admin {
		return &problem{status: http.StatusForbidden, code: "forbidden", message: "Kicking needs an API key, or an administrator's token."}
	}
	k, err := readKick(http.MaxBytesReader(c.Writer, c.Request.Body, maxKickBody))
	if err != nil {
		return err
	}
	events, err := s.opts.Publisher.Publish(c.Request.Context(), channels.Batch{Drafts: []channels.Draft{k.Draft()}})
	if err != nil {
		return fmt.Errorf("kick: %w", err)
	}
	c.JSON(http.StatusOK, map[string]string{"id": events[0].PublicID()})
	return nil
}

func readKick(body io.Reader) (channels.Kick, error) {
	var form struct {
		User    json.RawMessage `json:"user"`
		Channel string          `json:"channel"`
	}
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil || decoder.More() {
		return channels.Kick{}, badRequest(`Want {"user": "…", "channel": "…"}.`)
	}
	user, err := userID(form.User)
	if err != nil {
		return channels.Kick{}, &channels.InvalidError{Field: "user", Reason: err.Error()}
	}
	return channels.ParseKick(user, form.Channel)
}

// kicksBefore returns the place of the newest kick and, for a stream that continues another, the kicks that may have ended
// that.
func (s *Server) kicksBefore(ctx context.Context, continues bool) (channels.Kicked, error) {
	if continues {
		return s.opts.Reader.KicksSince(ctx, s.now().Add(-s.opts.Stream.Recheck-comeback))
	}
	head, err := s.opts.Reader.KicksHead(ctx)
	return channels.Kicked{Next: head}, err
}

// refuseKicked refuses where the user was kicked from one of the channels.
func refuseKicked(kicked channels.Kicked, user string, chans []channels.Channel) error {
	from := kicked.From(user, chans)
	if len(from) == 0 {
		return nil
	}
	if user == channels.Somebody {
		// Which of them it was is not known. All come back and say who they are.
		return errBadLink
	}
	return denied(http.StatusForbidden, from)
}

// kickable tells whether a viewer of the channels can be kicked from one of them: who has a name, from a channel that has.
func kickable(user string, chans []channels.Channel) bool {
	return user != "" && slices.ContainsFunc(chans, func(c channels.Channel) bool { return !c.Internal() })
}

// read reads what the stream shows next. It refuses to go on after a kick.
func (s *Server) read(ctx context.Context, st *stream) (channels.Replay, error) {
	if !st.followed || !kickable(st.principal.User, st.channels) {
		return s.live.Read(ctx, st.channels, st.from, channels.ReplayEvents)
	}
	replay, kicked, err := s.live.Follow(ctx, st.channels, st.from, st.kicks, channels.ReplayEvents)
	if err != nil {
		return replay, err
	}
	if kicked.Lost {
		return replay, errBadLink
	}
	st.kicks = kicked.Next
	return replay, refuseKicked(kicked, st.principal.User, st.channels)
}

// checkKicks refuses to go on with a stream after a kick.
func (s *Server) checkKicks(ctx context.Context, st *stream) error {
	if !st.followed || !kickable(st.principal.User, st.channels) {
		return nil
	}
	kicked, err := s.opts.Reader.KicksAfter(ctx, st.kicks)
	switch {
	case err != nil:
		return err
	case kicked.Lost:
		return errBadLink
	}
	st.kicks = kicked.Next
	return refuseKicked(kicked, st.principal.User, st.channels)
}

// kickPlace returns the place up to which the WebSocket knows the kicks; ok is false for one that does not say.
func kickPlace(r *http.Request) (place channels.Seq, ok bool) {
	place, err := channels.ParseSeq(r.Header.Get(grip.HeaderMetaPrefix + kickMeta))
	return place, err == nil
}

// polledKicks returns the kicks that a long poll did not know when the proxy held it, and for others the place of the
// newest.
func (s *Server) polledKicks(r *http.Request, channel channels.Channel) (channels.Kicked, error) {
	lasts, err := grip.ParseLast(r.Header.Values(grip.HeaderLast))
	if err != nil {
		return channels.Kicked{}, badRequest("The header Grip-Last cannot be read.")
	}
	for _, last := range lasts {
		if last.Channel != s.opts.Prefix+channel.GripKicks() {
			continue
		}
		if place, err := channels.ParseSeq(last.ID); err == nil {
			return s.opts.Reader.KicksAfter(r.Context(), place)
		}
	}
	return s.kicksBefore(r.Context(), false)
}
