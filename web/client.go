package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/web/client"
)

// registerClient serves the browser client: /griphub.mjs is an ES module, and /griphub.js a classic script and the worker of
// all forms. A page that imports /griphub.js gets the module.
func (s *Server) registerClient(r gin.IRouter) {
	scripts := client.Build()
	serve := func(path, contentType string, form func(*http.Request) string) {
		h := func(c *gin.Context) {
			body := form(c.Request)
			header := c.Writer.Header()
			header.Set("Content-Type", contentType)
			header.Set("ETag", fmt.Sprintf(`"%s-%d"`, scripts.Version, len(body)))
			header.Set("Cache-Control", "no-cache")
			header.Set("X-Content-Type-Options", "nosniff")
			header.Add("Vary", "Sec-Fetch-Mode, Sec-Fetch-Dest")
			if header.Get("Access-Control-Allow-Origin") == "" {
				// Pages of any site may load it; what it may read there is another matter.
				header.Set("Access-Control-Allow-Origin", "*")
			}
			http.ServeContent(c.Writer, c.Request, "", time.Time{}, strings.NewReader(body))
		}
		r.GET(path, h)
		r.HEAD(path, h)
	}
	serve("/htmx-griphub.js", staticTypes[".js"], func(*http.Request) string { return scripts.HTMX })
	module := func(*http.Request) string { return scripts.Module }
	serve("/griphub.js", staticTypes[".js"], func(r *http.Request) string {
		// An import is fetched in the mode "cors", a classic script or a worker in another (Fetch Metadata). Browsers say so
		// over HTTPS and on their own machine; elsewhere the module's own address is the only one.
		if r.Header.Get("Sec-Fetch-Mode") == "cors" && r.Header.Get("Sec-Fetch-Dest") == "script" {
			return scripts.Module
		}
		return scripts.Classic
	})
	serve("/griphub.mjs", staticTypes[".js"], module)
	serve("/griphub.d.ts", "text/plain; charset=utf-8", func(*http.Request) string { return client.Types })
}
