package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

// hook asks about every event before it is stored.
func (h *hub) hook(ask channels.HookFunc) {
	h.publisher.SetHooks(channels.Hooks{Receive: []*channels.HookPoint{
		channels.NewHookPoint(ask, channels.HookOptions{Name: "SECRET", Match: "**", Timeout: time.Second}),
	}})
}

func TestPublishersAreToldWhatHooksHaveDecided(t *testing.T) {
	h := openHub(t)
	h.hook(func(_ context.Context, d *channels.Draft) error {
		switch string(d.Data) {
		case `"drop"`:
			return channels.ErrDrop
		case `"refuse"`:
			return &channels.RefusedError{Reason: "too loud"}
		case `"fail"`:
			return errors.New("SECRET")
		case `"nonsense"`:
			d.Type = "stream-error"
		}
		return nil
	})
	w := h.postEvents(`[{"channel":"foo","data":"drop"},{"channel":"foo","data":1}]`)
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"events":[{"dropped":true},{"id":"1","cursor":"foo:1"}]}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	p := wantProblem(t, h.postEvents(`[{"channel":"foo","data":2},{"channel":"foo","data":"refuse"}]`), http.StatusUnprocessableEntity)
	if p.Error.Code != "refused" || p.Error.At != "[1]" || !strings.Contains(p.Detail, "too loud") {
		t.Errorf("the refusal is %+v", p)
	}
	w = h.postEvents(`{"channel":"foo","data":"fail"}`)
	if p := wantProblem(t, w, http.StatusServiceUnavailable); p.Error.Code != "hook-failed" || strings.Contains(w.Body.String(), "SECRET") {
		t.Errorf("the failure is %+v", p)
	}
	// What a hook makes of an event is not the publisher's mistake.
	if p := wantProblem(t, h.postEvents(`{"channel":"foo","data":"nonsense"}`), http.StatusServiceUnavailable); p.Error.Code != "hook-failed" {
		t.Errorf("the nonsense is %+v", p)
	}
	h.hook(func(context.Context, *channels.Draft) error { return channels.ErrDrop })
	if status, body := h.replay("1", "Authorization", keyed); status != http.StatusUnprocessableEntity || !strings.Contains(body, "dropped") {
		t.Errorf("a dropped replay: %d %s", status, body)
	}
	if got := h.stored("foo"); got != "message 1" {
		t.Errorf("stored is %s", got)
	}
}
