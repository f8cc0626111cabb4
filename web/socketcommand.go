package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// maxBatchCommanding bounds the time that the commands of one batch may take together: the proxy waits for the answer, and
// with it everything else on the connection.
const maxBatchCommanding = 15 * time.Second

// command does what {"action":"command","name","payload"?,"id"?} asks for, and says whether the command is on its way. The
// device's answer is an event of its channel, which the viewer gets as such.
func (k *socket) command(content []byte) error {
	var message struct {
		Name    string          `json:"name"`
		Payload json.RawMessage `json:"payload"`
		ID      string          `json:"id"`
		// Device is its id, where the address names only the type.
		Device string `json:"device_id"`
	}
	// The caller knows that it is a JSON object; fields of other types are as good as missing.
	_ = json.Unmarshal(content, &message)
	ref := channels.DeviceRef{Type: param(k.request, "type"), ID: param(k.request, "id")}
	if ref.ID == "" {
		ref.ID = message.Device
	}
	id, err := k.giveCommand(ref, devices.Command{
		Device: ref, Name: message.Name, Payload: message.Payload, ID: message.ID, User: k.principal.User,
	})
	reply := struct {
		Event string            `json:"event"`
		Data  map[string]string `json:"data"`
	}{"command-sent", map[string]string{"id": id}}
	if err != nil {
		p := knownProblem(commandProblem(err, id))
		if p == nil {
			k.server.log.ErrorContext(k.request.Context(), "command failed", "device", ref.Type+"/"+ref.ID, "error", err)
			p = errInternal
		}
		reply.Event = "error"
		reply.Data = map[string]string{"condition": p.code, "text": p.message, "id": message.ID}
	}
	encoded, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	k.send(encoded)
	return nil
}

// giveCommand returns the command's id.
func (k *socket) giveCommand(ref channels.DeviceRef, command devices.Command) (id string, err error) {
	if err := mayCommand(k.principal, ref); err != nil {
		return "", err
	}
	if k.server.opts.Commander == nil {
		return "", errNoCommands
	}
	by := k.server.publishers.byIdentity(k.principal, k.server.now())
	if err := by.charge(1, k.server.now()); err != nil {
		return "", err
	}
	if k.commandsUntil.IsZero() {
		k.commandsUntil = time.Now().Add(maxBatchCommanding)
	}
	ctx, cancel := context.WithDeadline(k.request.Context(), k.commandsUntil)
	defer cancel()
	sent, err := k.server.opts.Commander.Send(ctx, command)
	return sent.ID, err
}
