package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

const (
	// maxDeviceBody bounds the body of a request that changes devices, in bytes.
	maxDeviceBody = 1 << 20
	// maxAddedDevices bounds the devices of one request that adds them.
	maxAddedDevices = 1000
)

// administrator refuses who is none. An API key may do what an administrator may.
func (s *Server) administrator(r *http.Request) error {
	by, err := s.publisher(r)
	if err != nil {
		return err
	}
	if !by.Admin {
		return &problem{status: http.StatusForbidden, code: "forbidden", message: "Changing devices needs an API key, or an administrator's token."}
	}
	return nil
}

// addDevices answers POST /api/devices: it adds the one device, or all those of an array, of which none may be there.
func (s *Server) addDevices(c *gin.Context) error {
	if err := s.administrator(c.Request); err != nil {
		return err
	}
	body, err := deviceBody(c)
	if err != nil {
		return err
	}
	objects, many := []json.RawMessage{body}, body[0] == '['
	if many {
		if err := json.Unmarshal(body, &objects); err != nil {
			return badRequest("The body is not JSON.")
		}
	}
	if len(objects) == 0 || len(objects) > maxAddedDevices {
		return badRequest(fmt.Sprintf("Want 1 to %d devices.", maxAddedDevices))
	}
	edits := make([]devices.Edit, len(objects))
	for i, object := range objects {
		edits[i].Kind = devices.EditAdd
		if edits[i].DeviceRef, edits[i].Patch, err = devices.ParsePatch(object); err != nil {
			return editProblem(&devices.EditError{Index: i, Err: err}, many)
		}
	}
	if err := s.opts.Editor.Edit(c.Request.Context(), edits); err != nil {
		return editProblem(err, many)
	}
	if many {
		c.JSON(http.StatusCreated, gin.H{"added": len(edits)})
		return nil
	}
	return s.writeDevice(c, http.StatusCreated, edits[0].DeviceRef)
}

func deviceBody(c *gin.Context) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxDeviceBody))
	if err != nil {
		return nil, publishProblem(err, nil)
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil, badRequest("The body is empty; want a JSON object.")
	}
	return body, nil
}

// editProblem points at what is wrong; of many edits also at which it is.
func editProblem(err error, many bool) error {
	var wrong *devices.EditError
	if !errors.As(err, &wrong) {
		return err
	}
	p := &problem{status: http.StatusUnprocessableEntity, code: "invalid", message: wrong.Err.Error()}
	var taken *devices.TakenError
	var invalid *channels.InvalidError
	switch {
	case errors.As(wrong.Err, &taken):
		p.status, p.code, p.at = http.StatusConflict, "taken", taken.Field
	case errors.As(wrong.Err, &invalid):
		p.at = invalid.Field
	case errors.Is(wrong.Err, channels.ErrNotFound):
		return wrong.Err
	}
	if many {
		p.at = fmt.Sprintf("[%d].%s", wrong.Index, p.at)
	}
	return p
}

func pathRef(c *gin.Context) channels.DeviceRef {
	return channels.DeviceRef{Type: c.Param("type"), ID: c.Param("id")}
}

// setDevice answers PATCH /api/devices/{type}/{id}: fields that the body has replace the device's.
func (s *Server) setDevice(c *gin.Context) error {
	if err := s.administrator(c.Request); err != nil {
		return err
	}
	body, err := deviceBody(c)
	if err != nil {
		return err
	}
	ref, patch, err := devices.ParsePatch(body)
	if err != nil {
		return err
	}
	edit := devices.Edit{DeviceRef: pathRef(c), Kind: devices.EditSet, Patch: patch}
	if ref.Type != "" && ref.Type != edit.Type || ref.ID != "" && ref.ID != edit.ID {
		return &channels.InvalidError{Field: "device_id", Reason: "a device keeps its type and id"}
	}
	if err := s.opts.Editor.Edit(c.Request.Context(), []devices.Edit{edit}); err != nil {
		return editProblem(err, false)
	}
	return s.writeDevice(c, http.StatusOK, edit.DeviceRef)
}

// removeDevice answers DELETE /api/devices/{type}/{id}.
func (s *Server) removeDevice(c *gin.Context) error {
	if err := s.administrator(c.Request); err != nil {
		return err
	}
	edit := devices.Edit{DeviceRef: pathRef(c), Kind: devices.EditRemove}
	if err := s.opts.Editor.Edit(c.Request.Context(), []devices.Edit{edit}); err != nil {
		return editProblem(err, false)
	}
	c.Status(http.StatusNoContent)
	return nil
}
