package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// listDevices answers GET /api/devices?type=&after=&limit=. "after" is the last device of the page before, as
// {type}/{id}.
func (s *Server) listDevices(c *gin.Context) error {
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	limit, err := limitOf(c, 100, 1000)
	if err != nil {
		return err
	}
	var after channels.DeviceRef
	if text := c.Query("after"); text != "" {
		deviceType, id, ok := strings.Cut(text, "/")
		if !ok {
			return badRequest("after: want {type}/{id}.")
		}
		after = channels.DeviceRef{Type: deviceType, ID: id}
	}
	list, err := s.opts.Registry.List(c.Request.Context(), c.Query("type"), after, limit)
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
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"devices": visible, "next": next})
	return nil
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

// showDevice answers GET /api/devices/{type}/{id} with the device and the cursor of its stream, read before
// it: a stream that starts there misses nothing.
func (s *Server) showDevice(c *gin.Context) error {
	ref := channels.DeviceRef{Type: c.Param("type"), ID: c.Param("id")}
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil {
		return badRequest(sentence(err))
	}
	if _, err := s.reader(c, channel); err != nil {
		return err
	}
	cursor, err := s.opts.Log.Heads(c.Request.Context(), []channels.Channel{channel})
	if err != nil {
		return fmt.Errorf("read the head of %s: %w", channel, err)
	}
	found, err := s.opts.Registry.Devices(c.Request.Context(), []channels.DeviceRef{ref})
	if err != nil {
		return fmt.Errorf("read device %s/%s: %w", ref.Type, ref.ID, err)
	}
	if len(found) == 0 {
		return channels.ErrNotFound
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		devices.Device
		Cursor channels.Cursor `json:"cursor"`
	}{found[0], cursor})
	return nil
}
