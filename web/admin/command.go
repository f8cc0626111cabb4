package admin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/griphub/griphub/devices"

	"github.com/griphub/griphub/channels"
)

// An answer is what came of a command.
type answer struct {
	Command, ID string
	// Response is the device's JSON; nil where Problem is set, or nobody waited.
	Response json.RawMessage
	// Problem is why there is no response; empty for none.
	Problem string
}

var errNoCommands = &problem{http.StatusNotImplemented, "Commands cannot be sent: there is no broker, or mqtt.topics has no {device_type} and {device_id}."}

func readCommand(r *http.Request, by channels.Principal) devices.Command {
	c := devices.Command{Device: formRef(r), Name: r.PostForm.Get("command"), ID: r.PostForm.Get("command_id"), User: by.User}
	if payload := strings.TrimSpace(r.PostForm.Get("payload")); payload != "" {
		c.Payload = json.RawMessage(payload)
	}
	return c
}

func (s *Site) askCommand(r *http.Request) (question, error) {
	c := readCommand(r, channels.Principal{})
	if s.Commander == nil {
		return question{}, errNoCommands
	}
	if _, err := s.device(r, c.Device); err != nil {
		return question{}, err
	}
	if c.Payload != nil && !json.Valid(c.Payload) {
		return question{}, &problem{http.StatusUnprocessableEntity, "Payload: not JSON."}
	}
	q := question{
		Title:   fmt.Sprintf("Send a command to %s/%s?", c.Device.Type, c.Device.ID),
		Text:    fmt.Sprintf("The device gets it within %v, or not at all.", devices.DefaultCommandTimeout),
		Changes: []change{{"command", "", c.Name}}, Button: "Send", Back: deviceURL(c.Device),
		// A form that is sent twice is one command.
		Fields: []field{{"command_id", strings.ToLower(rand.Text())}},
	}
	if c.Payload != nil {
		q.Changes = append(q.Changes, change{"payload", "", string(c.Payload)})
	}
	return q, nil
}

// command sends the command and shows the device with what it has answered.
func (s *Site) command(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	if s.Commander == nil {
		return errNoCommands
	}
	c := readCommand(r, by)
	sent, err := s.Commander.Send(r.Context(), c)
	a := &answer{Command: c.Name, ID: sent.ID}
	if err == nil {
		a.Response, err = s.Commander.Await(r.Context(), sent)
	}
	switch {
	case err == nil:
	case errors.Is(err, devices.ErrNoAnswer):
		a.Problem = "The device has not answered in time. An answer that comes later is an event of its channel."
	case errors.Is(err, devices.ErrUnanswerable):
		a.Problem = "It was sent. Answers of this device cannot be seen: its channel is not stored, or no topic of kind response is read."
	case errors.Is(err, devices.ErrNotSent):
		a.Problem = "The broker has not confirmed the command; the device may get it all the same."
	case errors.Is(err, devices.ErrOtherCommand):
		return &problem{http.StatusConflict, "The form was used for another command already. Go back, and fill it in again."}
	default:
		return err
	}
	return s.writeDevice(w, r, by, c.Device, a)
}
