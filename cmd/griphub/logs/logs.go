// Package logs makes the logger of a running hub: records name the request that they belong to, and no flood of them, whoever
// causes it, fills a disk.
package logs

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Options of a logger. The zero value writes text from the level Info on.
type Options struct {
	Level slog.Level
	// JSON writes a JSON object on each line, in place of text.
	JSON bool
	// Request returns the id of the request that the context is of, empty for none. It may be nil.
	Request func(ctx context.Context) string
}

// Bounds of equal messages, which differ in their attributes alone. What is left out is counted, and told of.
const (
	burst  = 20
	period = 10 * time.Second
)

// New returns a logger that writes to w, and what tells of all that was left out and not told of yet, at the end.
func New(w io.Writer, options Options) (log *slog.Logger, flush func()) {
	var lines slog.Handler
	if format := (&slog.HandlerOptions{Level: options.Level}); options.JSON {
		lines = slog.NewJSONHandler(w, format)
	} else {
		lines = slog.NewTextHandler(w, format)
	}
	calm := newCalm(burst, period)
	return slog.New(handler{lines, calm, options.Request}), calm.flush
}

// A handler adds the request's id, and leaves out what is too much.
type handler struct {
	slog.Handler
	calm    *calm
	request func(ctx context.Context) string
}

// Handle writes the record, or counts it.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if !h.calm.admits(r, h.Handler) {
		return nil
	}
	if h.request != nil {
		if id := h.request(ctx); id != "" {
			r = r.Clone()
			r.AddAttrs(slog.String("request", id))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns the handler with the attributes.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup returns the handler with the group.
func (h handler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
