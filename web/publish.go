package web

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

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
	if err == nil {
		err = s.publishAs(c, &by)
	}
	if err != nil && c.Request.Context().Err() == nil {
		problem := s.problemOf(c, err)
		s.publishers.refusals.WithLabelValues(by.name, problem.code).Inc()
		s.log.DebugContext(c.Request.Context(), "publishing was refused", "publisher", by.name, "code", problem.code)
		return problem
	}
	return err
}

func (s *Server) publishAs(c *gin.Context, by *publisher) error {
	if err := by.ready(s.now()); err != nil {
		return err
	}
	drafts, places, err := s.readDrafts(c, by)
	if err != nil {
		return publishProblem(err, places)
	}
	if err := by.charge(len(drafts), s.now()); err != nil {
		return err
	}
	events, err := s.opts.Publisher.Publish(c.Request.Context(), channels.Batch{Drafts: drafts})
	if err != nil {
		return publishProblem(err, places)
	}
	s.publishers.events.WithLabelValues(by.name).Add(float64(len(events)))
	type published struct {
		ID     string          `json:"id"`
		Cursor channels.Cursor `json:"cursor"`
	}
	type dropped struct {
		Dropped bool `json:"dropped"`
	}
	answer := struct {
		Events []any `json:"events"`
	}{make([]any, len(events))}
	for i := range events {
		if answer.Events[i] = (published{events[i].PublicID(), events[i].Cursor()}); events[i].Dropped {
			answer.Events[i] = dropped{true}
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, answer)
	return nil
}

// publisher tells who publishes.
func (s *Server) publisher(r *http.Request) (publisher, error) {
	if key, ok := bearer(r); ok {
		if by, ok := s.publishers.byKey(key); ok {
			return by, nil
		}
	}
	principal, err := s.authenticate(r)
	if err != nil {
		return publisher{name: nobody}, err
	}
	switch {
	case principal.Anonymous() && !principal.Admin || principal.Expired(s.now()):
		return publisher{name: nobody}, &problem{status: http.StatusUnauthorized, code: "unauthorized",
			message: "This needs an API key, or a token."}
	case !principal.Admin && len(principal.Publish) == 0:
		return publisher{name: nobody}, &problem{status: http.StatusForbidden, code: "forbidden",
			message: "This needs an API key, or a token with publish patterns."}
	}
	return s.publishers.byIdentity(principal, s.now()), nil
}

// readDrafts reads the events of the body, and where in it each of them begins.
func (s *Server) readDrafts(c *gin.Context, by *publisher) (drafts []channels.Draft, places []Place, err error) {
	if err := checkPublishType(c.Request); err != nil {
		return nil, nil, err
	}
	reader := NewDraftReader(http.MaxBytesReader(c.Writer, c.Request.Body, maxPublishBody), s.now)
	trace := channels.ParseTrace(c.GetHeader("Traceparent"))
	for {
		d, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		places = append(places, reader.Place())
		for _, channel := range d.Channels {
			if !by.MayPublish(channel) {
				return nil, nil, &problem{status: http.StatusForbidden, code: "forbidden", at: fmt.Sprintf("[%d].channel", len(drafts)), place: reader.Place(),
					message: fmt.Sprintf("Publishing to %q is not permitted.", channel)}
			}
		}
		if len(drafts) == maxPublishEvents {
			return nil, nil, &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
				message: fmt.Sprintf("More than %d events in one request.", maxPublishEvents)}
		}
		if d.Key != "" && by.ids != "" {
			// Nobody can take the ids of another beforehand.
			d.Key = publishKey(by.ids, d.Key)
		}
		d.Arrival.Trace = trace
		drafts = append(drafts, d)
	}
	if len(drafts) == 0 {
		return nil, nil, badRequest("The body holds no event.")
	}
	return drafts, places, nil
}

// checkPublishType refuses bodies that say they are something else than JSON. What curl and fetch say of a body whose
// sender says nothing is no such word. A page of another site can send those types too, without a pre-flight, and
// is recognised by its origin.
func checkPublishType(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &problem{status: http.StatusUnsupportedMediaType, code: "unsupported-media-type",
			message: "Compressed bodies are not read; send the events without Content-Encoding."}
	}
	given := r.Header.Get("Content-Type")
	kind, parameters, err := mime.ParseMediaType(given)
	switch {
	case given == "":
		return nil
	case err != nil, !strings.EqualFold(cmp.Or(parameters["charset"], "utf-8"), "utf-8"):
	case kind == "application/json", kind == "application/x-ndjson", kind == "application/ndjson", kind == "application/jsonl":
		return nil
	case kind == "application/x-www-form-urlencoded", kind == "text/plain":
		return nil
	}
	return &problem{status: http.StatusUnsupportedMediaType, code: "unsupported-media-type",
		message: "Want application/json, or application/x-ndjson, in UTF-8; no forms with files, and no other formats."}
}

// publishProblem points at the event and the field that are wrong; places are where the events begin.
func publishProblem(err error, places []Place) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
			message: fmt.Sprintf("The body is longer than %d bytes.", tooLarge.Limit)}
	}
	var draft *channels.DraftError
	if !errors.As(err, &draft) {
		return err
	}
	p := &problem{status: http.StatusUnprocessableEntity}
	var invalid *channels.InvalidError
	var refused *channels.RefusedError
	switch {
	case errors.As(err, &refused):
		p.code, p.message, p.at = "refused", refused.Error(), fmt.Sprintf("[%d]", draft.Index)
	case !errors.As(err, &invalid):
		return err
	default:
		p.code, p.message, p.at = "invalid", invalid.Error(), fmt.Sprintf("[%d].%s", draft.Index, invalid.Field)
	}
	if p.code == "invalid" && invalid.Field == "body" {
		p.status, p.code = http.StatusBadRequest, "bad-request"
	}
	var placed *PlaceError
	switch {
	case errors.As(err, &placed):
		p.place = placed.Place
	case draft.Index < len(places):
		p.place = places[draft.Index]
	}
	return p
}
