package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

const (
	// pollCookie remembers where a client without a cursor of its own stands, on the polled path alone.
	pollCookie = "griphub_poll"
	pollLife   = 7 * 24 * time.Hour
	// pollEvents is how many events an answer holds unless limit says so, and maxPollEvents the most.
	pollEvents, maxPollEvents = 100, 1000
	// maxPollBytes bounds the events of an answer; what does not fit comes with the next poll.
	maxPollBytes = 1 << 20
	// The proxy holds a long poll for 5 s at least; clients and intermediaries give up after a minute.
	minWait, maxWait = 5 * time.Second, 55 * time.Second
)

func (s *Server) registerPolling(r gin.IRouter) {
	h := s.handle(s.poll)
	for _, path := range []string{"/iot/poll/:type", "/iot/poll/:type/:id"} {
		r.GET(path, h)
		r.HEAD(path, h)
	}
}

// poll answers with what happened since the cursor: the query's, else the cookie's, else with the newest
// events. With "wait", a poll that finds nothing is held by the proxy until something happens.
func (s *Server) poll(c *gin.Context) error {
	p, err := s.openPoll(c)
	if err != nil {
		return pollProblem(err)
	}
	limit, wait, err := pollQuery(c)
	if err != nil {
		return err
	}
	if !s.opts.Reader.Stored(p.channel) {
		return errNotStored
	}
	cursor, err := s.pollCursor(c, p.channel)
	if err != nil {
		return err
	}
	page, err := s.pollPage(c, p.channel, cursor, limit)
	if err != nil {
		return err
	}
	body, next := pollBody(&page, p.principal)
	c.Header("Cache-Control", "no-store")
	if c.Request.Method == http.MethodHead {
		// Nobody reads the events, so the client stands where it stood.
		c.Header("Content-Type", "application/json")
		return nil
	}
	if err := s.rememberPoll(c, next); err != nil {
		return err
	}
	if page.Lost {
		s.meter.resets.WithLabelValues(viaPoll).Inc()
	}
	nothing := len(page.Events) == 0 && !page.Lost
	if wait > 0 && nothing && s.opts.Verifier.Proxied(c.GetHeader(grip.HeaderSig), s.now()) {
		if err := s.holdPoll(c, p, page.Next, wait); err != nil {
			return err
		}
	}
	c.Data(http.StatusOK, "application/json", body)
	return nil
}

// A polled is who polls what.
type polled struct {
	principal channels.Principal
	channel   channels.Channel
	// kicks is the place up to which a poll that waits knows who was kicked.
	kicks channels.Seq
}

// openPoll refuses who may not poll, or no longer.
func (s *Server) openPoll(c *gin.Context) (p polled, err error) {
	// The channel does not depend on who asks.
	chans, err := deviceChannel(c.Request, channels.Principal{})
	if err != nil {
		return p, err
	}
	p.channel = chans[0]
	var kicked channels.Kicked
	if c.Query("wait") != "" {
		if kicked, err = s.polledKicks(c.Request, p.channel); err != nil {
			return p, err
		}
	}
	p.kicks = kicked.Next
	if p.principal, err = s.authenticate(c.Request); err != nil {
		return p, err
	}
	if err := s.authorize(c.Request.Context(), p.principal, chans); err != nil {
		return p, err
	}
	return p, refuseKicked(kicked, p.principal.User, chans)
}

// holdPoll has the proxy ask again when something follows the position, or the user was kicked.
func (s *Server) holdPoll(c *gin.Context, p polled, after channels.Seq, wait time.Duration) error {
	hold := grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldResponse, Timeout: wait},
		Channels: []grip.Channel{{Name: s.opts.Prefix + p.channel.Grip(), PrevID: after.String()}},
	}
	if kickable(p.principal.User, []channels.Channel{p.channel}) {
		hold.Channels = append(hold.Channels, grip.Channel{Name: s.opts.Prefix + p.channel.GripKicks(), PrevID: p.kicks.String()})
	}
	if err := hold.WriteHeader(c.Writer.Header()); err != nil {
		return fmt.Errorf("hold poll of %s: %w", p.channel, err)
	}
	return nil
}

