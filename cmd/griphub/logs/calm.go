package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxKinds bounds the messages that are told apart; those beyond count as one.
const maxKinds = 1000

// A calm bounds equal messages in each period. Debugging is not bounded: who asks for it wants all.
type calm struct {
	burst  int
	period time.Duration

	mu      sync.Mutex
	windows map[kind]*window
}

// A kind is messages that are equal but for their attributes.
type kind struct {
	level   slog.Level
	message string
}

// A window is a period of one kind, from its first message on.
type window struct {
	admitted, left int
	// tell writes what was left out, with the attributes of the logger that was left out last.
	tell  slog.Handler
	timer *time.Timer
}

func newCalm(burst int, period time.Duration) *calm {
	return &calm{burst: burst, period: period, windows: make(map[kind]*window)}
}

// admits tells whether the record is to be written. to is where it would go.
func (c *calm) admits(r slog.Record, to slog.Handler) bool {
	if r.Level < slog.LevelInfo {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := kind{r.Level, r.Message}
	w := c.windows[k]
	if w == nil && len(c.windows) >= maxKinds {
		k.message = "…"
		w = c.windows[k]
	}
	if w == nil {
		w = &window{}
		w.timer = time.AfterFunc(c.period, func() { c.end(k, w) })
		c.windows[k] = w
	}
	if w.admitted < c.burst {
		w.admitted++
		return true
	}
	w.left++
	w.tell = to
	return false
}

// end closes the window, and tells what was left out.
func (c *calm) end(k kind, w *window) {
	c.mu.Lock()
	if c.windows[k] == w {
		delete(c.windows, k)
	}
	left, to := w.left, w.tell
	w.left = 0
	c.mu.Unlock()
	if left == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), k.level, "more lines were not logged", 0)
	r.AddAttrs(slog.String("of", k.message), slog.Int("lines", left))
	_ = to.Handle(context.Background(), r) // as with every line, there is nobody to tell
}

// flush closes all windows.
func (c *calm) flush() {
	c.mu.Lock()
	open := make(map[kind]*window, len(c.windows))
	for k, w := range c.windows {
		w.timer.Stop()
		open[k] = w
	}
	c.mu.Unlock()
	for k, w := range open {
		c.end(k, w)
	}
}
