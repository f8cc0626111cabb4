package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/fragments"
	"github.com/griphub/griphub/grip"
)

// A Publisher stores events and sends them to viewers.
type Publisher interface {
	// Publish returns once the batch is stored; see channels.Publisher.
	Publish(ctx context.Context, batch channels.Batch) ([]channels.Event, error)
}

// An Authenticator tells who makes a request.
type Authenticator interface {
	// Authenticate returns the anonymous principal for a request without credentials, and an error for
	// one with bad credentials. An error that wraps ErrUndecided says that it cannot tell.
	Authenticate(r *http.Request) (channels.Principal, error)
}

// Options are what a Server works with. Fields without a remark are required.
type Options struct {
	Log     channels.Log
	Records channels.Records
	Reader  *channels.Reader
	// Horizon tells up to where the proxies have been given a channel that they do not keep up with: streams are not told more. nil
	// where that is not known.
	Horizon   func(channels.Channel) (place channels.Seq, ok bool)
	Publisher Publisher
	Registry  devices.Registry
	Editor    devices.Editor
	Moments   devices.Moments
	// Commander gives devices commands; nil where there is no way to them.
	Commander *devices.Commander
	// Audience tells who is watching; nil where no proxy tells.
	Audience      Audience
	Authenticator Authenticator
	Authorizer    channels.Authorizer
	Sealer        *Sealer
	// Verifier checks that requests came through a proxy.
	Verifier grip.Verifier
	// RequireProxy refuses stream requests that did not.
	RequireProxy bool
	// Fragments turn device events into HTML for streams that ask for it; nil for none.
	Fragments *fragments.Library
	// Prefix stands before the GRIP channels of this deployment; empty for none.
	Prefix string
	Stream StreamOptions
	// Routes are further event streams; none by default.
	Routes []StreamRoute
	CORS   CORS
	// PublishKeys are the bearer keys of POST /api/publish; none by default.
	PublishKeys []PublishKey
	// UserPublishRate bounds the events of each user who publishes with a token; no bound by default.
	UserPublishRate PublishRate
	// AssetsDir holds third-party browser code, as {package}@{version}/{file}; empty for the public CDN.
	AssetsDir string
	// Admin answers /admin and what is below; nil for nothing.
	Admin http.Handler
	// Logger should name RequestID in its records.
	Logger *slog.Logger
	// AccessLog logs every request at the level Info, in place of Debug.
	AccessLog bool
	// Registerer gets the server's metrics; nil for none.
	Registerer prometheus.Registerer
	// Now is the clock.
	Now func() time.Time
}

// StreamOptions bound streams and set their rhythms.
type StreamOptions struct {
	// MaxChannels bounds the channels that one request may name.
	MaxChannels int
	// KeepAlive, DeviceKeepAlive and RealtimeKeepAlive are the silences after which a stream of each
	// family gets its keep-alive, in whole seconds.
	KeepAlive, DeviceKeepAlive, RealtimeKeepAlive time.Duration
	// Recheck is how often a silent stream is compared with the log, in whole seconds.
	Recheck time.Duration
}

// A Server answers browsers and publishers.
type Server struct {
	opts     Options
	log      *slog.Logger
	now      func() time.Time
	sealer   *Sealer
	families families
	live     *channels.Reader // for streams, with which the proxy goes on
	guard    *http.CrossOriginProtection
	// publishers are who publishes over HTTP.
	publishers *publishers
	meter      *meter
	engine     *gin.Engine
}