// errNotStored refuses to read what nobody keeps.
var errNotStored = &problem{status: http.StatusConflict, code: "not-stored",
	message: "Events of this channel are not kept (its rule says reliable: false); open a stream."}

// pollProblem gives a refusal the form of an HTTP error.
func pollProblem(err error) error {
	var no *refusal
	if errors.As(err, &no) {
		return &problem{status: no.status, code: no.code(), message: no.text}
	}
	return err
}

func pollQuery(c *gin.Context) (limit int, wait time.Duration, err error) {
	if limit, err = limitOf(c, pollEvents, maxPollEvents); err != nil {
		return 0, 0, err
	}
	if text := c.Query("wait"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds < 1e6) {
			return 0, 0, badRequest("wait: want a number of seconds.")
		}
		if seconds > 0 {
			wait = min(max(time.Duration(seconds*float64(time.Second)), minWait), maxWait)
		}
	}
	return limit, wait, nil
}

// pollCursor is where the client stands, nil for one that has never polled.
func (s *Server) pollCursor(c *gin.Context, channel channels.Channel) (channels.Cursor, error) {
	if text := c.Query("cursor"); text != "" {
		cursor, err := channels.ParseCursor(text)
		if err != nil {
			return nil, badRequest("cursor: cannot be read; give back the one from the last answer.")
		}
		return cursor, nil
	}
	// The cookie of a whole type's path comes along on the paths of its devices. A cookie that is expired or
	// another channel's is no cursor: the client starts anew.
	for _, cookie := range c.Request.CookiesNamed(pollCookie) {
		var text string
		if s.sealer.Open(pollCookie, cookie.Value, &text, s.now()) != nil {
			continue
		}
		cursor, err := channels.ParseCursor(text)
		if err != nil {
			continue
		}
		if _, ok := cursor.Find(channel); ok {
			return cursor, nil
		}
	}
	return nil, nil
}

func (s *Server) pollPage(c *gin.Context, channel channels.Channel, cursor channels.Cursor, limit int) (channels.Page, error) {
	seq, ok := cursor.Find(channel)
	if !ok {
		page, err := s.opts.Log.Latest(c.Request.Context(), channel, limit)
		if err != nil {
			return page, fmt.Errorf("read the newest events of %s: %w", channel, err)
		}
		return page, nil
	}
	pages, err := s.opts.Log.Read(c.Request.Context(), channels.Cursor{{Channel: channel, Seq: seq}}, limit)
	if err != nil {
		return channels.Page{}, fmt.Errorf("read %s: %w", channel, err)
	}
	return pages[0], nil
}

// pollBody renders the answer, and the place after what it holds.
func pollBody(page *channels.Page, principal channels.Principal) (body []byte, next channels.Position) {
	next = channels.Position{Channel: page.Channel, Seq: page.Next}
	body = append(body, `{"events":[`...)
	written := 0
	for i := range page.Events {
		e := &page.Events[i]
		if len(body) > maxPollBytes {
			next.Seq = page.Events[i-1].Seq(page.Channel)
			break
		}
		if e.Skips(principal.User) {
			continue
		}
		if written > 0 {
			body = append(body, ',')
		}
		body = e.AppendMessage(body, page.Channel)
		written++
	}
	body = append(body, `],"cursor":"`...)
	body = append(body, next.String()...) // percent-encoded: needs no JSON escapes
	body = append(body, `","reset":`...)
	body = strconv.AppendBool(body, page.Lost)
	return append(body, "}\n"...), next
}

// rememberPoll keeps the place in a cookie of the polled path, for clients that keep no cursor.
func (s *Server) rememberPoll(c *gin.Context, next channels.Position) error {
	// Rounded, so that a silent channel's polls set the same cookie again.
	expires := s.now().Add(pollLife).Truncate(time.Hour)
	value, err := s.sealer.Seal(pollCookie, next.String(), expires)
	if err != nil {
		return err
	}
	// A semicolon would end the attribute. A client that writes one in its path keeps its own cursor.
	path := strings.ReplaceAll(c.Request.URL.EscapedPath(), ";", "%3B")
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure where the visitor came by HTTPS
		Name: pollCookie, Value: value, Path: path, MaxAge: int(pollLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.GetHeader("X-Forwarded-Proto") == "https",
	})
	return nil
}
