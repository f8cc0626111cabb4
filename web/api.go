package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

func (s *Server) registerAPI(r gin.IRouter) {
	api := r.Group("/api", func(c *gin.Context) {
		if s.fromAnotherSite(c.Request) {
			crossOrigin().write(c)
		}
	})
	api.POST("/publish", s.handle(s.publish))
	api.POST("/kick", s.handle(s.kick))
	api.GET("/channels/:channel/events", s.handle(s.history))
	s.registerDevices(api)
	api.GET("/events/:id", s.handle(s.showEvent))
	api.POST("/events/:id/replay", s.handle(s.replayEvent))
	api.GET("/presence/:channel", s.handle(s.presence))
}

// newGuard refuses what another site's page makes a signed-in browser send: identities travel in cookies, or, on a
// developer's machine, with every request. An origin that may send credentials is as good as our own.
func newGuard(cors CORS) (*http.CrossOriginProtection, error) {
	guard := http.NewCrossOriginProtection()
	for _, origin := range cors.Origins {
		if !cors.Credentials || origin == "*" {
			continue
		}
		if err := guard.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("cors: origin %q: %w", origin, err)
		}
	}
	return guard, nil
}

// fromAnotherSite tells that a page which is not trusted made a request that may change something. One that brings its own
// Authorization is not the visitor's browser's doing: its origin was named, and allowed to send that header, by a
// pre-flight.
func (s *Server) fromAnotherSite(r *http.Request) bool {
	if s.guard.Check(r) == nil {
		return false
	}
	return r.Header.Get("Authorization") == "" || !slices.Contains(s.opts.CORS.Origins, r.Header.Get("Origin"))
}

func crossOrigin() *problem {
	return &problem{status: http.StatusForbidden, code: "cross-origin", message: "Another site's page made this request."}
}

// history answers GET /api/channels/{channel}/events: a page of the log, oldest first.
func (s *Server) history(c *gin.Context) error {
	channel, err := channels.ParseChannel(c.Param("channel"))
	if err != nil {
		return badRequest(sentence(err))
	}
	principal, err := s.reader(c, channel)
	if err != nil {
		return err
	}
	if !s.opts.Reader.Stored(channel) {
		return errNotStored
	}
	limit, err := limitOf(c, pollEvents, maxPollEvents)
	if err != nil {
		return err
	}
	from := channels.Position{Channel: channel}
	switch after := c.Query("after"); {
	case after == "" && c.Query("since") == "":
		page, err := s.opts.Log.Latest(c.Request.Context(), channel, limit)
		if err != nil {
			return fmt.Errorf("read the newest events of %s: %w", channel, err)
		}
		return historyPage(c, &page, principal)
	case after != "":
		if from.Seq, err = afterSeq(after, channel); err != nil {
			return err
		}
	default:
		since, err := ParseSince(c.Query("since"), s.now())
		if err != nil {
			return err
		}
		if from.Seq, err = s.opts.Log.SeqAt(c.Request.Context(), channel, since); err != nil {
			return fmt.Errorf("find the place of %s in %s: %w", since, channel, err)
		}
	}
	pages, err := s.opts.Log.Read(c.Request.Context(), channels.Cursor{from}, limit)
	if err != nil {
		return fmt.Errorf("read %s: %w", channel, err)
	}
	return historyPage(c, &pages[0], principal)
}

// afterSeq reads a cursor or a bare number.
func afterSeq(text string, channel channels.Channel) (channels.Seq, error) {
	if seq, err := channels.ParseSeq(text); err == nil {
		return seq, nil
	}
	cursor, err := channels.ParseCursor(text)
	if err == nil {
		if seq, ok := cursor.Find(channel); ok {
			return seq, nil
		}
	}
	return 0, badRequest("after: want a cursor of this channel, or a number.")
}

func historyPage(c *gin.Context, page *channels.Page, reader channels.Principal) error {
	body, _ := pollBody(page, reader)
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "application/json", body)
	return nil
}

// reader returns who asks, if they may read the channel.
func (s *Server) reader(c *gin.Context, channel channels.Channel) (channels.Principal, error) {
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return principal, err
	}
	return principal, pollProblem(s.authorize(c.Request.Context(), principal, []channels.Channel{channel}))
}

func limitOf(c *gin.Context, standard, most int) (int, error) {
	text := c.Query("limit")
	if text == "" {
		return standard, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > most {
		return 0, badRequest(fmt.Sprintf("limit: want a number from 1 to %d.", most))
	}
	return limit, nil
}
