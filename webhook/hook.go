package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// Bounds of one request of a hook. More drafts take several, one after the other.
const (
	hookEvents = 500
	hookBytes  = 4 << 20
	// hookAnswer bounds what is read of an answer.
	hookAnswer = 32 << 20
)

// HookOptions say whom to ask. All fields are required.
type HookOptions struct {
	// Name tells the endpoint what it is asked: on_receive or before_send.
	Name     string
	Endpoint Endpoint
	Logger   *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// A Hook asks an endpoint about events, as channels.Hook: it posts
//
//	{"hook":"on_receive","events":[{"channels":["a"],"event":"note",…},…]}
//
// and reads what is to become of each, in the same order:
//
//	{"events":[{},{"drop":true},{"refuse":"why"},{"event":"other","data":{…}}]}
//
// 204 means that all go on as they are. Whatever else is answered is a failure of the hook.
type Hook struct {
	name   string
	client *client
	log    *slog.Logger
}

// NewHook checks the options.
func NewHook(opts HookOptions) (*Hook, error) {
	client, err := newClient(opts.Endpoint, opts.Now)
	if err != nil {
		return nil, err
	}
	return &Hook{name: opts.Name, client: client, log: opts.Logger.With("hook", opts.Name)}, nil
}

// Ask is channels.Hook's.
func (h *Hook) Ask(ctx context.Context, drafts []*channels.Draft) ([]error, error) {
	answers := make([]error, 0, len(drafts))
	for part := range parts(drafts) {
		some, err := h.ask(ctx, part)
		if err != nil {
			h.log.ErrorContext(ctx, "a hook has failed", "events", len(part), "error", err)
			return nil, err
		}
		answers = append(answers, some...)
	}
	return answers, nil
}

// parts yields runs of the drafts that one request may hold.
func parts(drafts []*channels.Draft) func(yield func([]*channels.Draft) bool) {
	return func(yield func([]*channels.Draft) bool) {
		first, size := 0, 0
		for i, d := range drafts {
			more := len(d.Data) + len(d.Private)
			if i > first && (i-first == hookEvents || size+more > hookBytes) {
				if !yield(drafts[first:i]) {
					return
				}
				first, size = i, 0
			}
			size += more
		}
		if first < len(drafts) {
			yield(drafts[first:])
		}
	}
}

// A question is an event as a hook gets it.
type question struct {
	channels.BackendEvent
	// Key is the publisher's idempotency key. A hook may meet it again, where the event is published again.
	Key string `json:"key,omitempty"`
}

func (h *Hook) ask(ctx context.Context, drafts []*channels.Draft) ([]error, error) {
	asked := struct {
		Hook   string     `json:"hook"`
		Events []question `json:"events"`
	}{h.name, make([]question, len(drafts))}
	for i, d := range drafts {
		form := d.Backend()
		if d.ReplayOf != 0 {
			form.ID = d.ReplayOf.String()
		}
		asked.Events[i] = question{form, d.Key}
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	a, err := h.client.post(ctx, "hook-"+rand.Text(), body, hookAnswer)
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusNoContent:
		return make([]error, len(drafts)), nil
	case a.status != http.StatusOK:
		return nil, errors.New(why(a, nil))
	case !a.whole:
		return nil, fmt.Errorf("the answer is longer than %d bytes", hookAnswer)
	}
	return readAnswers(a.body, drafts)
}

// A word is what an endpoint answers about one event. What is not there stays as it is.
type word struct {
	Drop      bool            `json:"drop"`
	Refuse    *string         `json:"refuse"`
	Channels  []string        `json:"channels"`
	Event     *string         `json:"event"`
	Data      json.RawMessage `json:"data"`
	Raw       *bool           `json:"raw"`
	Private   json.RawMessage `json:"private_data"`
	SkipUsers *[]string       `json:"skip_users"`
}

// readAnswers reads an answer, changes the drafts as it says, and refuses whatever it does not understand.
func readAnswers(body []byte, drafts []*channels.Draft) ([]error, error) {
	var said struct {
		Events []word `json:"events"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&said); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the answer")
	}
	if len(said.Events) != len(drafts) {
		return nil, fmt.Errorf("%d answers to %d events", len(said.Events), len(drafts))
	}
	answers := make([]error, len(drafts))
	for i := range said.Events {
		var err error
		if answers[i], err = said.Events[i].apply(drafts[i]); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return answers, nil
}

// apply changes the draft; err is that the word makes no sense.
func (w *word) apply(d *channels.Draft) (answer, err error) {
	changes := w.Channels != nil || w.Event != nil || w.Data != nil || w.Raw != nil || w.Private != nil || w.SkipUsers != nil
	switch {
	case w.Drop && w.Refuse != nil, (w.Drop || w.Refuse != nil) && changes:
		return nil, errors.New("drop, refuse or changes: want one of them")
	case w.Drop:
		return channels.ErrDrop, nil
	case w.Refuse != nil:
		return &channels.RefusedError{Reason: *w.Refuse}, nil
	}
	if w.Raw != nil && *w.Raw != d.Raw && w.Data == nil {
		return nil, errors.New("raw changes and there is no data")
	}
	if w.Raw != nil {
		d.Raw = *w.Raw
	}
	if w.Event != nil {
		d.Type = *w.Event
	}
	if w.Channels != nil {
		d.Channels = nil
		for _, name := range w.Channels {
			d.Channels = append(d.Channels, channels.Channel(name)) // validated with the rest of the draft
		}
	}
	if w.Data != nil {
		if d.Data, err = dataOf(w.Data, d.Raw); err != nil {
			return nil, err
		}
	}
	if w.Private != nil {
		d.Private = slices.Clone(w.Private)
		if string(w.Private) == "null" {
			d.Private = nil
		}
	}
	if w.SkipUsers != nil {
		d.SkipUsers = *w.SkipUsers
	}
	return nil, nil
}

func dataOf(text json.RawMessage, raw bool) ([]byte, error) {
	if !raw {
		return slices.Clone(text), nil
	}
	var s *string
	if json.Unmarshal(text, &s) != nil || s == nil {
		return nil, errors.New("data: want a string where raw is true")
	}
	return []byte(*s), nil
}
