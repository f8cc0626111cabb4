package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/fragments"
)

// componentEvents is how many events of the device a component's chart begins with.
const componentEvents = 60

// componentMarkup is a template's fragment in an element that keeps it current. The names of attributes are the dialects' own.
const componentMarkup = `{{define "2"}}<div class="griphub-component" hx-ext="sse" sse-connect="{{.Stream}}" sse-swap="{{.Name}}">{{.HTML}}</div>{{end}}` +
	`{{define "4"}}<div class="griphub-component" hx-sse:connect="{{.Stream}}"` +
	`{{if .Foreign}} hx-config='{"credentials": "include"}'{{end}}{{if .Main}}>{{.HTML}}` +
	`{{else}} hx-swap="none"><div data-fragment="{{.Name}}">{{.HTML}}</div>{{end}}</div>{{end}}`

// A component is what the markup is filled with.
type component struct {
	// Main tells that the template is the message itself.
	Main   bool
	Name   string
	HTML   template.HTML
	Stream string
	// Foreign tells that the page is another site's, where htmx 4 sends no cookies unless it is told to.
	Foreign bool
}

func (s *Server) registerComponents(r gin.IRouter) error {
	markup, err := template.New("").Parse(componentMarkup)
	if err != nil {
		return fmt.Errorf("parse the components: %w", err)
	}
	show := s.handle(func(c *gin.Context) error { return s.component(c, markup) })
	r.GET("/components/:type/:id/:name", show)
	r.HEAD("/components/:type/:id/:name", show)
	return nil
}

// component answers with a template's fragment of what is known of a device, in an element that goes on from there.
func (s *Server) component(c *gin.Context, markup *template.Template) error {
	r := c.Request
	ref := channels.DeviceRef{Type: param(r, "type"), ID: param(r, "id")}
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil {
		return badRequest(sentence(err))
	}
	dialect := r.URL.Query().Get("html")
	if dialect != "2" && dialect != "4" {
		return badRequest("html: want 2 or 4, the version of htmx.")
	}
	if _, err := s.reader(c, channel); err != nil {
		return err
	}
	// The place is read before the device, so that nothing between the two is missed.
	page, err := s.opts.Log.Latest(r.Context(), channel, componentEvents)
	if err != nil {
		return fmt.Errorf("read the newest events of %s: %w", channel, err)
	}
	device := devices.Device{DeviceRef: ref, State: devices.State{Status: devices.Offline}}
	found, err := s.opts.Registry.Devices(r.Context(), []channels.DeviceRef{ref})
	if err != nil {
		return fmt.Errorf("read device %s/%s: %w", ref.Type, ref.ID, err)
	}
	if len(found) == 1 {
		device = found[0]
	}
	in := component{Name: param(r, "name"), Foreign: r.Header.Get("Origin") != "", Stream: streamAddress(r, ref, dialect, channels.Cursor{{Channel: channel, Seq: page.Next}})}
	in.Main = in.Name == fragments.MessageName
	in.HTML, err = s.opts.Fragments.Snapshot(in.Name, device, page.Events)
	if errors.Is(err, fragments.ErrNoTemplate) {
		return channels.ErrNotFound
	}
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := markup.ExecuteTemplate(&body, dialect, in); err != nil {
		return fmt.Errorf("render a component: %w", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, "text/html; charset=utf-8", body.Bytes())
	return nil
}

// streamAddress is that of the device's stream after the cursor, for a page of this origin or, as its request says, of
// another.
func streamAddress(r *http.Request, ref channels.DeviceRef, dialect string, after channels.Cursor) string {
	address := "/iot/stream/" + url.PathEscape(ref.Type) + "/" + url.PathEscape(ref.ID) + "/?" +
		url.Values{"html": {dialect}, "lastEventId": {after.String()}}.Encode()
	if r.Header.Get("Origin") != "" {
		return "//" + r.Host + address
	}
	return address
}
