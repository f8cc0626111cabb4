package pushpin_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/pushpin"
)

// startAudience counts until the test ends.
func startAudience(t *testing.T, prefix string, sockets ...string) *pushpin.Audience {
	t.Helper()
	a, err := pushpin.NewAudience(sockets, prefix, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a
}

// holdPlainly holds streams on the channel that the path names.
func holdPlainly(w http.ResponseWriter, a ask) {
	set(w, "Grip-Hold", "stream", "Grip-Channel", strings.Trim(a.path, "/"))
	_, _ = w.Write([]byte("open\n"))
}

// stay watches until leave is called or the test ends, and comes back as browsers do: a busy Pushpin cuts a stream off now
// and then.
func stay(t *testing.T, url string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan struct{})
	go func() {
		defer close(left)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: patience}}
		for again := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-again.C {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
			if err != nil {
				return
			}
			if resp, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
	}()
	leave = sync.OnceFunc(func() {
		cancel()
		<-left
	})
	t.Cleanup(leave)
	return leave
}

func viewers(a *pushpin.Audience, c channels.Channel) int {
	sum := 0
	for _, p := range a.Presence(c) {
		sum += p.Viewers
	}
	return sum
}

func wantViewers(t *testing.T, a *pushpin.Audience, c channels.Channel, want int) {
	t.Helper()
	waitFor(t, "the number of viewers", func() bool { return viewers(a, c) == want })
}

func TestViewersOfAllProxiesAreCounted(t *testing.T) {
	t.Parallel()
	one, two := startOrigin(t, holdPlainly), startOrigin(t, holdPlainly)
	a := startAudience(t, "pre-", one.StatsURL(), two.StatsURL())
	leave := stay(t, one.URL()+"/pre-events-a_b")
	stay(t, one.URL()+"/pre-events-a_b")
	stay(t, two.URL()+"/pre-html4-a_b")
	stay(t, two.URL()+"/events-a_b") // of another deployment at the same proxy
	stay(t, two.URL()+"/pre-events-caf%C3%A9")
	wantViewers(t, a, "a_b", 3)
	wantViewers(t, a, "café", 1)
	watched, _ := a.Watched()
	if len(watched) != 2 {
		t.Errorf("watched are %q", watched)
	}
	leave()
	wantViewers(t, a, "a_b", 2)
}

func TestAProxyThatDiesLeavesNoGhosts(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdPlainly)
	a := startAudience(t, "", o.StatsURL())
	view(t, o.URL()+"/events-c")
	wantViewers(t, a, "c", 1)
	<-a.Changed()
	o.Kill()
	waitFor(t, "the proxy to be away", func() bool { return a.Presence("c")[0] == channels.Presence{State: channels.PresenceAway} })
	select {
	case <-a.Changed():
	case <-time.After(patience):
		t.Error("nobody is told that the viewers are gone")
	}
	if watched, settled := a.Watched(); len(watched) != 0 || !settled {
		t.Errorf("watched are %q, settled %v", watched, settled)
	}

	o.Restart()
	waitFor(t, "the proxy to be learned", func() bool { return a.Status()[0].State == channels.PresenceLearning })
	if _, settled := a.Watched(); settled {
		t.Error("who is just being learned is said to be all")
	}
	view(t, o.URL()+"/events-c")
	wantViewers(t, a, "c", 1)
}

func TestAProxyThatStandsStillIsAway(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdPlainly)
	a := startAudience(t, "", o.StatsURL())
	view(t, o.URL()+"/events-c")
	wantViewers(t, a, "c", 1)
	handler := o.PIDs()["pushpin-handler"]
	if err := syscall.Kill(handler, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(handler, syscall.SIGCONT) })
	waitFor(t, "the proxy to be away", func() bool { return a.Presence("c")[0] == channels.Presence{State: channels.PresenceAway} })
	if err := syscall.Kill(handler, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	wantViewers(t, a, "c", 1) // it is told of again, though nobody came
	waitFor(t, "the proxy to be known", func() bool { return a.Presence("c")[0] == channels.Presence{Viewers: 1, State: channels.PresenceKnown} })
}

func TestAStatsSocketMayHaveALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := startOrigin(t, holdPlainly)
	path := strings.TrimPrefix(o.StatsURL(), "ipc://")
	if err := os.Symlink(path, filepath.Join(dir, "stats")); err != nil {
		t.Fatal(err)
	}
	a := startAudience(t, "", "ipc://"+filepath.Join(dir, "stats"))
	view(t, o.URL()+"/events-c")
	wantViewers(t, a, "c", 1)
}

func TestAStatsSocketHasToHaveAName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"tcp://proxy:5565", "tcp://[::1]:5565", "ipc:///run/pushpin/stats"} {
		if err := pushpin.CheckStatsEndpoint(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "tcp://", "tcp://*:5565", "tcp://proxy", "tcp://proxy:0", "ipc://stats", "http://proxy:5565"} {
		if _, err := pushpin.NewAudience([]string{bad}, "", slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken for a stats socket", bad)
		}
	}
}
