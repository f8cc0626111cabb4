package pushpin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// Options of a Client. The zero value of every field but Render is of use.
type Options struct {
	// Render appends the items that an event is for the proxies' subscribers. It is called by Send, and
	// once for all proxies.
	Render func(dst []grip.Item, e *channels.Event) []grip.Item

	// Log is where sent events are found again. What does not fit a queue is left to it, and read and rendered when the proxy has
	// taken what was before; then nothing of it is dropped. nil drops it, and viewers ask for it.
	Log Log

	// Place tells which event an item shows: the channel that is read in the Log, and the event's number there. ok is false for what
	// the Log does not have. It is called with Log alone.
	Place func(item *grip.Item) (place channels.Position, ok bool)

	// Reset appends the items that tell the subscribers of a GRIP channel that events were lost which no log has: those
	// of items without id. nil tells nobody.
	Reset func(dst []grip.Item, channel string) []grip.Item

	// Merge makes one content for streams of what several items of a channel have for them, of which each follows the one before: a
	// proxy writes it to each viewer at once. nil merges nothing.
	Merge func(items []grip.Item) []byte

	// Viewers tells how many streams and WebSockets listen to a GRIP channel. nil knows of none.
	Viewers func(channel string) Viewers

	// WritesPerSecond is how many writes to viewers a proxy is asked for in a second, where Viewers tells of enough of them;
	// what comes meanwhile is merged. 0 means 20,000, which a Pushpin on two cores can do: one that cannot closes streams.
	WritesPerSecond int

	// Logger takes a record when a proxy stops or starts to take items, and for each item that is refused.
	// nil logs nothing.
	Logger *slog.Logger

	// Registerer takes the metrics griphub_proxy_*, and griphub_event_publish_lag_seconds; nil for none. NewClient panics where they are
	// registered already.
	Registerer prometheus.Registerer

	// HTTPClient makes the requests, without following redirects, whatever its CheckRedirect. nil means one
	// with limits of its own.
	HTTPClient *http.Client

	// BodyLimit is the largest request that the proxies take, in bytes; 0 means DefaultBodyLimit.
	BodyLimit int

	// QueueBytes bounds what waits for each proxy. When it is reached, what the Log does not have is dropped, the oldest items first,
	// and viewers are told to ask, or of the loss, when the proxy is back. 0 means 16 MiB.
	QueueBytes int

	// RequestTimeout bounds each request; 0 means 15 s, which leaves room for a proxy that is so
	// busy with delivering that it answers late.
	RequestTimeout time.Duration

	// DrainTimeout is how long Run goes on sending what is queued after its context has ended; 0 means 5 s.
	DrainTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Reset == nil {
		o.Reset = func(dst []grip.Item, _ string) []grip.Item { return dst }
	}
	if o.Viewers == nil {
		o.Viewers = func(string) Viewers { return Viewers{} }
	}
	o.WritesPerSecond = cmp.Or(o.WritesPerSecond, 20_000)
	o.BodyLimit = cmp.Or(o.BodyLimit, DefaultBodyLimit)
	o.QueueBytes = cmp.Or(o.QueueBytes, 16<<20)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, 15*time.Second)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 5*time.Second)
	return o
}

// A Client publishes to any number of proxies, each at its own pace: a proxy that is slow or away delays no
// other. It is a channels.Sink. Make one with NewClient; its methods may be called concurrently.
//
// To each proxy there is one request at a time, and what is given meanwhile makes up the next one. So an item
// leaves at once when there is little to do, items are batched when there is much, and their order is
// that in which they were given. An item may be sent more than once with the same id, which Pushpin drops.
type Client struct {
	render    func(dst []grip.Item, e *channels.Event) []grip.Item
	log       *slog.Logger
	bodyLimit int
	drain     time.Duration
	senders   []*sender
}

// NewClient makes a Client for the proxies. It sends nothing before Run.
func NewClient(proxies []grip.Proxy, options Options) *Client {
	options = options.withDefaults()
	c := &Client{render: options.Render, log: options.Logger, bodyLimit: options.BodyLimit, drain: options.DrainTimeout}
	labels, lag := make(map[string]int), newLag()
	for _, p := range proxies {
		name := p.String()
		if labels[name]++; labels[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, labels[name])
		}
		port := newPort(p, options.HTTPClient, options.RequestTimeout)
		c.senders = append(c.senders, newSender(name, port, options, lag.WithLabelValues(name)))
	}
	if options.Registerer != nil {
		options.Registerer.MustRegister(newCollector(c), lag)
	}
	return c
}

