package devices

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

func TestMessagesWaitForAFailingHookForABoundedTime(t *testing.T) {
	var p patience
	start := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		at   time.Duration
		ends bool
		what string
	}{
		{0, false, "the first failure"},
		{hookPatience - 1, false, "within the patience"},
		{hookPatience, true, "after it"},
		{hookPatience + hookCalm, true, "another failure soon after, of whatever message"},
		{hookPatience + 2*hookCalm + 1, false, "a failure after a time of calm"},
		{2*hookPatience + 2*hookCalm + 1, true, "and again after the patience"},
	} {
		if got := p.ends(start.Add(step.at)); got != step.ends {
			t.Errorf("%s: %v", step.what, got)
		}
	}
}

// A deafHook fails every batch with drafts, as a publisher does whose hook is closed and does not answer.
type deafHook struct{ refused []channels.Refusal }

func (d *deafHook) Publish(_ context.Context, batch channels.Batch) ([]channels.Event, error) {
	if len(batch.Drafts) > 0 {
		return nil, &channels.HookError{Name: "on_receive", Err: errors.New("no answer")}
	}
	d.refused = append(d.refused, batch.Refused...)
	return nil, nil
}

func (d *deafHook) Devices(context.Context, []channels.DeviceRef) ([]Device, error) { return nil, nil }
func (d *deafHook) WithCodes(context.Context, []string) ([]Device, error)           { return nil, nil }
func (d *deafHook) List(context.Context, Filter, channels.DeviceRef, int) ([]Device, error) {
	return nil, nil
}

func TestMessagesThatAHookCannotAnswerArePutAway(t *testing.T) {
	hook := &deafHook{}
	p := NewProcessor(hook, hook, Options{})
	message := Message{Kind: KindData, Topic: "things/pump/1/data", Type: "pump", ID: "1", Payload: []byte(`{"t":1}`), Received: time.Now()}
	var failed *channels.HookError
	if err := p.Process(t.Context(), []Message{message}); !errors.As(err, &failed) {
		t.Fatalf("at first: %v", err)
	}
	p.hooks.since = time.Now().Add(-hookPatience)
	if err := p.Process(t.Context(), []Message{message}); err != nil {
		t.Fatal(err)
	}
	if len(hook.refused) != 1 || hook.refused[0].Reason != "hook on_receive: no answer" {
		t.Errorf("put away are %+v", hook.refused)
	}
}