// NewServer returns a Server with all routes.
func NewServer(opts Options) (*Server, error) {
	s := &Server{opts: opts, log: opts.Logger, now: opts.Now, sealer: opts.Sealer, live: opts.Reader.Until(opts.Horizon)}
	s.publishers = newPublishers(opts.PublishKeys, opts.UserPublishRate, opts.Registerer)
	s.families.events = eventsFamily(opts.Stream.KeepAlive)
	s.families.device = deviceFamily(opts.Stream.DeviceKeepAlive)
	s.families.realtime = realtimeFamily(opts.Stream.RealtimeKeepAlive)
	s.meter = newMeter(s.families, opts.Registerer)

	var err error
	if s.opts.Fragments == nil {
		if s.opts.Fragments, err = fragments.Open("", fragments.Options{}); err != nil {
			return nil, err
		}
	}
	if s.guard, err = newGuard(opts.CORS); err != nil {
		return nil, err
	}

	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true
	// Values are unescaped by unescapedParams: gin would take "+" for a blank.
	engine.UnescapePathValues = false
	engine.Use(identified, s.measured, s.recovered, s.cors, unescapedParams)
	engine.NoRoute(func(c *gin.Context) {
		p := &problem{status: http.StatusNotFound, code: "not-found", message: "There is no such page."}
		p.write(c)
	})
	engine.NoMethod(func(c *gin.Context) {
		// gin does not know that OPTIONS is answered everywhere.
		c.Header("Allow", c.Writer.Header().Get("Allow")+", OPTIONS")
		p := &problem{status: http.StatusMethodNotAllowed, code: "method-not-allowed", message: "The method is not allowed here."}
		p.write(c)
	})
	s.registerSockets(engine)
	s.registerPolling(engine)
	s.registerAPI(engine)
	s.registerClient(engine)
	if err := s.registerOpenAPI(engine); err != nil {
		return nil, err
	}
	if err := s.registerPages(engine); err != nil {
		return nil, err
	}
	if err := s.registerComponents(engine); err != nil {
		return nil, err
	}
	s.registerAdmin(engine)
	if err := s.registerStreams(engine); err != nil {
		return nil, err
	}
	s.engine = engine
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.engine.ServeHTTP(w, withoutTrailingSlash(r))
}

// withoutTrailingSlash makes trailing slashes optional everywhere, without a redirect, which would cost
// streams a round trip and POSTs their body.
func withoutTrailingSlash(r *http.Request) *http.Request {
	if len(r.URL.Path) <= 1 || !strings.HasSuffix(r.URL.Path, "/") {
		return r
	}
	trimmed := *r.URL
	trimmed.Path = strings.TrimSuffix(trimmed.Path, "/")
	trimmed.RawPath = strings.TrimSuffix(trimmed.RawPath, "/")
	shallow := *r
	shallow.URL = &trimmed
	return &shallow
}

// recovered turns a panic into a logged 500: one request's bug is not every stream's.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		s.log.ErrorContext(c.Request.Context(), "handler panicked", "route", c.FullPath(), "panic", v)
		c.AbortWithStatus(http.StatusInternalServerError)
	}()
	c.Next()
}

// proxied lets a request pass only if a trusted proxy sent it: its headers say who holds the connection.
func (s *Server) proxied(c *gin.Context) {
	if !s.opts.RequireProxy || s.opts.Verifier.Proxied(c.GetHeader(grip.HeaderSig), s.now()) {
		return
	}
	p := &problem{status: http.StatusNotImplemented, code: "not-proxied",
		message: "This request did not come through a GRIP proxy that this service trusts; open streams at the proxy's address."}
	p.write(c)
}

type paramsKey struct{}

// unescapedParams keeps the path's parameters with the request, so that what reads requests needs no gin.
func unescapedParams(c *gin.Context) {
	if c.Request.URL.RawPath != "" {
		// gin has matched the escaped path.
		for i := range c.Params {
			if text, err := url.PathUnescape(c.Params[i].Value); err == nil {
				c.Params[i].Value = text
			}
		}
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), paramsKey{}, c.Params))
}

// param returns a level of the path, unescaped.
func param(r *http.Request, name string) string {
	params, _ := r.Context().Value(paramsKey{}).(gin.Params)
	return params.ByName(name)
}
