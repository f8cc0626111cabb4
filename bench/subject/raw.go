package subject

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/griphub/griphub/grip"
)

// Raw is Pushpin by itself: a backend that holds every stream with the same few bytes, and items that are posted straight
// to the control port, one request at a time. It stores nothing and repairs nothing.
type Raw struct {
	// Every is the shortest time from one request to the next; 0 for as soon as the one before was answered.
	Every time.Duration
	// Merge makes one item of the events of a channel that are posted together.
	Merge bool
	// MQTT publishes over a broker, from which the items are made.
	MQTT bool
	// Sockets makes items for WebSockets instead of streams.
	Sockets bool
}

type raw struct {
	stack
	options Raw
	proxy   *proxy
	client  *http.Client
	mqtt    *mqttPublisher
}

// Start starts Pushpin and the backend.
func (r Raw) Start(ctx context.Context, site Site) (s Subject, err error) {
	subject := &raw{options: r, client: &http.Client{Timeout: startPatience}}
	defer func() {
		if err != nil {
			_ = subject.Stop()
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	backend := &http.Server{Handler: http.HandlerFunc(holdStatic), ReadHeaderTimeout: time.Minute}
	go func() { _ = backend.Serve(l) }()
	subject.push(backend.Close)
	if subject.proxy, err = startProxy(ctx, site, l.Addr().String(), &subject.stack); err != nil {
		return nil, err
	}
	if r.MQTT {
		if err := subject.startBridge(ctx, site); err != nil {
			return nil, err
		}
	}
	return subject, subject.proxy.ready(ctx)
}

// holdStatic answers each request with the same hold, on the channel that the path names.
func holdStatic(w http.ResponseWriter, r *http.Request) {
	channel := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		events, err := grip.DecodeWSEvents(body)
		if err != nil || len(events) == 0 || events[0].Type != grip.EventOpen {
			w.Header().Set("Content-Type", grip.TypeWSEvents)
			return
		}
		subscribe, err := grip.SubscribeEvent(channel)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply, _ := grip.EncodeWSEvents([]grip.WSEvent{grip.OpenEvent(), subscribe})
		w.Header().Set(grip.HeaderWSExtensions, grip.WSExtension)
		w.Header().Set("Content-Type", grip.TypeWSEvents)
		_, _ = w.Write(reply) //nolint:gosec // nobody but Pushpin reads it
		return
	}
	w.Header().Set("Grip-Hold", "stream")
	w.Header().Set("Grip-Channel", channel)
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, ":open\n\n")
}

func rawChannel(channel int) string { return fmt.Sprintf("c%d", channel) }

func (r *raw) Stream(channel int) string { return r.proxy.URL() + "/" + rawChannel(channel) }

func (r *raw) Socket(channel int) string {
	return "ws" + strings.TrimPrefix(r.Stream(channel), "http")
}

// Interval is how much time is left between two calls of Publish.
func (r *raw) Interval() time.Duration { return r.options.Every }

func (r *raw) Publish(ctx context.Context, events []Event) error {
	if r.mqtt != nil {
		return r.mqtt.publish(ctx, events)
	}
	return r.post(ctx, events)
}

func (r *raw) post(ctx context.Context, events []Event) error {
	body, err := grip.AppendItems(nil, r.items(events))
	if err != nil {
		return err
	}
	return post(ctx, r.client, r.proxy.ControlURL()+"/publish/", "", body)
}

func (r *raw) items(events []Event) []grip.Item {
	items := make([]grip.Item, 0, len(events))
	last := make(map[int]int)
	for _, e := range events {
		if r.options.Sockets {
			items = append(items, grip.Item{Channel: rawChannel(e.Channel), WSMessage: &grip.WSMessage{Content: e.Data}})
			continue
		}
		i, ok := last[e.Channel]
		if !ok || !r.options.Merge {
			i = len(items)
			last[e.Channel] = i
			items = append(items, grip.Item{Channel: rawChannel(e.Channel), HTTPStream: &grip.HTTPStream{}})
		}
		content := &items[i].HTTPStream.Content
		*content = append(*content, "event: message\ndata: "...)
		*content = append(append(*content, e.Data...), "\n\n"...)
	}
	return items
}

// post sends a body that has to be answered with success.
func post(ctx context.Context, client *http.Client, url, authorization string, body []byte) error {
	return send(ctx, client, url, "application/json", authorization, body)
}

func send(ctx context.Context, client *http.Client, url, contentType, authorization string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %.500s", url, resp.Status, answer)
	}
	return err
}
