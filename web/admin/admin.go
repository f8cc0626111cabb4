package admin

import (
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web"
)

// Options are what the pages work with. Fields without a remark are required.
type Options struct {
	Log       channels.Log
	Records   channels.Records
	Overview  channels.Overview
	Publisher web.Publisher
	// Rules say who may read the channels, and what is kept of them.
	Rules    channels.Rules
	Registry devices.Registry
	Editor   devices.Editor
	// Commander gives devices commands; nil where there is no way to them.
	Commander *devices.Commander
	// Audience tells who is watching; nil where no proxy tells.
	Audience      web.Audience
	Authenticator web.Authenticator
	// Cookie is where the Authenticator looks for a token; empty where visitors sign in elsewhere.
	Cookie string
	// Sealer signs what forms carry.
	Sealer *web.Sealer
	// Health tells how the proxies and the broker do.
	Health func() Health
	// Metrics are what the page about the system shows of streams.
	Metrics prometheus.Gatherer
	Logger  *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// A Site is the pages. It answers everything at /admin and below.
type Site struct {
	Options
	pages map[string]*pageTemplate
	guard *http.CrossOriginProtection
	mux   *http.ServeMux
}

//go:embed static
var staticFiles embed.FS

// New returns the pages.
func New(options Options) (*Site, error) {
	s := &Site{Options: options, guard: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	var err error
	if s.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("administrators' pages: %w", err)
	}
	s.mux.HandleFunc("/", s.handle(func(http.ResponseWriter, *http.Request) error { return errNoPage }))
	for route, show := range map[string]func(http.ResponseWriter, *http.Request, channels.Principal) error{
		"/admin":              s.showLog,
		"/admin/events/{id}":  s.showEvent,
		"/admin/devices":      s.listDevices,
		"/admin/device":       s.showDevice,
		"/admin/channels":     s.listChannels,
		"/admin/channel":      s.showChannel,
		"/admin/dead":         s.listUndelivered,
		"/admin/dead/{id}":    s.showUndelivered,
		"/admin/refused":      s.listRefused,
		"/admin/refused/{id}": s.showRefused,
		"/admin/system":       s.showSystem,
	} {
		s.mux.HandleFunc("GET "+route, s.visited(show))
	}
	for route, a := range map[string]action{
		"/admin/events/{id}/replay": {s.askReplay, s.replay},
		"/admin/device/edit":        {s.askEdit, s.edit},
		"/admin/device/command":     {s.askCommand, s.command},
		"/admin/channel/kick":       {s.askKick, s.kick},
		"/admin/dead/{id}/requeue":  {s.askRequeue, s.requeue},
		"/admin/dead/requeue":       {s.askRequeueAll, s.requeueAll},
	} {
		s.mux.HandleFunc("POST "+route, s.acted(a))
	}
	s.mux.HandleFunc("POST /admin/sign-in", s.handle(s.signIn))
	s.mux.HandleFunc("POST /admin/sign-out", s.acted(action{nil, s.signOut}))
	static := http.StripPrefix("/admin/", http.FileServerFS(staticFiles))
	s.mux.HandleFunc("GET /admin/static/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		static.ServeHTTP(w, r)
	})
	return s, nil
}

// ServeHTTP answers a request whose path has no trailing slash.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pageHeaders(w.Header())
	s.mux.ServeHTTP(w, r)
}

// contentPolicy lets a page use what griphub itself serves, and nothing inline.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
}
