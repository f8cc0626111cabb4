package devices

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
)

// Event types of commands, on the channels of their device.
const (
	// EventCommand events carry {"id","command"}. The payload is private: it may hold what viewers must not know.
	EventCommand = "command"
	// EventResponse events carry {"id","response"}: what the device has answered. The id is null where it named none.
	EventResponse = "command_response"
)

// Limits of a command.
const (
	// MaxCommandBytes bounds its name.
	MaxCommandBytes = 128
	// MaxPayloadBytes bounds its payload.
	MaxPayloadBytes = 32 << 10
	// MinCommandIDBytes bounds its id from below, so that nobody numbers commands 1, 2, 3 and takes a new one for an old.
	MinCommandIDBytes = 8
	// MaxCommandIDBytes bounds its id.
	MaxCommandIDBytes = 64
	// DefaultCommandTimeout is how long a command holds unless it says so.
	DefaultCommandTimeout = 10 * time.Second
	// MaxCommandTimeout is how long a command may hold.
	MaxCommandTimeout = 24 * time.Hour
	// handOver is how long the broker may take for a command.
	handOver = 10 * time.Second
	// minCommandTimeout is the shortest time that a command may hold.
	minCommandTimeout = 100 * time.Millisecond
)

// A Command is what a device is told to do.
type Command struct {
	Device channels.DeviceRef
	// Name is what the device is to do.
	Name string
	// Payload is JSON for the device; nil for none.
	Payload json.RawMessage
	// ID tells the command from all others of the device, MinCommandIDBytes to MaxCommandIDBytes letters, digits, "-", "_"
	// and ".": a command that is sent again with its id is the same command. Empty for one that Send makes up.
	ID string
	// User is who gives the command, for the log; empty for nobody in particular.
	User string
	// Timeout is how long the command holds: a device that is away for longer does not get it. 0 means
	// DefaultCommandTimeout.
	Timeout time.Duration
}

// A Sender carries commands to devices.
type Sender interface {
	// Send returns when a device that listens will get the message, and may come back with an error while it still might.
	// id is the command's and expiry how long the message holds.
	Send(ctx context.Context, device channels.DeviceRef, message []byte, id string, expiry time.Duration) error
	// Answers tells whether devices' answers can be read.
	Answers() bool
}

var (
	// ErrNotSent tells that a command is in the log, and that it is not known to have been handed to the broker.
	ErrNotSent = errors.New("the command was not handed to the broker")
	// ErrNoAnswer tells that the device has not answered in time.
	ErrNoAnswer = errors.New("the device has not answered")
	// ErrUnanswerable tells that no answer could be seen: the channel of the device is not stored, or no topic of
	// kind response is read.
	ErrUnanswerable = errors.New("answers cannot be seen")
	// ErrOtherCommand tells that the id is that of another command.
	ErrOtherCommand = errors.New("the id is that of another command")
)

// A Commander gives devices commands. Commands and answers are events on the channels of the device, so that any process
// that reads the log can give commands and see the answers, whoever takes them from the broker. Its methods may be
// called concurrently.
type Commander struct {
	reader    *channels.Reader
	publisher Publisher
	registry  Registry
	sender    Sender
	now       func() time.Time
}

// NewCommander returns a Commander. now is the clock.
func NewCommander(reader *channels.Reader, publisher Publisher, registry Registry, sender Sender, now func() time.Time) *Commander {
	return &Commander{reader, publisher, registry, sender, now}
}

// A Sent is a command on its way.
type Sent struct {
	ID string
	// Event is the command's in the log; not stored where the device's channel is not.
	Event channels.Event
	// Deadline is until when it holds.
	Deadline time.Time

	device channels.DeviceRef
	// after is up to where the log has been looked through for the answer.
	after channels.Position
}

