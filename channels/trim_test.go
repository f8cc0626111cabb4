package channels_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

// trims is a log whose calls of Trim have these results, one after the other.
type trims struct {
	results []int
	calls   int
	err     error
	called  func()
}

func (t *trims) Trim(context.Context, func(channels.Channel) channels.Retention, time.Time) (int, error) {
	t.calls++
	if t.called != nil {
		t.called()
	}
	if t.calls > len(t.results) {
		return 0, t.err
	}
	return t.results[t.calls-1], nil
}

func TestAPassTrimsUntilLittleGoes(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		log   trims
		calls int
		want  error
	}{
		"nothing":        {trims{results: []int{0}}, 1, nil},
		"a few":          {trims{results: []int{3, 1000}}, 1, nil},
		"two full steps": {trims{results: []int{1000, 1200, 999, 1000}}, 3, nil},
		"an error":       {trims{results: []int{1000}, err: broken}, 2, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pass := channels.Trimmer{Log: &c.log, Now: time.Now}
			if err := pass.Pass(t.Context()); !errors.Is(err, c.want) || c.log.calls != c.calls {
				t.Errorf("%d calls and %v, want %d and %v", c.log.calls, err, c.calls, c.want)
			}
		})
	}
}

func TestAPassEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	log := &trims{results: []int{1000, 1000, 1000}, called: func() {
		cancel()
		time.Sleep(time.Millisecond) // the pause after it is as long
	}}
	pass := channels.Trimmer{Log: log, Now: time.Now}
	if err := pass.Pass(ctx); !errors.Is(err, context.Canceled) || log.calls != 1 {
		t.Errorf("%d calls and %v, want one and %v", log.calls, err, context.Canceled)
	}
}
