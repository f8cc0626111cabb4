package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

// An Audience tells who is watching.
type Audience interface {
	// Presence tells how many connections each proxy holds on the channel.
	Presence(channel channels.Channel) []channels.Presence
}

// presence answers GET /api/presence/{channel} with the connections that listen to it, those of all proxies together. Who
// may read a channel may know how many others do.
func (s *Server) presence(c *gin.Context) error {
	channel, err := channels.ParseChannel(c.Param("channel"))
	if err != nil {
		return badRequest(sentence(err))
	}
	if _, err := s.reader(c, channel); err != nil {
		return err
	}
	if s.opts.Audience == nil {
		return &problem{status: http.StatusNotImplemented, code: "no-stats",
			message: "No proxy tells who is watching: grip.stats names no stats socket."}
	}
	answer := struct {
		Channel channels.Channel `json:"channel"`
		// Viewers is null where no proxy can be asked: then it is not known whether there are any.
		Viewers *int `json:"viewers"`
		// Complete tells that all proxies are known.
		Complete bool                `json:"complete"`
		Proxies  []channels.Presence `json:"proxies"`
	}{Channel: channel, Complete: true, Proxies: s.opts.Audience.Presence(channel)}
	sum := 0
	for _, p := range answer.Proxies {
		sum += p.Viewers
		answer.Complete = answer.Complete && p.State == channels.PresenceKnown
		if p.State != channels.PresenceAway {
			answer.Viewers = &sum
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, answer)
	return nil
}