// Send puts the command into the log and hands it to the broker. Errors are *channels.InvalidError for a command that is
// none, ErrOtherCommand, channels.ErrNotFound for a device that is not registered, ErrNotSent with the Sent, or why the
// command could not be stored.
func (c *Commander) Send(ctx context.Context, command Command) (Sent, error) {
	if err := command.complete(); err != nil {
		return Sent{}, err
	}
	found, err := c.registry.Devices(ctx, []channels.DeviceRef{command.Device})
	if err != nil {
		return Sent{}, fmt.Errorf("look for device %s/%s: %w", command.Device.Type, command.Device.ID, err)
	}
	if len(found) == 0 {
		return Sent{}, fmt.Errorf("device %s/%s: %w", command.Device.Type, command.Device.ID, channels.ErrNotFound)
	}
	sent := Sent{ID: command.ID, Deadline: time.Now().Add(command.Timeout), device: command.Device}
	if sent.after.Channel, err = channels.Device(command.Device.Type, command.Device.ID); err != nil {
		return Sent{}, err
	}
	draft, err := command.draft(c.now())
	if err != nil {
		return Sent{}, err
	}
	events, err := c.publisher.Publish(ctx, channels.Batch{Drafts: []channels.Draft{draft}})
	if err != nil {
		return Sent{}, fmt.Errorf("store the command: %w", err)
	}
	if events[0].Dropped {
		return Sent{}, fmt.Errorf("store the command: %w by a hook", channels.ErrDrop)
	}
	sent.Event = events[0]
	if sent.after.Seq = sent.Event.Seq(sent.after.Channel); sent.Event.Repeated {
		if !sameCommand(&sent.Event, &draft) {
			return Sent{}, ErrOtherCommand
		}
		// It may have failed to go out the first time. What has been answered has not.
		if _, answered, err := c.answer(ctx, &sent); err != nil || answered {
			return sent, err
		}
	}
	within, cancel := context.WithTimeout(ctx, min(command.Timeout, handOver))
	defer cancel()
	if err := c.sender.Send(within, command.Device, command.message(), command.ID, command.Timeout); err != nil {
		return sent, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return sent, nil
}

// answerPause is how long Await waits before it looks into the log again, at first and at most. Looking is cheap, and the
// log is what all processes share.
const firstAnswerPause, lastAnswerPause = 10 * time.Millisecond, 200 * time.Millisecond

// Await returns what the device has answered first, as JSON, or ErrNoAnswer at the deadline, or ErrUnanswerable at once.
func (c *Commander) Await(ctx context.Context, sent Sent) (json.RawMessage, error) {
	if !c.Answerable(sent.device) {
		return nil, ErrUnanswerable
	}
	for pause := firstAnswerPause; ; pause = min(2*pause, lastAnswerPause) {
		answer, ok, err := c.answer(ctx, &sent)
		if err != nil || ok {
			return answer, err
		}
		left := time.Until(sent.Deadline)
		if left <= 0 {
			return nil, ErrNoAnswer
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

// Answerable tells whether an answer of the device could be seen.
func (c *Commander) Answerable(device channels.DeviceRef) bool {
	channel, err := channels.Device(device.Type, device.ID)
	return err == nil && c.reader.Stored(channel) && c.sender.Answers()
}

// answerPage is how many events are read at a time.
const answerPage = 200

// answer looks for the answer among what follows in the log.
func (c *Commander) answer(ctx context.Context, sent *Sent) (answer json.RawMessage, ok bool, err error) {
	for {
		replay, err := c.reader.Read(ctx, []channels.Channel{sent.after.Channel}, channels.Cursor{sent.after}, answerPage)
		if err != nil {
			return nil, false, fmt.Errorf("look for the answer to command %s: %w", sent.ID, err)
		}
		for _, step := range replay.Steps {
			if answer, ok := answerTo(step.Event, sent.ID); ok {
				return answer, true, nil
			}
			sent.after.Seq = step.Seq
		}
		if !replay.More {
			return nil, false, nil
		}
	}
}

func answerTo(e *channels.Event, id string) (json.RawMessage, bool) {
	if e.Type != EventResponse {
		return nil, false
	}
	var envelope struct {
		Data struct {
			ID       string          `json:"id"`
			Response json.RawMessage `json:"response"`
		} `json:"data"`
	}
	if json.Unmarshal(e.Data, &envelope) != nil || envelope.Data.ID != id {
		return nil, false
	}
	return envelope.Data.Response, true
}

// complete fills in what may be left open, and tells what is wrong.
func (c *Command) complete() error {
	if err := checkRef(c.Device); err != nil {
		return &channels.InvalidError{Field: "device", Reason: err.Error()}
	}
	if c.ID == "" {
		c.ID = strings.ToLower(rand.Text())
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultCommandTimeout
	}
	switch {
	case c.Name == "" || len(c.Name) > MaxCommandBytes || !utf8.ValidString(c.Name) || strings.IndexFunc(c.Name, unicode.IsControl) >= 0:
		return &channels.InvalidError{Field: "command", Reason: fmt.Sprintf("want a name of 1 to %d bytes without control characters", MaxCommandBytes)}
	case !isCommandID(c.ID):
		return &channels.InvalidError{Field: "id", Reason: fmt.Sprintf(`want %d to %d letters, digits, "-", "_" and ".", unlike all others`, MinCommandIDBytes, MaxCommandIDBytes)}
	case len(c.Payload) > MaxPayloadBytes:
		return &channels.InvalidError{Field: "payload", Reason: fmt.Sprintf("longer than %d bytes", MaxPayloadBytes)}
	case c.Payload != nil && (!json.Valid(c.Payload) || !utf8.Valid(c.Payload)):
		return &channels.InvalidError{Field: "payload", Reason: "not JSON"}
	case c.Timeout < minCommandTimeout || c.Timeout > MaxCommandTimeout:
		return &channels.InvalidError{Field: "timeout", Reason: fmt.Sprintf("want %v to %v", minCommandTimeout, MaxCommandTimeout)}
	}
	return nil
}

func isCommandID(id string) bool {
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return len(id) >= MinCommandIDBytes && len(id) <= MaxCommandIDBytes
}

// message is what the device gets: {"command","payload"?,"id"}.
func (c *Command) message() []byte {
	b := appendQuoted([]byte(`{"command":`), c.Name)
	if c.Payload != nil {
		b = append(append(b, `,"payload":`...), c.Payload...)
	}
	return append(appendQuoted(append(b, `,"id":`...), c.ID), '}')
}

// commandPrivate is what only the log has of a command.
type commandPrivate struct {
	User    string          `json:"user,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func (c *Command) draft(now time.Time) (channels.Draft, error) {
	data := appendQuoted([]byte(`{"id":`), c.ID)
	data = append(appendQuoted(append(data, `,"command":`...), c.Name), '}')
	draft, err := Broadcast(c.Device, EventCommand, data, now)
	if err != nil {
		return draft, err
	}
	if draft.Private, err = json.Marshal(commandPrivate{c.User, c.Payload}); err != nil {
		return draft, err
	}
	sum := sha256.Sum256([]byte(c.Device.Type + "/" + c.Device.ID + "/" + c.ID))
	draft.Key = "command/" + hex.EncodeToString(sum[:])
	return draft, nil
}

// sameCommand tells whether a stored event is of the command that the draft is of.
func sameCommand(stored *channels.Event, draft *channels.Draft) bool {
	name := func(data []byte) (envelope struct {
		Data struct {
			Command string `json:"command"`
		} `json:"data"`
	}) {
		_ = json.Unmarshal(data, &envelope) // what is none is not the same
		return envelope
	}
	payload := func(private []byte) (value any) {
		var p commandPrivate
		if json.Unmarshal(private, &p) == nil && len(p.Payload) > 0 {
			decoder := json.NewDecoder(bytes.NewReader(p.Payload))
			decoder.UseNumber()
			_ = decoder.Decode(&value)
		}
		return value
	}
	return name(stored.Data) == name(draft.Data) && reflect.DeepEqual(payload(stored.Private), payload(draft.Private))
}
