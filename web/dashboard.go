package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// dashboardDevices bounds the devices that are in the page itself. The script reads the rest, and a browser without
// scripts turns pages.
const dashboardDevices = 200

// maxDashboardStreams bounds the connections of a page: browsers allow six to a host.
const maxDashboardStreams = 4

func (s *Server) registerDashboard(r gin.IRouter) error {
	page, err := template.New("dashboard.html").Funcs(template.FuncMap{
		"readings": readings, "stamp": stamp, "moment": moment,
		"words": func(status devices.Status) string { return strings.ReplaceAll(string(status), "_", " ") },
	}).ParseFS(pageFiles, "pages/dashboard.html")
	if err != nil {
		return fmt.Errorf("parse the dashboard: %w", err)
	}
	show := s.handle(func(c *gin.Context) error { return s.dashboard(c, page) })
	r.GET("/", show)
	r.HEAD("/", show)
	return nil
}

// A dashboardPage is what the page shows before any script runs, and where the script goes on.
type dashboardPage struct {
	Devices  []devices.Device
	Types    []string
	Statuses []devices.Status
	Filter   devices.Filter
	// Next is the address of the page after this one; empty for none.
	Next string
	// Streams are the addresses of the live events, as a JSON array.
	Streams string
}

// dashboard shows what is known of the devices that the visitor may see. The script reads them again before it opens the
// streams, which begin before that: nothing between the two is missed.
func (s *Server) dashboard(c *gin.Context, page *template.Template) error {
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	data := dashboardPage{Statuses: devices.Statuses(), Filter: devices.Filter{
		Text: c.Query("q"), Type: c.Query("type"), Status: devices.Status(c.Query("status")),
	}}
	if err := data.Filter.Validate(); err != nil {
		return badRequest(sentence(err))
	}
	var after channels.DeviceRef
	if text := c.Query("after"); text != "" {
		if after, err = devices.ParseRef(text); err != nil {
			return badRequest("after: want {type}/{id}.")
		}
	}
	if data.Types, err = s.deviceTypes(c.Request.Context(), principal); err != nil {
		return err
	}
	list, err := s.opts.Registry.List(c.Request.Context(), data.Filter, after, dashboardDevices)
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	if len(list) == dashboardDevices {
		last := list[len(list)-1]
		data.Next = "/?" + url.Values{
			"q": {data.Filter.Text}, "type": {data.Filter.Type}, "status": {string(data.Filter.Status)}, "after": {last.Type + "/" + last.ID},
		}.Encode()
	}
	if data.Devices, err = s.visible(c, principal, list); err != nil {
		return err
	}
	if data.Streams, err = s.dashboardStreams(c.Request.Context(), data.Types, data.Devices); err != nil {
		return err
	}
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		return fmt.Errorf("render the dashboard: %w", err)
	}
	pageHeaders(c.Writer.Header())
	c.Data(http.StatusOK, "text/html; charset=utf-8", body.Bytes())
	return nil
}

// deviceTypes returns the types of devices that the visitor may see all of.
func (s *Server) deviceTypes(ctx context.Context, p channels.Principal) ([]string, error) {
	var types []string
	for after := (channels.DeviceRef{}); ; {
		list, err := s.opts.Registry.List(ctx, devices.Filter{}, after, 1)
		if err != nil {
			return nil, fmt.Errorf("list devices: %w", err)
		}
		if len(list) == 0 {
			return types, nil
		}
		known := list[0].Type == after.Type
		if after = list[0].DeviceRef; known {
			continue
		}
		// Hardly an id comes after this one, so that the next device is of another type.
		after.ID = strings.Repeat(string(utf8.MaxRune), channels.MaxNameBytes/utf8.UTFMax)
		channel, err := channels.Device(after.Type, "")
		if err != nil {
			continue
		}
		ok, err := s.opts.Authorizer.MayRead(ctx, p, channel)
		if err != nil {
			return nil, fmt.Errorf("authorize channel %q: %w", channel, err)
		}
		if ok {
			types = append(types, after.Type)
		}
	}
}

// dashboardStreams returns the addresses of streams of the types, and of devices of other types, that begin now, as a JSON
// array.
func (s *Server) dashboardStreams(ctx context.Context, types []string, list []devices.Device) (string, error) {
	var chans []channels.Channel
	add := func(deviceType, id string) {
		if channel, err := channels.Device(deviceType, id); err == nil && len(chans) < maxDashboardStreams*s.opts.Stream.MaxChannels {
			chans = append(chans, channel)
		}
	}
	for _, deviceType := range types {
		add(deviceType, "")
	}
	for _, d := range list {
		if !slices.Contains(types, d.Type) {
			add(d.Type, d.ID)
		}
	}
	heads, err := s.opts.Log.Heads(ctx, chans)
	if err != nil {
		return "", fmt.Errorf("read the heads of %d channels: %w", len(chans), err)
	}
	streams := []string{}
	for some := range slices.Chunk(heads, s.opts.Stream.MaxChannels) {
		query := url.Values{"lastEventId": {some.String()}}
		for _, position := range some {
			query.Add("channel", string(position.Channel))
		}
		streams = append(streams, "/events/?"+query.Encode())
	}
	text, err := json.Marshal(streams)
	return string(text), err
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

// stamp is the time as the <time> element and scripts read it; empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// moment is the time as people read it where no script turns it into their own zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
