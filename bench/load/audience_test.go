package load

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A script is what a server sends on each connection: events by number, an empty place for the connection's end.
type script struct {
	numbers  []uint64
	ends     bool
	attempts atomic.Int64
	resumed  atomic.Pointer[string]
	begin    chan struct{}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.attempts.Add(1)
	last := r.Header.Get("Last-Event-ID")
	s.resumed.Store(&last)
	flush := http.NewResponseController(w).Flush
	io.WriteString(w, "id: a:1\ndata: open\n\n")
	flush()
	select {
	case <-s.begin:
	case <-r.Context().Done():
		return
	}
	for _, n := range s.numbers {
		text := "id: a:" + fmt.Sprint(n) + "\ndata: " + string(Mark{N: n, At: Now()}.AppendJSON(nil, 150)) + "\n\n"
		cut := rand.IntN(len(text))
		io.WriteString(w, text[:cut])
		flush()
		io.WriteString(w, text[cut:])
	}
	flush()
	if !s.ends {
		<-r.Context().Done()
	}
}

func watch(t *testing.T, url string, options Options) *Audience {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	a, err := Open(ctx, []Target{{URL: url}, {URL: url}, {URL: url}}, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestWhatIsMissingTwiceOrClosedIsCounted(t *testing.T) {
	for name, scene := range map[string]struct {
		script    *script
		published uint64
		want      Count // of each of three streams
	}{
		"all":             {&script{numbers: []uint64{0, 1, 2, 3}}, 3, Count{Delivered: 3}},
		"one is missing":  {&script{numbers: []uint64{1, 3}}, 3, Count{Delivered: 2, Lost: 1}},
		"the last is":     {&script{numbers: []uint64{1, 2}}, 3, Count{Delivered: 2, Lost: 1}},
		"one comes twice": {&script{numbers: []uint64{1, 2, 2, 3}}, 3, Count{Delivered: 3, Duplicated: 1}},
		"one comes late":  {&script{numbers: []uint64{1, 3, 2}}, 3, Count{Delivered: 2, Duplicated: 1, Lost: 1}},
		"the stream ends": {&script{numbers: []uint64{1, 2, 3}, ends: true}, 3, Count{Delivered: 3, Closed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			script := scene.script
			script.begin = make(chan struct{})
			server := httptest.NewServer(script)
			t.Cleanup(server.Close)
			a := watch(t, server.URL, Options{})
			defer a.Close()
			a.Measure()
			close(script.begin)
			if scene.want.Closed > 0 {
				if err := await(t.Context(), func() bool { return a.closed.Load() == 3 }); err != nil {
					t.Fatal(err)
				}
			}
			got := a.Await(t.Context(), []uint64{scene.published}, 300*time.Millisecond)
			want := scene.want
			if got.Delivered != 3*want.Delivered || got.Lost != 3*want.Lost || got.Duplicated != 3*want.Duplicated || got.Closed != 3*want.Closed {
				t.Errorf("%+v, want three times %+v", got, want)
			}
			if n := a.Latency().Count(); n != got.Delivered {
				t.Errorf("%d latencies of %d deliveries", n, got.Delivered)
			}
		})
	}
}

func TestStreamsComeBackWithTheirID(t *testing.T) {
	script := &script{numbers: []uint64{1, 2}, begin: make(chan struct{})}
	close(script.begin)
	server := httptest.NewServer(script)
	t.Cleanup(server.Close)
	a := watch(t, server.URL, Options{Resume: true})
	a.Measure()
	a.Await(t.Context(), []uint64{2}, 20*time.Second)
	if err := a.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Reopen()
	if err := a.AwaitOpen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id := *script.resumed.Load(); id != "a:2" || script.attempts.Load() != 6 {
		t.Errorf("came back with %q, %d connections", id, script.attempts.Load())
	}
}

func TestAStreamThatIsRefusedIsAnErrorWithItsReason(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, []Target{{URL: server.URL}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the error is %v", err)
	}
}

func TestWebSocketsAreWatched(t *testing.T) {
	begin := make(chan struct{})
	const messages = 300
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		<-begin
		for n := range uint64(messages) {
			// Sizes for each of the three forms that a length has.
			text := Mark{N: n + 1, At: Now()}.AppendJSON(nil, []int{60, 500, 70_000}[n%3])
			if err := conn.Write(r.Context(), websocket.MessageText, text); err != nil {
				t.Error(err)
				return
			}
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}))
	t.Cleanup(server.Close)
	a := watch(t, "ws"+strings.TrimPrefix(server.URL, "http"), Options{})
	a.Measure()
	close(begin)
	got := a.Await(t.Context(), []uint64{messages}, 5*time.Second)
	if got.Delivered != 3*messages || got.Lost+got.Duplicated != 0 {
		t.Errorf("%+v", got)
	}
}

func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 3)
	f.Add([]byte("ffffffffff\r\n"), 1)
	f.Add([]byte("5;x=y\r\nhello\r\n"), 7)
	f.Fuzz(fuzzFraming(func() framing { return &chunked{} }))
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x88\x00"), 3)
	f.Add([]byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xffx"), 5)
	f.Add([]byte("\x81\x85"), 1)
	f.Fuzz(fuzzFraming(func() framing { return &frames{} }))
}

// fuzzFraming sees that it makes no difference where the bytes are cut.
func fuzzFraming(open func() framing) func(*testing.T, []byte, int) {
	return func(t *testing.T, text []byte, cut int) {
		read := func(parts ...[]byte) (content string, failed bool) {
			f := open()
			for _, part := range parts {
				if f.next(part, func(b []byte) { content += string(b) }) != nil {
					return content, true
				}
			}
			return content, false
		}
		cut = max(0, min(cut, len(text)))
		whole, wholeFailed := read(text)
		parts, partsFailed := read(text[:cut], text[cut:])
		if whole != parts || wholeFailed != partsFailed {
			t.Errorf("in one part %q %v, in two %q %v", whole, wholeFailed, parts, partsFailed)
		}
	}
}
