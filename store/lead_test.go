package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/griphub/griphub/store"
)

// wantLeader demands that the store leads at once.
func wantLeader(t *testing.T, s store.Store, name string) (leading context.Context, release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	leading, release, err := s.Lead(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return leading, release
}

// wantNoLeader demands that the store waits as long as somebody else leads.
func wantNoLeader(t *testing.T, s store.Store, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, release, err := s.Lead(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			release()
		}
		t.Errorf("want to wait for the leader, got %v", err)
	}
}

func TestOneLeadsAtATime(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		first, second := open(t, url, store.Options{}), open(t, url, store.Options{})
		leading, release := wantLeader(t, first, "bridge")
		wantNoLeader(t, second, "bridge")
		wantNoLeader(t, first, "bridge")
		_, releaseOther := wantLeader(t, second, "another/name é")
		releaseOther()
		if leading.Err() != nil {
			t.Error("the leadership ended by itself")
		}
		release()
		release()
		if leading.Err() == nil {
			t.Error("the leadership goes on after its release")
		}
		leading, _ = wantLeader(t, second, "bridge")
		wantNoLeader(t, first, "bridge")
		if leading.Err() != nil {
			t.Error("the leadership ended by itself")
		}
	})
}

func TestTheLeadershipEndsWithItsContext(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		s := open(t, url, store.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		leading, release, err := s.Lead(ctx, "bridge")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-leading.Done()
		release()
		wantLeader(t, s, "bridge")
		if _, _, err := s.Lead(ctx, "other"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: got %v", err)
		}
	})
}

func TestALeaderThatIsKilledIsSucceededWithinSeconds(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		s := open(t, url, store.Options{})
		leader := startChild(t, "lead", url)
		if line := leader.line(); line != "leading" {
			t.Fatalf("the child printed %q", line)
		}
		wantNoLeader(t, s, "bridge")
		leader.kill()
		begin := time.Now()
		wantLeader(t, s, "bridge")
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestLeadershipEndsWithTheConnection(t *testing.T) {
	url := server.Database(t)
	s := open(t, url, store.Options{})
	leading, _ := wantLeader(t, s, "bridge")
	query(t, url, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`)
	select {
	case <-leading.Done():
	case <-time.After(patience):
		t.Fatal("the leader does not know that it lost its connection")
	}
	wantLeader(t, open(t, url, store.Options{}), "bridge")
}
