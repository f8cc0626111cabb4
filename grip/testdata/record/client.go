package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client is one held request, read in the background.
type client struct {
	cancel context.CancelFunc
	status int

	mu   sync.Mutex
	body []byte
	end  string // how the connection ended; "" while it is open
	news chan struct{}
}

// open requests a path through the proxy and returns when the headers are there.
func (r *recorder) open(path string) (*client, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.proxy.public+path, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Cookie", "sessionid=not-for-next-links")
	c := &client{cancel: cancel, news: make(chan struct{}, 1)}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	c.status = resp.StatusCode
	go c.read(resp.Body)
	return c, nil
}

// poll is open for a request whose headers come only with its answer.
func (r *recorder) poll(path string) *client {
	ctx, cancel := context.WithCancel(r.ctx)
	c := &client{cancel: cancel, news: make(chan struct{}, 1)}
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.proxy.public+path, nil)
		if err != nil {
			return
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return
		}
		c.append([]byte(fmt.Sprintf("%s X-Test=%v ", resp.Status, resp.Header["X-Test"])))
		c.read(resp.Body)
	}()
	return c
}

func (c *client) read(body io.ReadCloser) {
	defer body.Close()
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		c.append(buf[:n])
		if err != nil {
			c.finish("<end>")
			return
		}
	}
}

// dial opens a WebSocket through the proxy.
func (r *recorder) dial(path string) (*client, *websocket.Conn, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	c := &client{cancel: cancel, news: make(chan struct{}, 1)}
	options := &websocket.DialOptions{
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			c.append([]byte("<ping " + string(payload) + ">"))
			return true
		},
		OnPongReceived: func(_ context.Context, payload []byte) { c.append([]byte("<pong " + string(payload) + ">")) },
	}
	conn, _, err := websocket.Dial(ctx, r.proxy.public+path, options)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	go c.readMessages(ctx, conn)
	return c, conn, nil
}

func (c *client) readMessages(ctx context.Context, conn *websocket.Conn) {
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			var closed websocket.CloseError
			if errors.As(err, &closed) {
				c.finish(fmt.Sprintf("<close %d %s>", closed.Code, closed.Reason))
			} else {
				c.finish("<lost>")
			}
			return
		}
		prefix := "<text>"
		if kind == websocket.MessageBinary {
			prefix = "<binary>"
		}
		c.append(append([]byte(prefix), message...))
	}
}

func (c *client) append(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body = append(c.body, b...)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *client) finish(how string) {
	c.append([]byte(how))
	c.mu.Lock()
	c.end = how
	c.mu.Unlock()
}

// after returns what came after the first n bytes, waiting up to limit for
// something to come and then until nothing has come for a while.
func (c *client) after(n int, limit time.Duration) []byte {
	deadline := time.After(limit)
	for {
		c.mu.Lock()
		got := append([]byte(nil), c.body[min(n, len(c.body)):]...)
		c.mu.Unlock()
		if len(got) > 0 {
			limit = 100 * time.Millisecond
		}
		quiet := time.After(limit)
		select {
		case <-c.news:
		case <-quiet:
			return got
		case <-deadline:
			if len(got) > 0 {
				return got
			}
			deadline = nil
		}
	}
}

func (c *client) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.body)
}
