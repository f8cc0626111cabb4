package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
)

// requestIDHeader carries a request's id in both directions.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds an id that a client or an intermediary gives.
const maxRequestID = 128

type requestIDKey struct{}

// RequestID returns the id of the request that the context is of, for the log; empty for none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identified gives the request an id: its own where that is a plain word, such as a front door's, else a new one.
func identified(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !isRequestID(id) {
		id = rand.Text()
	}
	c.Header(requestIDHeader, id)
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestIDKey{}, id))
}

// isRequestID tells whether the text can stand in a log and a header and mean nothing else there. The bytes are those of
// UUIDs, ULIDs, base64, and AWS's trace ids.
func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '-', b == '_', b == '.', b == ':', b == '=', b == '+', b == '/':
		default:
			return false
		}
	}
	return true
}

// logAccess writes a line about an answered request. It names the route, and no path or query, which may hold secrets.
func (s *Server) logAccess(c *gin.Context, took time.Duration) {
	level := slog.LevelDebug
	if s.opts.AccessLog {
		level = slog.LevelInfo
	}
	ctx := c.Request.Context()
	if !s.log.Enabled(ctx, level) {
		return
	}
	// The route is a part of the message, so that where lines are left out there are some of each.
	s.log.LogAttrs(ctx, level, methodOf(c)+" "+routeOf(c), slog.Int("status", c.Writer.Status()),
		slog.Duration("took", took), slog.Int("bytes", max(0, c.Writer.Size())))
}
