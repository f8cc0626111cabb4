package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

const (
	// socketPings is how often a WebSocket viewer asks for what it may have missed, and socketPatience how long it waits for
	// the pong until it connects anew.
	socketPings    = 2 * time.Second
	socketPatience = 6 * time.Second
)

// A socket is a WebSocket viewer that does what docs/streams.md tells it to: it shows a message whose prev is where it stands,
// drops those it has had, and pings with its cursor where it finds a gap, and every now and then. Where a message cannot be
// read it connects anew at its place.
type socket struct {
	*watcher
	url func(string) string
}

// openSocket opens one that begins at from, nil for the place of its first pong.
func openSocket(url func(string) string, path string, from map[string]int64, channels ...string) *socket {
	s := &socket{newWatcher("WebSocket", path, channels), url}
	s.seen.open(from)
	s.start(200*time.Millisecond, s.connect)
	return s
}

// A frame is a message of any kind.
type frame struct {
	Event, ID, Prev, Cursor string
	More                    bool
	Data                    struct{ Channels []string }
}

func (s *socket) connect(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address := s.url(s.path)
	if cursor := s.seen.cursor(); cursor != "" {
		u, err := url.Parse(address)
		if err != nil {
			panic(err)
		}
		query := u.Query()
		query.Set("cursor", cursor)
		u.RawQuery = query.Encode()
		address = u.String()
	}
	dialling, stop := context.WithTimeout(ctx, socketPatience)
	conn, _, err := websocket.Dial(dialling, address, nil)
	stop()
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(4 << 20)
	s.opened()
	frames := make(chan string)
	go func() {
		defer close(frames)
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			select {
			case frames <- string(data):
			case <-ctx.Done():
				return
			}
		}
	}()
	s.converse(ctx, conn, frames)
}

// converse takes messages and pings until the connection ends or falls silent.
func (s *socket) converse(ctx context.Context, conn *websocket.Conn, frames <-chan string) {
	var asked time.Time // when the ping was sent whose pong is still to come
	ping := func() bool {
		if !asked.IsZero() {
			return true
		}
		asked = time.Now()
		text, err := json.Marshal(map[string]string{"action": "ping", "cursor": s.seen.cursor()})
		if err != nil {
			panic(err)
		}
		writing, stop := context.WithTimeout(ctx, socketPatience)
		defer stop()
		return conn.Write(writing, websocket.MessageText, text) == nil
	}
	if !ping() {
		return
	}
	tick := time.NewTicker(socketPings)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !asked.IsZero() && time.Since(asked) > socketPatience || !ping() {
				return
			}
		case text, ok := <-frames:
			if !ok {
				return
			}
			if !json.Valid([]byte(text)) {
				return
			}
			var f frame
			_ = json.Unmarshal([]byte(text), &f) // data of another shape is not looked at
			gap, pong, more := s.take(&f, text)
			if pong {
				asked = time.Time{}
			}
			if (gap || more) && !ping() {
				return
			}
		}
	}
}

// take shows the message, if it is the next one. gap tells that messages before it are missing, and more that the
// server has further ones.
func (s *socket) take(f *frame, text string) (gap, pong, more bool) {
	switch f.Event {
	case "pong", "stream-reset":
		cursor, err := e2e.ParseCursor(f.Cursor)
		if err != nil {
			s.seen.problem("message %.200q: %v", text, err)
			return false, true, false
		}
		if f.Event == "stream-reset" {
			s.seen.reset(f.Data.Channels, cursor)
			return false, false, false
		}
		s.seen.pong(cursor)
		return false, true, f.More
	case "error":
		s.seen.problem("message %.300q", text)
		return false, true, false
	}
	return s.message(f, text), false, false
}

func (s *socket) message(f *frame, text string) (gap bool) {
	channel, seq, err := parsePlace(f.ID)
	if err != nil {
		s.seen.problem("message %.200q: %v", text, err)
		return false
	}
	_, prev, err := parsePlace(f.Prev)
	if err != nil {
		s.seen.problem("message %.200q: %v", text, err)
		return false
	}
	at, known := s.seen.place(channel)
	switch {
	case !known || seq <= at: // the first pong tells where the viewer begins; what it has had it drops
	case prev != at:
		return true
	default:
		s.seen.show(channel, seq, keyOf(text))
	}
	return false
}

// pong notes where the server has brought the viewer: where it begins, or where it stands or has passed.
func (v *view) pong(cursor map[string]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for channel, seq := range cursor {
		at, known := v.at[channel]
		if known && seq > at {
			v.lost++
			v.problems = append(v.problems, fmt.Sprintf("%s: the pong says %d, and the viewer was brought to %d only", channel, seq, at))
		}
		if !known || seq > at {
			v.at[channel] = seq
		}
	}
}

func (v *view) problem(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}
