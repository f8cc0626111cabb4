package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// CORS says which other sites' pages may read answers. The zero value allows none.
type CORS struct {
	// Origins are exact, such as "https://example.com", or "*" for any site, without credentials.
	Origins []string
	// Credentials lets cookies and Authorization travel, for origins that are named exactly.
	Credentials bool
	// Headers are request headers that are allowed beside those every stream client sends.
	Headers []string
}

// streamHeaderNames are sent by clients of streams: EventSource polyfills, and htmx 4, which streams by fetch.
var streamHeaderNames = []string{
	"Last-Event-ID", "Content-Type", "Authorization",
	"HX-Request", "HX-Request-Type", "HX-Source", "HX-Target", "HX-Current-URL", "HX-Boosted", "HX-Trigger", "HX-Trigger-Name",
	"HX-Prompt", "HX-History-Restore-Request",
}

// cors adds the headers of the CORS protocol (Fetch Standard, section 3.3) and answers pre-flights.
func (s *Server) cors(c *gin.Context) {
	h := c.Writer.Header()
	origin := c.GetHeader("Origin")
	if len(s.opts.CORS.Origins) > 0 {
		// Also for requests without an origin: a cache must not keep their answer for those with one.
		h.Add("Vary", "Origin")
	}
	// What administrators see and do is for no other site.
	if origin != "" && !strings.HasPrefix(c.Request.URL.Path, adminPath) {
		s.opts.CORS.allow(h, origin)
	}
	if c.Request.Method != http.MethodOptions {
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Expose-Headers", "Retry-After, "+requestIDHeader)
		}
		return
	}
	// gin has put together what the path's other methods are; a path that is not there has none.
	if methods := h.Get("Allow"); methods != "" {
		h.Set("Allow", methods+", OPTIONS")
	} else {
		h.Set("Allow", "OPTIONS")
	}
	if c.GetHeader("Access-Control-Request-Method") != "" && h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", h.Get("Allow"))
		h.Set("Access-Control-Allow-Headers", strings.Join(append(slices.Clone(streamHeaderNames), s.opts.CORS.Headers...), ", "))
		h.Set("Access-Control-Max-Age", "600")
	}
	c.AbortWithStatus(http.StatusNoContent)
}

func (o CORS) allow(h http.Header, origin string) {
	switch {
	case slices.Contains(o.Origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
		if o.Credentials {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
	case slices.Contains(o.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	}
}
