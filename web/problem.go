package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

// problemType is the media type of error bodies outside streams (RFC 9457).
const problemType = "application/problem+json"

// A problem is an error that knows how it looks to the client.
type problem struct {
	status int
	// code is a word that programs can test for.
	code string
	// message is a sentence for people. It must not hold secrets.
	message string
	// at is the place of the mistake in the request, such as "[3].data"; empty for none.
	at string
	// place is where in the body at is; zero for nowhere.
	place Place
	// retryAfter is when the same request may succeed; 0 for nobody knows.
	retryAfter time.Duration
}

func (p *problem) Error() string { return p.message }

func badRequest(message string) *problem {
	return &problem{status: http.StatusBadRequest, code: "bad-request", message: message}
}

// problemBody is an RFC 9457 document that also carries the shape {"error":{"code","message"}}.
func problemBody(status int, code, message string) []byte {
	return (&problem{status: status, code: code, message: message}).body()
}

func (p *problem) body() []byte {
	type details struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		At      string `json:"at,omitempty"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
	}
	body, _ := json.Marshal(struct {
		Title  string  `json:"title"`
		Status int     `json:"status"`
		Detail string  `json:"detail"`
		Error  details `json:"error"`
	}{http.StatusText(p.status), p.status, p.message, details{p.code, p.message, p.at, p.place.Line, p.place.Column}}) // always has a JSON form
	return append(body, '\n')
}

// write answers with the problem, which no intermediary may keep.
func (p *problem) write(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	challenge(c.Writer.Header(), p.status)
	if p.retryAfter > 0 {
		// In whole seconds (RFC 9110, section 10.2.3), so that who waits that long does not come too early.
		c.Header("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	c.Data(p.status, problemType, p.body())
	c.Abort()
}

// challenge says how to sign in, as every 401 has to (RFC 9110, section 15.5.2; RFC 6750, section 3).
func challenge(h http.Header, status int) {
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="griphub"`)
	}
}

// handle turns a handler that returns an error into gin's form. It is the one place where errors become
// statuses; what the client may not know is logged and answered by a plain 500.
func (s *Server) handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := h(c)
		if err == nil {
			return
		}
		if c.Request.Context().Err() != nil {
			// Most probably nobody reads this; who does must not take it for a success.
			c.AbortWithStatus(http.StatusServiceUnavailable)
			return
		}
		s.problemOf(c, err).write(c)
	}
}

func (s *Server) problemOf(c *gin.Context, err error) *problem {
	if p := knownProblem(err); p != nil {
		return p
	}
	s.log.ErrorContext(c.Request.Context(), "request failed", "method", c.Request.Method, "route", c.FullPath(), "error", err)
	return errInternal
}

// errInternal is what a client is told of failures that are not its own.
var errInternal = &problem{status: http.StatusInternalServerError, code: "internal-error", message: "The request failed; the service's log says why."}

// Explain says how a client is told of an error: by a status and a sentence; ok is false where the error is none of its business.
func Explain(err error) (status int, message string, ok bool) {
	p := knownProblem(err)
	if p == nil {
		return http.StatusInternalServerError, errInternal.message, false
	}
	return p.status, p.message, true
}

// knownProblem is the problem that an error is to the client, nil where that is none of its business.
func knownProblem(err error) *problem {
	var p *problem
	var invalid *channels.InvalidError
	var hook *channels.HookError
	var refused *channels.RefusedError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &hook):
		return &problem{status: http.StatusServiceUnavailable, code: "hook-failed",
			message: "What must be asked before publishing does not answer now; nothing was published, try again."}
	case errors.As(err, &invalid):
		return &problem{status: http.StatusUnprocessableEntity, code: "invalid", message: invalid.Error(), at: invalid.Field}
	case errors.Is(err, channels.ErrNotFound):
		return &problem{status: http.StatusNotFound, code: "not-found", message: "There is no such thing."}
	case errors.As(err, &refused):
		return &problem{status: http.StatusUnprocessableEntity, code: "refused", message: refused.Error()}
	case errors.Is(err, channels.ErrDrop):
		return &problem{status: http.StatusUnprocessableEntity, code: "dropped", message: "A hook has dropped this; nothing was published."}
	case errors.Is(err, channels.ErrStopped):
		return &problem{status: http.StatusServiceUnavailable, code: "stopping", message: "The service is stopping; try again."}
	}
	return nil
}
