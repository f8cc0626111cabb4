package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/* htmx/htmx-griphub.js
var staticFiles embed.FS

// contentPolicy lets a page use what griphub itself serves, and nothing inline.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// dashboardDevices bounds the devices of the first page.
const dashboardDevices = 500

func (s *Server) registerPages(r gin.IRouter) error {
	dashboard, err := template.New("dashboard.html").Funcs(template.FuncMap{"readings": readings, "ago": s.ago}).
		ParseFS(pageFiles, "pages/dashboard.html")
	if err != nil {
		return fmt.Errorf("parse pages: %w", err)
	}
	show := s.handle(func(c *gin.Context) error { return s.dashboard(c, dashboard) })
	r.GET("/", show)
	r.HEAD("/", show)
	for route, h := range map[string]func(*gin.Context) error{
		"/static/:file":    func(c *gin.Context) error { return s.static(c, "static/"+path.Base(param(c.Request, "file"))) },
		"/htmx-griphub.js": func(c *gin.Context) error { return s.static(c, "htmx/htmx-griphub.js") },
		"/assets/*file":    s.asset,
	} {
		r.GET(route, s.handle(h))
		r.HEAD(route, s.handle(h))
	}
	return nil
}

// A dashboardPage is what the page shows before any script runs.
type dashboardPage struct {
	Devices []devices.Device
	Types   []string
	// Stream is the address of the live events. It starts where the devices were read.
	Stream string
}

// dashboard renders what is known of every device the visitor may see, and where the stream of changes begins.
// The stream's place is read before the devices, so that nothing between the two is missed; what is shown twice
// by that is the newest value again.
func (s *Server) dashboard(c *gin.Context, page *template.Template) error {
	ctx := c.Request.Context()
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	types, err := s.deviceTypes(c, principal)
	if err != nil {
		return err
	}
	var data dashboardPage
	var chans []channels.Channel
	for _, t := range types {
		channel, err := channels.Device(t, "")
		if err != nil || len(chans) == s.opts.Stream.MaxChannels {
			continue
		}
		data.Types, chans = append(data.Types, t), append(chans, channel)
	}
	cursor, err := s.opts.Log.Heads(ctx, chans)
	if err != nil {
		return fmt.Errorf("read the heads of %d channels: %w", len(chans), err)
	}
	list, err := s.opts.Registry.List(ctx, devices.Filter{}, channels.DeviceRef{}, dashboardDevices)
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	if data.Devices, err = s.visible(c, principal, list); err != nil {
		return err
	}
	if len(chans) > 0 {
		data.Stream = eventsURL(chans, cursor)
	}
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		return fmt.Errorf("render the dashboard: %w", err)
	}
	pageHeaders(c.Writer.Header())
	c.Data(http.StatusOK, "text/html; charset=utf-8", body.Bytes())
	return nil
}

// deviceTypes are those of the devices that the visitor may see as a whole type.
func (s *Server) deviceTypes(c *gin.Context, p channels.Principal) ([]string, error) {
	list, err := s.opts.Registry.List(c.Request.Context(), devices.Filter{}, channels.DeviceRef{}, dashboardDevices)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var types []string
	for _, d := range list {
		if slices.Contains(types, d.Type) {
			continue
		}
		channel, err := channels.Device(d.Type, "")
		if err != nil {
			continue
		}
		if ok, err := s.opts.Authorizer.MayRead(c.Request.Context(), p, channel); err != nil {
			return nil, fmt.Errorf("authorize channel %q: %w", channel, err)
		} else if ok {
			types = append(types, d.Type)
		}
	}
	return types, nil
}

func eventsURL(chans []channels.Channel, cursor channels.Cursor) string {
	q := url.Values{"lastEventId": {cursor.String()}}
	for _, c := range chans {
		q.Add("channel", string(c))
	}
	return "/events/?" + q.Encode()
}

func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// A reading is one field of a device's data.
type reading struct{ Name, Value string }

// readings lists the device's fields by name.
func readings(d devices.Device) []reading {
	list := make([]reading, 0, len(d.Values))
	for name, value := range d.Values {
		list = append(list, reading{name, strings.Trim(string(value), `"`)})
	}
	slices.SortFunc(list, func(a, b reading) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// ago is the time in the form that the <time> element and scripts read.
func (s *Server) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
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
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, contentType, body)
	return nil
}
