package main

import (
	"net/http"
	"time"

	"github.com/griphub/griphub/grip"
)

// recordInstructs holds by JSON, with channels that no header could name.
func (r *recorder) recordInstructs() error {
	for _, name := range []string{"plain", `a, b; c="d"`, "Grüße\n", " edges "} {
		path := r.scenePath()
		channel := name + path
		in := grip.Instruct{
			Hold:      grip.Hold{Mode: grip.HoldStream},
			Channels:  []grip.Channel{{Name: channel, Filters: []string{grip.FilterVarSubst}}},
			KeepAlive: grip.KeepAlive{Data: []byte("<keep-alive>"), Timeout: time.Second},
			Meta:      map[string]string{"user": `"7"`},
		}
		var sent string
		r.backend.on(path, func(w http.ResponseWriter, _ *http.Request) {
			body, err := in.WriteJSON(w.Header(), grip.Response{
				Code: 201, Headers: http.Header{"X-Test": {"a"}}, Body: []byte("open \xff\n"),
			})
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			sent = string(body)
			w.Write(body)
		})
		c, err := r.open(path)
		if err != nil {
			return err
		}
		c.after(0, time.Second/2)
		err = r.publish(grip.Item{Channel: channel, HTTPStream: &grip.HTTPStream{Content: []byte("%(user)s\n")}})
		if err != nil {
			return err
		}
		c.after(0, time.Second/2)
		c.after(c.len(), 1500*time.Millisecond)
		got := c.after(0, time.Second/2)
		c.cancel()
		r.add("instruct", name, sent, c.status, got)
	}
	return nil
}

// recordControls shows what each control message does to a connection.
func (r *recorder) recordControls() error {
	type controlCase struct {
		name   string
		events func(channel string) ([]grip.WSEvent, error)
		items  []grip.WSMessage
		wait   time.Duration
	}
	one := func(f func() (grip.WSEvent, error)) func(string) ([]grip.WSEvent, error) {
		return func(string) ([]grip.WSEvent, error) {
			e, err := f()
			return []grip.WSEvent{e}, err
		}
	}
	both := func(name, value string) func(channel string) ([]grip.WSEvent, error) {
		return func(channel string) ([]grip.WSEvent, error) {
			meta, err := grip.SetMetaEvent(name, value)
			if err != nil {
				return nil, err
			}
			subscribe, err := grip.SubscribeEvent(channel, grip.FilterVarSubst)
			return []grip.WSEvent{meta, subscribe}, err
		}
	}
	hello := []grip.WSMessage{{Content: []byte("hello %(user)s")}}
	plain := []grip.WSMessage{{Content: []byte("hello")}}
	cases := []controlCase{
		{"subscribe", func(ch string) ([]grip.WSEvent, error) {
			e, err := grip.SubscribeEvent(ch)
			return []grip.WSEvent{e}, err
		}, plain, time.Second},
		{"unsubscribe", func(ch string) ([]grip.WSEvent, error) {
			e, err := grip.SubscribeEvent(ch)
			if err != nil {
				return nil, err
			}
			u, err := grip.UnsubscribeEvent(ch)
			return []grip.WSEvent{e, u}, err
		}, plain, time.Second},
		{"set-meta", both("user", `"7", Grüße`), hello, time.Second},
		{"set-meta to nothing", both("user", ""), hello, time.Second},
		{"keep-alive text", one(func() (grip.WSEvent, error) {
			return grip.KeepAliveEvent(grip.WSKeepAlive{Content: []byte("alive"), Timeout: time.Second})
		}), nil, 2 * time.Second},
		{"keep-alive binary", one(func() (grip.WSEvent, error) {
			return grip.KeepAliveEvent(grip.WSKeepAlive{Content: []byte("\xff"), Timeout: time.Second, Mode: grip.KeepAliveInterval})
		}), nil, 2 * time.Second},
		{"keep-alive ping", one(func() (grip.WSEvent, error) {
			return grip.KeepAliveEvent(grip.WSKeepAlive{Type: grip.WSPing, Timeout: time.Second})
		}), nil, 2 * time.Second},
		{"keep-alive off", one(func() (grip.WSEvent, error) { return grip.KeepAliveEvent(grip.WSKeepAlive{}) }), nil, time.Second},
		{"send-delayed", one(func() (grip.WSEvent, error) {
			return grip.SendDelayedEvent("", []byte("late"), 0)
		}), nil, 2 * time.Second},
		{"flush-delayed", func(string) ([]grip.WSEvent, error) {
			e, err := grip.SendDelayedEvent(grip.WSBinary, []byte("text"), time.Hour)
			if err != nil {
				return nil, err
			}
			f, err := grip.FlushDelayedEvent()
			return []grip.WSEvent{e, f}, err
		}, nil, time.Second},
		{"session", one(func() (grip.WSEvent, error) { return grip.SessionEvent("s") }), nil, 500 * time.Millisecond},
		{"detach", one(grip.DetachEvent), nil, 500 * time.Millisecond},
	}
	for _, c := range cases {
		if err := r.recordControl(c.name, c.events, c.items, c.wait); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) recordControl(
	name string, events func(channel string) ([]grip.WSEvent, error), items []grip.WSMessage, wait time.Duration,
) error {
	path := r.scenePath()
	control, err := events("ch" + path)
	if err != nil {
		return err
	}
	r.backend.on(path, answerWebSocket(append(control, grip.TextEvent("open"))...))
	c, _, err := r.dial(path)
	if err != nil {
		return err
	}
	defer c.cancel()
	if len(items) > 0 {
		c.after(0, time.Second)
	}
	time.Sleep(100 * time.Millisecond)
	for _, item := range items {
		if err := r.publish(grip.Item{Channel: "ch" + path, WSMessage: &item}); err != nil {
			return err
		}
	}
	c.after(0, time.Second/2)
	c.after(c.len(), wait)
	sent, err := grip.EncodeWSEvents(control)
	if err != nil {
		return err
	}
	r.add("control", name, string(sent), 0, c.after(0, time.Second/2))
	return nil
}
