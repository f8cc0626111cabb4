package fragments

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
)

// Options of a Library. The zero value is of use.
type Options struct {
	// Logger takes a record for each template that fails; nil logs nothing.
	Logger *slog.Logger
	// Registerer takes the metric griphub_fragment_failures_total; nil for none. Open panics where it is registered already.
	Registerer prometheus.Registerer
}

// A Library is a directory of templates, parsed. Its methods may be called concurrently.
type Library struct {
	dir      string
	log      *slog.Logger
	current  atomic.Pointer[set]
	failures atomic.Uint64
	// quietUntil keeps a template that fails with every event from flooding the log; in nanoseconds of Unix time.
	quietUntil atomic.Int64
}

// Open parses the templates in the directory; the empty name means that there are none. Its errors name the file and
// line of a template that is wrong.
func Open(dir string, options Options) (*Library, error) {
	l := &Library{dir: dir, log: options.Logger}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	s := &set{}
	if dir != "" {
		var err error
		if s, err = load(os.DirFS(dir), dir); err != nil {
			return nil, err
		}
	}
	l.current.Store(s)
	if options.Registerer != nil {
		options.Registerer.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "griphub_fragment_failures_total", Help: "Fragments of HTML that a template failed to make.",
		}, func() float64 { return float64(l.failures.Load()) }))
	}
	return l, nil
}

const watchInterval = 500 * time.Millisecond

// Watch takes over what changes in the directory, until ctx ends, and returns nil. Templates that cannot be parsed are logged,
// and those before them stay.
func (l *Library) Watch(ctx context.Context) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	last := l.current.Load().stamp
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		files := os.DirFS(l.dir)
		now, err := stamp(files)
		if err != nil || now == last {
			continue // a file that goes while it is looked at is found gone the next time
		}
		last = now
		s, err := load(files, l.dir)
		if err != nil {
			l.log.Error("the templates are wrong; the ones before stay", "error", err)
			continue
		}
		l.current.Store(s)
		l.log.Info("the templates have changed", "dir", l.dir)
	}
}

// Has tells whether the channel's events are shown as HTML: it is one of devices of a type that has templates.
func (l *Library) Has(c channels.Channel) bool {
	ref, ok := channels.DeviceOf(c)
	return ok && l.HasType(ref.Type)
}

// HasType tells whether a type of devices has templates.
func (l *Library) HasType(deviceType string) bool {
	return len(l.current.Load().types[deviceType]) > 0
}

// failed counts what a template could not do, and logs it, once a second at most.
func (l *Library) failed(f *file, e *channels.Event, err error) {
	l.failures.Add(1)
	now := time.Now()
	if quiet := l.quietUntil.Load(); now.UnixNano() < quiet || !l.quietUntil.CompareAndSwap(quiet, now.Add(time.Second).UnixNano()) {
		return
	}
	l.log.Error("a template failed", "template", f.path, "event", e.ID, "error", err)
}

func wrongFile(dir, name string, err error) error {
	return fmt.Errorf("templates: %s/%s: %w", dir, name, err)
}
