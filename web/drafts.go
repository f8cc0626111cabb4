package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// defaultType is the type of events whose publisher does not give one.
const defaultType = "message"

// A DraftForm is one event as publishers write it: in POST /api/publish, on the lines of `griphub publish --jsonl`,
// and in its flags. Exactly one of Channel, Channels, User, Global, System and Device says where it goes.
type DraftForm struct {
	Channel  string   `json:"channel"`
	Channels []string `json:"channels"`
	// User is the id of the one user who gets the event, a JSON string or number.
	User   json.RawMessage `json:"user"`
	Global bool            `json:"global"`
	System bool            `json:"system"`
	// Device is {type}/{id}; the event gets the envelope of device events.
	Device string `json:"device"`
	// Event is the type; nil for "message".
	Event *string `json:"event"`
	// Data is any JSON value; nil for {}. With Raw it is a string, which is sent as it is.
	Data json.RawMessage `json:"data"`
	Raw  bool            `json:"raw"`
	// Private is JSON that never leaves the log.
	Private json.RawMessage `json:"private_data"`
	// ID is the idempotency key.
	ID        string            `json:"id"`
	SkipUsers []json.RawMessage `json:"skip_users"`
}

// Draft makes the event, not yet validated in all its parts. now is the time of a device event. Errors are
// *channels.InvalidError.
func (f *DraftForm) Draft(now time.Time) (channels.Draft, error) {
	data, err := f.data()
	if err != nil {
		return channels.Draft{}, err
	}
	d := channels.Draft{Type: defaultType, Data: data, Raw: f.Raw, Scope: channels.ScopeChannel}
	if f.Event != nil {
		d.Type = *f.Event
	}
	if err := f.address(&d, now); err != nil {
		return channels.Draft{}, err
	}
	if f.ID != "" {
		d.Key = publishKey("app", f.ID)
	}
	if len(f.Private) > 0 && string(f.Private) != "null" {
		d.Private = f.Private
	}
	for _, raw := range f.SkipUsers {
		user, err := userID(raw)
		if err != nil {
			return channels.Draft{}, &channels.InvalidError{Field: "skip_users", Reason: err.Error()}
		}
		d.SkipUsers = append(d.SkipUsers, user)
	}
	return d, nil
}

// publishKey makes an idempotency key of a publisher's own, which meets no other publisher's and no device's.
// Long ones are hashed.
func publishKey(publisher, key string) string {
	whole := publisher + "/" + key
	if len(whole) <= channels.MaxKeyBytes {
		return whole
	}
	sum := sha256.Sum256([]byte(whole))
	return "sha256/" + hex.EncodeToString(sum[:])
}

func (f *DraftForm) data() ([]byte, error) {
	if !f.Raw {
		forUsers := f.Global || f.User != nil
		if len(f.Data) == 0 || forUsers && string(f.Data) == "null" {
			return []byte("{}"), nil
		}
		return f.Data, nil
	}
	var text string
	if len(f.Data) > 0 {
		if err := json.Unmarshal(f.Data, &text); err != nil {
			return nil, &channels.InvalidError{Field: "data", Reason: "want a string where raw is true"}
		}
	}
	return []byte(text), nil
}

// address says where the event goes.
func (f *DraftForm) address(d *channels.Draft, now time.Time) error {
	if err := f.oneAddress(); err != nil {
		return err
	}
	switch {
	case f.System:
		d.Scope, d.Channels = channels.ScopeSystem, []channels.Channel{channels.System}
		if f.User != nil {
			var err error
			if d.User, err = userID(f.User); err != nil {
				return &channels.InvalidError{Field: "user", Reason: err.Error()}
			}
		}
	case f.Global:
		d.Scope, d.Channels = channels.ScopeGlobal, []channels.Channel{channels.Public}
	case f.User != nil:
		return f.toUser(d)
	case f.Device != "":
		return f.toDevice(d, now)
	default:
		names := f.Channels
		if f.Channel != "" {
			names = []string{f.Channel}
		}
		for _, name := range names {
			c, err := channels.ParseChannel(name)
			if err != nil {
				return &channels.InvalidError{Field: "channel", Reason: err.Error()}
			}
			d.Channels = append(d.Channels, c)
		}
	}
	return nil
}

func (f *DraftForm) oneAddress() error {
	given := 0
	for _, is := range []bool{f.Channel != "", f.Channels != nil, f.User != nil && !f.System, f.Global, f.System, f.Device != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return &channels.InvalidError{Field: "channel", Reason: "want exactly one of channel, channels, user, global, system and device"}
	}
	return nil
}

func (f *DraftForm) toUser(d *channels.Draft) error {
	user, err := userID(f.User)
	if err != nil {
		return &channels.InvalidError{Field: "user", Reason: err.Error()}
	}
	c, err := channels.User(user)
	if err != nil {
		return &channels.InvalidError{Field: "user", Reason: err.Error()}
	}
	d.Scope, d.User, d.Channels = channels.ScopeUser, user, []channels.Channel{c}
	return nil
}

func (f *DraftForm) toDevice(d *channels.Draft, now time.Time) error {
	deviceType, id, ok := strings.Cut(f.Device, "/")
	if !ok || f.Raw {
		return &channels.InvalidError{Field: "device", Reason: "want {type}/{id} and JSON data"}
	}
	made, err := devices.Broadcast(channels.DeviceRef{Type: deviceType, ID: id}, d.Type, d.Data, now)
	if err != nil {
		return err
	}
	*d = made
	return nil
}

// userID reads a user's id, a string or a number. null is nobody, and not the user "None".
func userID(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
		if text == "" {
			return "", errors.New("the id is empty")
		}
		return text, nil
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil && number != "" {
		return number.String(), nil
	}
	return "", errors.New("want a user's id, a string or a number")
}
