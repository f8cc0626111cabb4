package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/griphub/griphub/grip"
)

// hold makes a handler that answers with the instruct and a body.
func hold(in grip.Instruct, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := in.WriteHeader(w.Header()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, body)
	}
}

// recordRequests makes Pushpin send a first request, one for a next link with
// positions, a long-poll, and the retry of one.
func (r *recorder) recordRequests() error {
	held := grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldStream},
		Channels: []grip.Channel{{Name: "one", PrevID: "1"}, {Name: "two", PrevID: "7"}},
		Links:    []grip.Link{{URI: "/next", Rel: grip.RelNext}},
	}
	r.backend.on("/stream", hold(held, "open\n"))
	r.backend.on("/next", hold(held, "next\n"))
	stream, err := r.open("/stream")
	if err != nil {
		return err
	}
	defer stream.cancel()
	stream.after(0, 2*time.Second)
	// A gap makes Pushpin follow the link.
	if err := r.publish(grip.Item{Channel: "one", ID: "3", PrevID: "2", HTTPStream: &grip.HTTPStream{Content: []byte("3\n")}}); err != nil {
		return err
	}
	if err := r.awaitRequest("/next", 1); err != nil {
		return err
	}

	r.backend.on("/poll", hold(grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldResponse},
		Channels: []grip.Channel{{Name: "poll", PrevID: "4"}},
	}, "nothing\n"))
	poll := r.poll("/poll")
	defer poll.cancel()
	if err := r.awaitRequest("/poll", 1); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // until it is held
	if err := r.publish(grip.Item{Channel: "poll", ID: "6", PrevID: "5", HTTPResponse: &grip.HTTPResponse{Body: []byte("6")}}); err != nil {
		return err
	}
	return r.awaitRequest("/poll", 2)
}

func (r *recorder) publish(item grip.Item) error {
	body, err := grip.AppendItems(nil, []grip.Item{item})
	if err != nil {
		return err
	}
	status, answer, err := r.proxy.post("/publish/", body)
	if err == nil && status != http.StatusOK {
		err = errors.New(answer)
	}
	return err
}

func (r *recorder) awaitRequest(path string, n int) error {
	for range 100 {
		if len(r.backend.seen(path)) >= n {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("no request came for " + path)
}

// recordWebSocket makes Pushpin send every kind of WebSocket-over-HTTP body.
func (r *recorder) recordWebSocket() error {
	r.backend.on("/ws", answerWebSocket())
	_, conn, err := r.dial("/ws")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	send := func(kind websocket.MessageType, message string) {
		if err == nil {
			err = conn.Write(ctx, kind, []byte(message))
		}
		time.Sleep(300 * time.Millisecond) // one request each
	}
	send(websocket.MessageText, "hello")
	send(websocket.MessageText, "")
	send(websocket.MessageText, "Grüße, 世界 🌍\r\nCLOSE\r\n")
	send(websocket.MessageBinary, "\x00\xff\r\n\x80")
	if err != nil {
		return err
	}
	if err := conn.Ping(ctx); err != nil { // the coder library pings with content
		return err
	}
	if err := conn.Close(4001, "bye, Grüße"); err != nil {
		return err
	}

	// A second connection is closed without a code, a third one is cut.
	if _, conn, err = r.dial("/ws"); err != nil {
		return err
	}
	conn.Close(websocket.StatusNoStatusRcvd, "")
	time.Sleep(300 * time.Millisecond)
	if _, conn, err = r.dial("/ws"); err != nil {
		return err
	}
	conn.CloseNow()
	time.Sleep(700 * time.Millisecond)
	return nil
}

// answerWebSocket accepts every connection, answers pings with pongs and closes with closes.
func answerWebSocket(more ...grip.WSEvent) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		events, err := grip.DecodeWSEvents(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var out []grip.WSEvent
		for _, e := range events {
			switch e.Type {
			case grip.EventOpen:
				w.Header().Set(grip.HeaderWSExtensions, grip.WSExtension)
				out = append(append(out, grip.OpenEvent()), more...)
			case grip.EventPing:
				out = append(out, grip.WSEvent{Type: grip.EventPong, Content: e.Content})
			case grip.EventClose:
				out = append(out, e)
			}
		}
		answer, err := grip.EncodeWSEvents(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", grip.TypeWSEvents)
		w.Write(answer)
	}
}
