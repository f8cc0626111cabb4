package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

// replayEvent answers POST /api/events/{id}/replay: it sends a stored event again. Who may publish to an event's channels may
// replay it.
func (s *Server) replayEvent(c *gin.Context) error {
	by, err := s.publisher(c.Request)
	if err != nil {
		return err
	}
	id, err := channels.ParseEventID(c.Param("id"))
	if err != nil {
		return badRequest(sentence(err))
	}
	e, err := s.opts.Log.Event(c.Request.Context(), id)
	if errors.Is(err, channels.ErrNotFound) {
		return errNotReplayable
	}
	if err != nil {
		return err
	}
	for _, channel := range e.Channels {
		if !by.MayPublish(channel) {
			return &problem{status: http.StatusForbidden, code: "forbidden",
				message: fmt.Sprintf("Publishing to %q is not permitted.", channel)}
		}
	}
	if err := by.charge(1, s.now()); err != nil {
		return err
	}
	events, err := channels.SendAgain(c.Request.Context(), s.opts.Log, s.opts.Publisher, []channels.EventID{id}, cmp.Or(by.User, "API key "+by.name))
	if errors.Is(err, channels.ErrNotReplayable) {
		return errNotReplayable
	}
	if err != nil {
		return publishProblem(err, nil)
	}
	if events[0].Dropped {
		return channels.ErrDrop
	}
	c.JSON(http.StatusOK, gin.H{"id": events[0].PublicID(), "cursor": events[0].Cursor(), "replay": events[0].Replay})
	return nil
}

var errNotReplayable = &problem{status: http.StatusNotFound, code: "not-found",
	message: "There is no such event, or it was trimmed: its channels keep events for as long as their rules say."}

// showEvent answers GET /api/events/{id} with everything that is known of an event. Only administrators see private data.
func (s *Server) showEvent(c *gin.Context) error {
	by, err := s.publisher(c.Request)
	if err != nil {
		return err
	}
	if !by.Admin {
		return &problem{status: http.StatusForbidden, code: "forbidden", message: "Events are shown to administrators and holders of an API key."}
	}
	id, err := channels.ParseEventID(c.Param("id"))
	if err != nil {
		return badRequest(sentence(err))
	}
	e, err := s.opts.Log.Event(c.Request.Context(), id)
	if err != nil {
		return err
	}
	activities, err := s.opts.Records.Activities(c.Request.Context(), e.Original())
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		channels.BackendEvent
		Activities []channels.Activity `json:"activities"`
	}{e.Backend(), append([]channels.Activity{}, activities...)})
	return nil
}
