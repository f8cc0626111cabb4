package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func (s *Server) registerDevices(api gin.IRouter) {
	api.GET("/devices", s.handle(s.listDevices))
	api.POST("/devices", s.handle(s.addDevices))
	api.POST("/devices/import", s.handle(s.importDevices))
	api.GET("/devices/export", s.handle(s.exportDevices))
	api.GET("/devices/:type/:id", s.handle(s.showDevice))
	api.PATCH("/devices/:type/:id", s.handle(s.setDevice))
	api.DELETE("/devices/:type/:id", s.handle(s.removeDevice))
	api.POST("/devices/:type/:id/commands", s.handle(s.command))
}

// listDevices answers GET /api/devices?type=&status=&owner=&group=&active=&text=&after=&limit=. "after" is the last device
// of the page before, as {type}/{id}. The answer has the cursor of the streams of the devices' types that the
// reader may see, of the same moment.
func (s *Server) listDevices(c *gin.Context) error {
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	limit, err := limitOf(c, 100, 1000)
	if err != nil {
		return err
	}
	filter, err := deviceFilter(c)
	if err != nil {
		return err
	}
	var after channels.DeviceRef
	if text := c.Query("after"); text != "" {
		if after, err = devices.ParseRef(text); err != nil {
			return badRequest("after: want {type}/{id}.")
		}
	}
	var list []devices.Device
	var cursor channels.Cursor
	err = s.opts.Moments.At(c.Request.Context(), func(m devices.Moment) (err error) {
		if list, err = m.List(c.Request.Context(), filter, after, limit); err != nil {
			return err
		}
		cursor, err = m.Heads(c.Request.Context(), typeChannels(filter.Type, list))
		return err
	})
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	next := ""
	if len(list) == limit {
		last := list[len(list)-1]
		next = last.Type + "/" + last.ID
	}
	visible, err := s.visible(c, principal, list)
	if err != nil {
		return err
	}
	if cursor, err = s.readable(c, principal, cursor); err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"devices": visible, "next": next, "cursor": cursor})
	return nil
}

// readable keeps the positions in channels that the principal may read.
func (s *Server) readable(c *gin.Context, p channels.Principal, cursor channels.Cursor) (channels.Cursor, error) {
	var kept channels.Cursor
	for _, position := range cursor {
		err := s.authorize(c.Request.Context(), p, []channels.Channel{position.Channel})
		var no *refusal
		switch {
		case err == nil:
			kept = append(kept, position)
		case !errors.As(err, &no):
			return nil, err
		}
	}
	return kept, nil
}

// typeChannels are those of the type that was asked for, or of the types of the devices.
func typeChannels(asked string, list []devices.Device) []channels.Channel {
	types := []string{asked}
	if asked == "" {
		types = nil
		for i := range list {
			// The list is in their order.
			if n := len(types); n == 0 || types[n-1] != list[i].Type {
				types = append(types, list[i].Type)
			}
		}
	}
	var chans []channels.Channel
	for _, t := range types {
		if c, err := channels.Device(t, ""); err == nil {
			chans = append(chans, c)
		}
	}
	return chans
}

// deviceFilter reads what a list is narrowed to.
func deviceFilter(c *gin.Context) (devices.Filter, error) {
	f := devices.Filter{
		Type: c.Query("type"), Status: devices.Status(c.Query("status")), Owner: c.Query("owner"), Group: c.Query("group"),
		Text: c.Query("text"),
	}
	if text := c.Query("active"); text != "" {
		active, err := strconv.ParseBool(text)
		if err != nil {
			return f, badRequest("active: want true or false.")
		}
		f.Active = &active
	}
	if err := f.Validate(); err != nil {
		return f, badRequest(sentence(err))
	}
	return f, nil
}

// visible keeps the devices whose events the principal may read.
func (s *Server) visible(c *gin.Context, p channels.Principal, list []devices.Device) ([]devices.Device, error) {
	visible := make([]devices.Device, 0, len(list))
	for _, d := range list {
		channel, err := channels.Device(d.Type, d.ID)
		if err != nil {
			continue
		}
		err = s.authorize(c.Request.Context(), p, []channels.Channel{channel})
		var no *refusal
		switch {
		case err == nil:
			visible = append(visible, d)
		case !errors.As(err, &no):
			return nil, err
		}
	}
	return visible, nil
}

// showDevice answers GET /api/devices/{type}/{id} with the device and the cursor of its stream, of one moment: a stream that
// starts there goes on exactly behind the device's state.
func (s *Server) showDevice(c *gin.Context) error {
	ref := pathRef(c)
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil {
		return badRequest(sentence(err))
	}
	if _, err := s.reader(c, channel); err != nil {
		return err
	}
	return s.writeDevice(c, http.StatusOK, ref)
}

// writeDevice answers with the device and the cursor of its stream.
func (s *Server) writeDevice(c *gin.Context, status int, ref channels.DeviceRef) error {
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil {
		return err
	}
	var cursor channels.Cursor
	var found []devices.Device
	err = s.opts.Moments.At(c.Request.Context(), func(m devices.Moment) (err error) {
		if cursor, err = m.Heads(c.Request.Context(), []channels.Channel{channel}); err != nil {
			return err
		}
		found, err = m.Devices(c.Request.Context(), []channels.DeviceRef{ref})
		return err
	})
	if err != nil {
		return fmt.Errorf("read device %s/%s: %w", ref.Type, ref.ID, err)
	}
	if len(found) == 0 {
		return channels.ErrNotFound
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(status, struct {
		devices.Device
		Cursor channels.Cursor `json:"cursor"`
	}{found[0], cursor})
	return nil
}
