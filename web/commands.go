package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

const (
	// maxCommandBody bounds the body of a command, in bytes.
	maxCommandBody = 64 << 10
	// maxCommandWait bounds how long a request waits for a device's answer: proxies give up on slow answers.
	maxCommandWait = time.Minute
)

// A commandForm is a command as clients write it.
type commandForm struct {
	Command string          `json:"command"`
	Payload json.RawMessage `json:"payload"`
	ID      string          `json:"id"`
	// Timeout is a duration such as "10s", or a number of seconds.
	Timeout json.RawMessage `json:"timeout"`
	// Wait tells to answer when the device has; nil for yes.
	Wait *bool `json:"wait"`
}

// command answers POST /api/devices/{type}/{id}/commands: with 200 and what the device has answered, with 504 where
// it has not in time, and with 202 as soon as the broker has the command where nobody waits.
func (s *Server) command(c *gin.Context) error {
	ref := channels.DeviceRef{Type: c.Param("type"), ID: c.Param("id")}
	by, err := s.publisher(c.Request)
	if err != nil {
		return err
	}
	if err := mayCommand(by.Principal, ref); err != nil {
		return err
	}
	form, err := readCommand(c)
	if err != nil {
		return err
	}
	timeout, err := form.timeout()
	if err != nil {
		return err
	}
	waits := form.Wait == nil || *form.Wait
	if s.opts.Commander == nil {
		return errNoCommands
	}
	switch {
	case waits && timeout > maxCommandWait:
		return &channels.InvalidError{Field: "timeout", Reason: fmt.Sprintf("more than %v, which needs wait: false", maxCommandWait)}
	case waits && !s.opts.Commander.Answerable(ref):
		return &problem{status: http.StatusNotImplemented, code: "no-answers",
			message: `Answers of this device cannot be seen: its channel is not stored, or no topic of kind response is read. Send it with "wait": false.`}
	}
	if err := by.charge(1, s.now()); err != nil {
		return err
	}
	sent, err := s.opts.Commander.Send(c.Request.Context(), devices.Command{
		Device: ref, Name: form.Command, Payload: form.Payload, ID: form.ID, User: by.User, Timeout: timeout,
	})
	if err != nil {
		return commandProblem(err, sent.ID)
	}
	answer := struct {
		ID       string          `json:"id"`
		Event    string          `json:"event"`
		Cursor   channels.Cursor `json:"cursor"`
		Response json.RawMessage `json:"response,omitempty"`
	}{ID: sent.ID, Event: sent.Event.PublicID(), Cursor: sent.Event.Cursor()}
	c.Header("Cache-Control", "no-store")
	if !waits {
		c.JSON(http.StatusAccepted, answer)
		return nil
	}
	if answer.Response, err = s.opts.Commander.Await(c.Request.Context(), sent); err != nil {
		return commandProblem(err, sent.ID)
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// errNoCommands is for a service that has no broker, or one whose topics have no place for commands.
var errNoCommands = &problem{status: http.StatusNotImplemented, code: "no-commands",
	message: "Commands cannot be sent: there is no broker, or mqtt.topics has no {device_type} and {device_id}."}

// mayCommand lets those tell a device what to do who may publish to its channel.
func mayCommand(by channels.Principal, ref channels.DeviceRef) error {
	channel, err := channels.Device(ref.Type, ref.ID)
	if err != nil || ref.ID == "" {
		return badRequest("There is no device of this name.")
	}
	if !by.MayPublish(channel) {
		return &problem{status: http.StatusForbidden, code: "forbidden", message: fmt.Sprintf("Publishing to %q is not permitted.", channel)}
	}
	return nil
}

func readCommand(c *gin.Context) (form commandForm, err error) {
	decoder := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, maxCommandBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return form, &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
				message: fmt.Sprintf("The body is longer than %d bytes.", tooLarge.Limit)}
		}
		return form, badRequest("The body is not a command: " + sentence(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return form, badRequest("Something follows the command.")
	}
	return form, nil
}

func (f *commandForm) timeout() (time.Duration, error) {
	wrong := &channels.InvalidError{Field: "timeout", Reason: `want a duration such as "10s", or a number of seconds`}
	if len(f.Timeout) == 0 || string(f.Timeout) == "null" {
		return devices.DefaultCommandTimeout, nil
	}
	var seconds float64
	if json.Unmarshal(f.Timeout, &seconds) == nil {
		if seconds <= 0 || seconds > devices.MaxCommandTimeout.Seconds() {
			return 0, wrong
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	var text string
	if json.Unmarshal(f.Timeout, &text) != nil {
		return 0, wrong
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 {
		return 0, wrong
	}
	return timeout, nil
}

// commandProblem says what has become of a command.
func commandProblem(err error, id string) error {
	switch {
	case errors.Is(err, devices.ErrNoAnswer):
		return &problem{status: http.StatusGatewayTimeout, code: "no-answer",
			message: fmt.Sprintf("The device has not answered in time. An answer that comes later is an event of its channel, with the id %s.", id)}
	case errors.Is(err, devices.ErrNotSent):
		return &problem{status: http.StatusServiceUnavailable, code: "not-sent",
			message: fmt.Sprintf("The broker has not confirmed the command; the device may get it all the same. Try again with the id %s.", id)}
	case errors.Is(err, devices.ErrOtherCommand):
		return &problem{status: http.StatusConflict, code: "other-command", at: "id", message: "The id is that of another command."}
	}
	var draft *channels.DraftError
	if errors.As(err, &draft) {
		return draft.Err
	}
	return err
}
