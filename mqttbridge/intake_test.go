package mqttbridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/griphub/griphub/devices"
)

// A gate is a Processor that counts what it takes once it is open.
type gate struct {
	open  chan struct{}
	bytes atomic.Int64
}

func (g *gate) Process(ctx context.Context, messages []devices.Message, _ ...any) error {
	select {
	case <-g.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, m := range messages {
		g.bytes.Add(int64(len(m.Payload)))
	}
	return nil
}

// awaitThat waits for a condition.
func awaitThat(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// However large messages are, and however many bring them, what waits is bounded; and all of it is stored in the end.
func TestWhatWaitsForTheDatabaseIsBoundedInBytes(t *testing.T) {
	const senders, each, size, most = 8, 150, 256 << 10, 40 << 20
	g := &gate{open: make(chan struct{})}
	in := newIntake(g, nil, "test", newLedger(10, 0), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in.run(ctx) }()
	payload := make([]byte, size)
	var put atomic.Int64
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for i := range each {
				message := devices.Message{Payload: payload}
				if i%2 == 0 {
					in.put(delivery{matched: true, message: message}, nil)
				} else if err := in.report(t.Context(), []devices.Message{message}); err != nil {
					t.Error(err)
				}
				put.Add(size)
			}
		})
	}
	// At the start each may be held up for a moment by the others.
	awaitThat(t, "all senders to be held up", func() bool { return in.holding.Load() == senders && put.Load() >= most/2 })
	if got := put.Load(); got > most {
		t.Errorf("%d bytes wait", got)
	}
	close(g.open)
	all.Wait()
	awaitThat(t, "everything", func() bool { return g.bytes.Load() == senders*each*size })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(in.places)+len(in.turn)+len(in.queue) > 0 {
		t.Errorf("%d places and %d turns are taken", len(in.places), len(in.turn))
	}
}

func TestWhoIsHeldUpGoesWhenItsConnectionDoes(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	in := newIntake(g, nil, "test", newLedger(10, 0), slog.New(slog.DiscardHandler))
	large := delivery{matched: true, lossy: true, message: devices.Message{Payload: make([]byte, 100*blockBytes)}}
	for range queueSize / large.places() {
		in.put(large, nil)
	}
	held := len(in.places)
	gone := make(chan struct{})
	returned := make(chan struct{}, 2)
	for range 2 {
		go func() { in.put(large, gone); returned <- struct{}{} }()
	}
	awaitThat(t, "both to be held up", func() bool { return in.holding.Load() == 2 })
	close(gone)
	<-returned
	<-returned
	if len(in.places) != held || len(in.turn) != 0 || len(in.lossy) != len(in.queue) {
		t.Errorf("%d places are taken, want %d; %d lossy messages of %d", len(in.places), held, len(in.lossy), len(in.queue))
	}
}
