package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A Frame is a message that came over a WebSocket.
type Frame struct {
	// Binary tells that it is not text.
	Binary bool
	// Data is the message.
	Data string
	// At is the time of arrival.
	At time.Time
}

// JSON decodes the frame, and fails the test where it is not JSON of v's shape.
func (f Frame) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(f.Data), v); err != nil {
		t.Fatalf("WebSocket message %.300q: %v", f.Data, err)
	}
}

// A Socket is a WebSocket as browsers have it, which keeps everything that comes. It is closed at the end of the test.
type Socket struct {
	url    string
	conn   *websocket.Conn
	frames feed[Frame]
	done   chan struct{}

	mu  sync.Mutex
	err error
}

// Dial opens a WebSocket, and fails the test where it is refused. The URL is of http or ws.
func Dial(t testing.TB, url string, header http.Header) *Socket {
	t.Helper()
	return DialBy(t, nil, url, header)
}

// DialBy is Dial with a client of one's own, such as one that trusts a test's certificate; nil for the default one.
func DialBy(t testing.TB, client *http.Client, url string, header http.Header) *Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	conn.SetReadLimit(4 << 20)
	s := &Socket{url: url, conn: conn, done: make(chan struct{})}
	go s.read()
	t.Cleanup(func() {
		_ = conn.CloseNow()
		<-s.done
		if t.Failed() {
			frames := s.frames.all()
			t.Logf("%s: %d messages, end: %v; the last: %+v", url, len(frames), s.err, frames[max(0, len(frames)-5):])
		}
	})
	return s
}

func (s *Socket) read() {
	defer close(s.done)
	defer s.frames.end()
	for {
		kind, data, err := s.conn.Read(context.Background())
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
		s.frames.add(Frame{Binary: kind == websocket.MessageBinary, Data: string(data), At: time.Now()})
	}
}

// Next returns the next message not taken yet. It fails the test if none comes.
func (s *Socket) Next(t testing.TB) Frame {
	t.Helper()
	f, ok := s.frames.take(time.Now().Add(Patience))
	if !ok {
		t.Fatalf("%s: waited in vain for a message; end: %v", s.url, s.failure())
	}
	return f
}

// Frames are all messages so far, taken or not.
func (s *Socket) Frames() []Frame { return s.frames.all() }

// Send sends a text message.
func (s *Socket) Send(t testing.TB, text string) {
	t.Helper()
	s.write(t, websocket.MessageText, []byte(text))
}

// SendBinary sends a binary message.
func (s *Socket) SendBinary(t testing.TB, data []byte) {
	t.Helper()
	s.write(t, websocket.MessageBinary, data)
}

func (s *Socket) write(t testing.TB, kind websocket.MessageType, data []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := s.conn.Write(ctx, kind, data); err != nil {
		t.Fatalf("%s: send: %v", s.url, err)
	}
}

// Ping sends a ping of the protocol's own, and waits for the pong.
func (s *Socket) Ping(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		t.Fatalf("%s: ping: %v", s.url, err)
	}
}

// Close starts the close handshake and returns the code with which the other side has answered it.
func (s *Socket) Close(t testing.TB, code websocket.StatusCode, reason string) websocket.StatusCode {
	t.Helper()
	if err := s.conn.Close(code, reason); err != nil {
		t.Fatalf("%s: close handshake: %v", s.url, err)
	}
	answer := s.Closed(t)
	if answer == -1 && errors.Is(s.failure(), net.ErrClosed) {
		// The answer came between two reads of ours: the library has read it itself, and found it to be the same code.
		return code
	}
	return answer
}

// Closed waits until the other side has closed, and returns its code: -1 where there was no close handshake.
func (s *Socket) Closed(t testing.TB) websocket.StatusCode {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(Patience):
		t.Fatalf("%s: waited in vain for the connection's end", s.url)
	}
	return websocket.CloseStatus(s.failure())
}

func (s *Socket) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