// Run sends until ctx ends, then what is queued, for up to Options.DrainTimeout, and returns nil. It must be
// called once. What is given after Run has returned is lost.
func (c *Client) Run(ctx context.Context) error {
	draining, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(c.drain, stop) })
	var g errgroup.Group
	for _, s := range c.senders {
		g.Go(func() error {
			s.run(ctx, draining)
			return nil
		})
	}
	return g.Wait()
}

// Send publishes events, in their order. It does not block.
func (c *Client) Send(events []channels.Event) {
	if len(c.senders) == 0 {
		return
	}
	items, origins := make([]grip.Item, 0, len(events)), make([]origin, 0, len(events))
	for i := range events {
		e := &events[i]
		items = c.render(items, e)
		for len(origins) < len(items) {
			origins = append(origins, origin{e.Arrival, e.ID})
		}
	}
	c.give(items, origins)
}

// SendItems publishes items that are no events, such as the closing of a stream. It does not block. Items
// that no proxy would take are logged and left out.
func (c *Client) SendItems(items []grip.Item) { c.give(items, make([]origin, len(items))) }

func (c *Client) give(items []grip.Item, origins []origin) {
	messages := encode(items, origins, c.bodyLimit, func(item *grip.Item, err error) {
		c.log.Error("cannot publish an item", "channel", item.Channel, "id", item.ID, "error", err)
	})
	for _, s := range c.senders {
		s.give(messages)
	}
}

// Flush waits until every proxy has taken or finally not taken what was given before. Where proxies have not
// taken everything since the Flush before, or ctx ends first, it returns a *FlushError that names them. Run must be running.
func (c *Client) Flush(ctx context.Context) error {
	var missed []ProxyError
	for _, s := range c.senders {
		if err := s.flush(ctx); err != nil {
			missed = append(missed, ProxyError{s.name, err})
		}
	}
	if missed != nil {
		return &FlushError{missed}
	}
	return nil
}

// A FlushError tells which proxies have not taken everything.
type FlushError struct {
	Proxies []ProxyError
}

// Error names the proxies and the reasons in one line.
func (e *FlushError) Error() string {
	var texts []string
	for _, p := range e.Proxies {
		texts = append(texts, p.Error())
	}
	return "not published: " + strings.Join(texts, "; ")
}

// Unwrap gives errors.Is and errors.As the proxies' errors, each a ProxyError.
func (e *FlushError) Unwrap() []error {
	var errs []error
	for _, p := range e.Proxies {
		errs = append(errs, p)
	}
	return errs
}

// A ProxyError is what went wrong with one proxy.
type ProxyError struct {
	Proxy string // its control port, without secrets
	Err   error
}

// Error returns "proxy: …".
func (e ProxyError) Error() string { return e.Proxy + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e ProxyError) Unwrap() error { return e.Err }

// Ready returns nil if at least one proxy takes items, or there is none; else why each does not. A proxy is
// asked when Run starts, which Ready waits for, and whenever nothing was sent for a while.
func (c *Client) Ready(ctx context.Context) error {
	var errs []error
	for _, s := range c.senders {
		status := s.status()
		if status.State == StateUnknown {
			select {
			case <-s.answered:
				status = s.status()
			case <-ctx.Done():
				status.Err = ctx.Err()
			}
		}
		if status.State == StateUp {
			return nil
		}
		errs = append(errs, ProxyError{s.name, status.Err})
	}
	return errors.Join(errs...)
}

// Status tells how each proxy does, in the order in which they were given.
func (c *Client) Status() []Status {
	list := make([]Status, len(c.senders))
	for i, s := range c.senders {
		list[i] = s.status()
	}
	return list
}

// State tells whether a proxy takes items.
type State int

// The states of a proxy. It is down after two failures in a row.
const (
	StateUnknown State = iota
	StateUp
	StateDown
)

// String returns "unknown", "up" or "down".
func (s State) String() string {
	switch s {
	case StateUp:
		return "up"
	case StateDown:
		return "down"
	}
	return "unknown"
}

// Status is how one proxy does.
type Status struct {
	Proxy string // its control port, without secrets
	State State
	Since time.Time // of the state
	Err   error     // the last failure, nil if there was none since the proxy was up

	QueuedItems, QueuedBytes int
	Behind                   int // channels that are read from the log, since more had come than the queue has room for

	Sent     uint64 // items that the proxy took
	Rejected uint64 // items that the proxy called bad
	Dropped  uint64 // items that were given up, the proxy being away
	Requests uint64 // that were made, of any kind and outcome
	Failures uint64 // requests that got no good answer
	Repairs  uint64 // times that viewers were told to ask again after a loss
	Resets   uint64 // channels without numbers whose viewers were told that something is gone for good
}
