package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
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
// drops those it has had, and pings with its cursor where it finds a gap, and every now and then. What comes before the pong waits
// for it. Where a message cannot be read it connects anew at its place.
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
			for _, text := range s.unpack(data) {
				select {
				case frames <- text:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	s.converse(ctx, conn, frames)
}

// unpack returns the messages in one that came: several where the address asks for that.
func (s *socket) unpack(data []byte) (texts []string) {
	var list []json.RawMessage
	if !strings.Contains(s.path, "batch=1") || json.Unmarshal(data, &list) != nil {
		return []string{string(data)}
	}
	for _, m := range list {
		texts = append(texts, string(m))
	}
	return texts
}

// converse takes messages and pings until the connection ends or falls silent.
func (s *socket) converse(ctx context.Context, conn *websocket.Conn, frames <-chan string) {
	var asked time.Time // when the ping was sent whose pong is still to come
	var waiting []held  // what has come since
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
			m := held{text: text}
			_ = json.Unmarshal([]byte(text), &m.frame) // data of another shape is not looked at
			gap := false
			switch {
			case m.Event == "pong":
				asked = time.Time{}
				gap, waiting = s.answered(m, waiting) || m.More, nil
			case m.Event == "stream-reset":
				s.reset(m)
			case m.Event == "error":
				s.seen.problem("message %.300q", text)
				asked = time.Time{}
			case !asked.IsZero():
				waiting = append(waiting, m)
			default:
				gap = s.take(m, false)
			}
			if gap && !ping() {
				return
			}
		}
	}
}

// A held message is one that waits for a pong.
type held struct {
	frame
	text string
}

func (s *socket) reset(m held) {
	cursor, err := e2e.ParseCursor(m.Cursor)
	if err != nil {
		s.seen.problem("message %.200q: %v", m.text, err)
		return
	}
	s.seen.reset(m.Data.Channels, cursor)
}

// answered takes what has come since the ping. Up to the pong's cursor nothing is missing; the rest has to prove it.
func (s *socket) answered(pong held, waiting []held) (gap bool) {
	cursor, err := e2e.ParseCursor(pong.Cursor)
	if err != nil {
		s.seen.problem("message %.200q: %v", pong.text, err)
		return false
	}
	var rest []held
	number := func(m held) int64 { _, seq, _ := parsePlace(m.ID); return seq }
	slices.SortStableFunc(waiting, func(a, b held) int { return cmp.Compare(number(a), number(b)) })
	for _, m := range waiting {
		if channel, seq, err := parsePlace(m.ID); err == nil && seq > cursor[channel] {
			rest = append(rest, m)
			continue
		}
		s.take(m, true)
	}
	s.seen.pong(cursor)
	for _, m := range rest {
		gap = s.take(m, false) || gap
	}
	return gap
}

// take shows the message, if it is the next one or known to be. gap tells that messages before it are missing.
func (s *socket) take(m held, known bool) (gap bool) {
	channel, seq, err := parsePlace(m.ID)
	if err != nil {
		s.seen.problem("message %.200q: %v", m.text, err)
		return false
	}
	_, prev, err := parsePlace(m.Prev)
	if err != nil {
		s.seen.problem("message %.200q: %v", m.text, err)
		return false
	}
	at, stands := s.seen.place(channel)
	switch {
	case !stands || seq <= at: // the first pong tells where the viewer begins; what it has had it drops
	case prev != at && !known:
		return true
	default:
		s.seen.show(channel, seq, keyOf(m.text))
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
			v.gaps = append(v.gaps, gap{channel, at, seq, fmt.Sprintf("the pong says %d, and the viewer was brought to %d only", seq, at)})
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
