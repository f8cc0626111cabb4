package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

const (
	// maxPublishBody bounds the body of POST /api/publish, in bytes, and maxPublishEvents its events.
	maxPublishBody, maxPublishEvents = 8 << 20, 10_000
)

// publish answers POST /api/publish: it stores all events of the body in one transaction, or none.
func (s *Server) publish(c *gin.Context) error {
	by, err := s.publisher(c.Request)
	if err != nil {
		return err
	}
	drafts, err := s.readDrafts(c, by)
	if err != nil {
		return publishProblem(err)
	}
	events, err := s.opts.Publisher.Publish(c.Request.Context(), channels.Batch{Drafts: drafts})
	if err != nil {
		return publishProblem(err)
	}
	type published struct {
		ID     string          `json:"id"`
		Cursor channels.Cursor `json:"cursor"`
	}
	answer := struct {
		Events []published `json:"events"`
	}{make([]published, len(events))}
	for i := range events {
		answer.Events[i] = published{events[i].PublicID(), events[i].Cursor()}
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// publisher tells who publishes. An API key may do what an administrator may.
func (s *Server) publisher(r *http.Request) (channels.Principal, error) {
	if key, ok := bearer(r); ok && s.isPublishKey(key) {
		return channels.Principal{Admin: true}, nil
	}
	principal, err := s.authenticate(r)
	if err != nil {
		return principal, err
	}
	if !principal.Admin && len(principal.Publish) == 0 || principal.Expired(s.now()) {
		return principal, &problem{status: http.StatusUnauthorized, code: "unauthorized",
			message: "Publishing needs an API key, or a token with publish patterns."}
	}
	return principal, nil
}

// isPublishKey compares with every key, and digests instead of keys, so that the time taken tells nothing.
func (s *Server) isPublishKey(key string) bool {
	given := sha256.Sum256([]byte(key))
	found := 0
	for _, known := range s.opts.PublishKeys {
		digest := sha256.Sum256([]byte(known))
		found |= subtle.ConstantTimeCompare(given[:], digest[:])
	}
	return found == 1
}

func (s *Server) readDrafts(c *gin.Context, by channels.Principal) ([]channels.Draft, error) {
	reader := NewDraftReader(http.MaxBytesReader(c.Writer, c.Request.Body, maxPublishBody), s.now)
	var drafts []channels.Draft
	for {
		d, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, channel := range d.Channels {
			if !by.MayPublish(channel) {
				return nil, &problem{status: http.StatusForbidden, code: "forbidden", at: fmt.Sprintf("[%d].channel", len(drafts)),
					message: fmt.Sprintf("Publishing to %q is not permitted.", channel)}
			}
		}
		if len(drafts) == maxPublishEvents {
			return nil, &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
				message: fmt.Sprintf("More than %d events in one request.", maxPublishEvents)}
		}
		if d.Key != "" && !by.Admin {
			// Nobody can take the keys of another beforehand.
			d.Key = publishKey("user/"+url.PathEscape(by.User), d.Key)
		}
		drafts = append(drafts, d)
	}
	if len(drafts) == 0 {
		return nil, badRequest("The body holds no event.")
	}
	return drafts, nil
}

// publishProblem points at the event and the field that are wrong.
func publishProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
			message: fmt.Sprintf("The body is longer than %d bytes.", tooLarge.Limit)}
	}
	var draft *channels.DraftError
	var invalid *channels.InvalidError
	if errors.As(err, &draft) && errors.As(err, &invalid) {
		status, code := http.StatusUnprocessableEntity, "invalid"
		if invalid.Field == "body" {
			status, code = http.StatusBadRequest, "bad-request"
		}
		return &problem{status: status, code: code, message: invalid.Error(), at: fmt.Sprintf("[%d].%s", draft.Index, invalid.Field)}
	}
	return err
}
