package web

import (
	"embed"
	"net/http"
	"path"

	"github.com/gin-gonic/gin"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/*.js static/*.css static/*.svg
var staticFiles embed.FS

// contentPolicy lets a page use what griphub itself serves, and nothing inline.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) registerPages(r gin.IRouter) error {
	if err := s.registerDashboard(r); err != nil {
		return err
	}
	for route, h := range map[string]func(*gin.Context) error{
		"/static/:file": func(c *gin.Context) error { return s.static(c, "static/"+path.Base(param(c.Request, "file"))) },
		"/assets/*file": s.asset,
	} {
		r.GET(route, s.handle(h))
		r.HEAD(route, s.handle(h))
	}
	return nil
}

// adminPath is where the administrators' pages are.
const adminPath = "/admin"

func (s *Server) registerAdmin(r gin.IRouter) {
	if s.opts.Admin == nil {
		return
	}
	pages := gin.WrapH(s.opts.Admin)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		r.Handle(method, adminPath, pages)
		r.Handle(method, adminPath+"/*page", pages)
	}
}

func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

var staticTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// static serves one of griphub's own scripts and styles.
func (s *Server) static(c *gin.Context, name string) error {
	body, err := staticFiles.ReadFile(name)
	contentType, known := staticTypes[path.Ext(name)]
	if err != nil || !known {
		return errNoFile
	}
	// Modules are asked for under the rules of CORS.
	c.Header("Access-Control-Allow-Origin", "*")
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, contentType, body)
	return nil
}
