package pushpin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/pushpin/pushpintest"
)

// patience is what conditions are given on a busy machine.
const patience = 20 * time.Second

// holdBackend answers every request with a stream held on the channel that the path names.
func holdBackend(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return
		}
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", strings.TrimPrefix(r.URL.Path, "/"))
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "open\n")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A viewer reads the lines of one held stream.
type viewer struct {
	t     testing.TB
	body  io.ReadCloser
	lines chan string // closed when the stream has ended
}

// view opens a stream and waits for its first line.
func view(t testing.TB, url string) *viewer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: patience}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", url, resp.Status)
	}
	v := &viewer{t: t, body: resp.Body, lines: make(chan string, 10_000)}
	go func() {
		defer close(v.lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			v.lines <- s.Text()
		}
	}()
	t.Cleanup(v.close)
	v.want("open")
	return v
}

func (v *viewer) close() { v.body.Close() }

func (v *viewer) want(line string) {
	v.t.Helper()
	if got := v.next(); got != line {
		v.t.Fatalf("got %q, want %q", got, line)
	}
}

// next waits for a line.
func (v *viewer) next() string {
	v.t.Helper()
	line, ok := v.read()
	if !ok {
		v.t.Fatal("the stream has ended")
	}
	return line
}

// read waits for a line or the end of the stream.
func (v *viewer) read() (line string, ok bool) {
	v.t.Helper()
	select {
	case line, ok = <-v.lines:
		return line, ok
	case <-time.After(patience):
		v.t.Fatal("no line")
	}
	return "", false
}

// wantEnd waits until the stream has been cut.
func (v *viewer) wantEnd() {
	v.t.Helper()
	for {
		if _, ok := v.read(); !ok {
			return
		}
	}
}

// publish sends one line to a channel's streams, past any client.
func publish(t testing.TB, p *pushpintest.Proxy, channel, line string) {
	t.Helper()
	item := fmt.Sprintf(`{"items":[{"channel":%q,"formats":{"http-stream":{"content":%q}}}]}`, channel, line+"\n")
	resp, err := http.Post(p.ControlURL()+"/publish/", "application/json", strings.NewReader(item))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("publish: %s", resp.Status)
	}
}

func TestRequestsAreHeldAndPublishedTo(t *testing.T) {
	t.Parallel()
	p := pushpintest.Start(t, holdBackend(t), pushpintest.Options{})
	v := view(t, p.URL()+"/news")
	publish(t, p, "news", "hello")
	v.want("hello")
}

func TestEachPartMayBeKilled(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"condure", "pushpin-proxy", "pushpin-handler", "zurl"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			p := pushpintest.Start(t, holdBackend(t), pushpintest.Options{})
			before := view(t, p.URL()+"/news")
			pids := p.PIDs()
			if err := syscall.Kill(pids[part], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if part != "zurl" {
				// A stream that nobody publishes to any more must not stay open.
				before.wantEnd()
			}
			waitFor(t, "the part to run again", func() bool {
				pid := p.PIDs()[part]
				return pid != 0 && pid != pids[part]
			})
			start := time.Now()
			p.Ready()
			t.Logf("ready after %v", time.Since(start))
			after := view(t, p.URL()+"/news")
			publish(t, p, "news", "hello")
			after.want("hello")
			if part == "zurl" {
				before.want("hello")
			}
		})
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	p := pushpintest.Start(t, holdBackend(t), pushpintest.Options{})
	v := view(t, p.URL()+"/news")
	if n := len(p.PIDs()); n != 4 {
		t.Fatalf("%d processes run, want 4", n)
	}
	p.Stop()
	if left := p.PIDs(); len(left) != 0 {
		t.Errorf("still running: %v", left)
	}
	wantFree(t, p)
	v.wantEnd()

	p.Restart()
	view(t, p.URL()+"/news")
}

func wantFree(t *testing.T, p *pushpintest.Proxy) {
	t.Helper()
	for _, url := range []string{p.URL(), p.ControlURL()} {
		l, err := net.Listen("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}
