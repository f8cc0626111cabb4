package pushpin

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
)

const (
	// statsTTL is how long a statistic holds unless Pushpin is configured otherwise (stats_subscription_ttl).
	statsTTL = 60 * time.Second
	// learningSlack is added to the time in which Pushpin repeats every statistic: it looks once a second.
	learningSlack = 2 * time.Second
	// maxCounted bounds the counts that are kept of each proxy. Viewers choose names of channels, and what they can
	// choose has to have an end.
	maxCounted = 1 << 20
	// sweepEvery is how often counts are looked at that nobody has repeated.
	sweepEvery = time.Second

	firstStatsDial, lastStatsDial = 200 * time.Millisecond, 5 * time.Second
)

// An Audience counts the connections that listen to each channel, as the proxies tell on their stats sockets
// (Pushpin's stats_spec). Make one with NewAudience; its methods may be called concurrently.
//
// Counts are in memory and as good as the connections to the proxies: what a proxy said is forgotten when the connection
// to it is lost, and when it has not been repeated for as long as it was to hold.
type Audience struct {
	prefix  string
	log     *slog.Logger
	proxies []*counter
	changed chan struct{}
}

// NewAudience returns an Audience of the proxies that have the stats sockets tcp://HOST:PORT or ipc://PATH. prefix is the
// deployment's GRIP prefix. It knows nothing before Run.
func NewAudience(endpoints []string, prefix string, log *slog.Logger) (*Audience, error) {
	a := &Audience{prefix: prefix, log: log, changed: make(chan struct{}, 1)}
	for _, endpoint := range endpoints {
		if err := CheckStatsEndpoint(endpoint); err != nil {
			return nil, fmt.Errorf("stats: %w", err)
		}
		a.proxies = append(a.proxies, &counter{endpoint: endpoint, prefix: prefix, changed: a.change})
	}
	return a, nil
}

// CheckStatsEndpoint tells what is wrong with the name of a stats socket; nil where nothing is.
func CheckStatsEndpoint(endpoint string) error {
	if address, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		host, port, err := net.SplitHostPort(address)
		if err == nil && host != "" && host != "*" && isPort(port) {
			return nil
		}
	} else if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok && strings.HasPrefix(path, "/") {
		return nil
	}
	return fmt.Errorf("%q: want tcp://HOST:PORT or ipc:///PATH", endpoint)
}

// Run listens to the proxies until ctx ends, and returns nil. It may be called once.
func (a *Audience) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, c := range a.proxies {
		g.Go(func() error {
			c.run(ctx, a.log)
			return nil
		})
	}
	return g.Wait()
}

// Presence tells how many connections each proxy holds on the channel, in the order of the endpoints.
func (a *Audience) Presence(channel channels.Channel) []channels.Presence {
	var names []string
	for _, form := range channels.Forms() {
		names = append(names, a.prefix+channel.GripIn(form))
	}
	list := make([]channels.Presence, len(a.proxies))
	for i, c := range a.proxies {
		list[i] = c.presence(names)
	}
	return list
}

// Watched returns the channels to which at least one connection listens. settled tells that it is not only the
// beginning: no proxy is being learned.
func (a *Audience) Watched() (watched []channels.Channel, settled bool) {
	names := make(map[string]struct{})
	settled = true
	for _, c := range a.proxies {
		settled = c.collect(names) && settled
	}
	once := make(map[channels.Channel]struct{}, len(names)) // a channel has a name at the proxy in each form
	for name := range names {
		if bare, ok := strings.CutPrefix(name, a.prefix); ok {
			if channel, ok := channels.FromGrip(bare); ok {
				once[channel] = struct{}{}
			}
		}
	}
	return slices.Collect(maps.Keys(once)), settled
}

// Changed has a value when what Watched returns may be another than when the last value was taken.
func (a *Audience) Changed() <-chan struct{} { return a.changed }

func (a *Audience) change() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// StatsStatus is how the reading of one stats socket does.
type StatsStatus struct {
	Endpoint string
	State    channels.PresenceState
	// Counts is how many channels have listeners, each way of listening counted, and Viewers how many those are together.
	Counts, Viewers int
	// Listeners are the Viewers by how they listen, and to what kind of channel.
	Listeners map[Listening]int
}

// Status tells how each proxy's stats socket does, in the order of the endpoints.
func (a *Audience) Status() []StatsStatus {
	list := make([]StatsStatus, len(a.proxies))
	for i, c := range a.proxies {
		list[i] = c.status()
	}
	return list
}

// A counter is what is known of one proxy.
type counter struct {
	endpoint, prefix string
	changed          func()

	mu sync.Mutex
	// asked tells that a connection was tried: before, a proxy is not away but unknown.
	asked bool
	// since is when the connection was made; zero without one.
	since time.Time
	// repeats is the longest time in which the proxy repeats its statistics.
	repeats time.Duration
	counts  map[string]map[string]count // by channel and mode
	entries int
}

type count struct {
	subscribers int
	until       time.Time
}

// run reads the socket, and dials again whenever the connection is lost, until ctx ends.
func (c *counter) run(ctx context.Context, log *slog.Logger) {
	pause, told := firstStatsDial, false
	missing := time.Now()
	for ctx.Err() == nil {
		started := time.Now()
		err := c.follow(ctx, log)
		c.lose()
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > 2*lastStatsDial {
			pause, told, missing = firstStatsDial, false, time.Now()
		}
		// A proxy that starts at the same time as we do is nothing to speak of.
		if !told && time.Since(missing) > startPatience {
			log.Warn("no statistics of viewers, trying again", "socket", c.endpoint, "error", err)
			told = true
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, lastStatsDial)
	}
}

// follow is one connection, from its making to its end.
func (c *counter) follow(ctx context.Context, log *slog.Logger) error {
	s, err := subscribe(ctx, c.endpoint, subPrefix)
	if err != nil {
		return err
	}
	defer s.close()
	c.begin()
	sweeping, stop := context.WithCancel(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for sleep(sweeping, sweepEvery) {
			c.sweep(time.Now())
		}
	}()
	defer func() { stop(); <-swept }()
	complained := false
	return s.receive(ctx, func(message []byte) {
		sub, err := parseSubscription(message)
		if err == nil {
			c.take(sub, time.Now())
		} else if !complained {
			complained = true
			log.Warn("a statistic of viewers cannot be read", "socket", c.endpoint, "error", err)
		}
	})
}

func (c *counter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.since, c.repeats = true, time.Now(), 0
	c.counts, c.entries = make(map[string]map[string]count), 0
}

// lose forgets everything: the viewers of a proxy that has died are gone, and those of one that lives are told of again.
func (c *counter) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.since = true, time.Time{}
	c.counts, c.entries = nil, 0
	c.changed()
}

func (c *counter) take(s subscription, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.repeats = max(c.repeats, s.ttl)
	modes := c.counts[s.channel]
	before, known := modes[s.mode]
	switch {
	case s.subscribers == 0:
		c.drop(s.channel, s.mode)
	case known || c.entries < maxCounted:
		if modes == nil {
			modes = make(map[string]count, 1)
			c.counts[s.channel] = modes
		}
		if !known {
			c.entries++
		}
		modes[s.mode] = count{s.subscribers, now.Add(s.ttl)}
	}
	if (before.subscribers > 0) != (s.subscribers > 0) {
		c.changed()
	}
}

func (c *counter) drop(channel, mode string) {
	modes := c.counts[channel]
	if _, known := modes[mode]; !known {
		return
	}
	c.entries--
	if delete(modes, mode); len(modes) == 0 {
		delete(c.counts, channel)
	}
}

// sweep drops what has not been repeated in time.
func (c *counter) sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel, modes := range c.counts {
		for mode, n := range modes {
			if now.After(n.until) {
				c.drop(channel, mode)
				c.changed()
			}
		}
	}
}

// state is called with the lock held.
func (c *counter) state(now time.Time) channels.PresenceState {
	learning := statsTTL
	if c.repeats > 0 {
		learning = c.repeats
	}
	learning = learning*3/4 + learningSlack
	switch {
	case !c.asked:
		return channels.PresenceLearning
	case c.since.IsZero():
		return channels.PresenceAway
	case now.Sub(c.since) < learning:
		return channels.PresenceLearning
	}
	return channels.PresenceKnown
}

func (c *counter) presence(names []string) channels.Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := channels.Presence{State: c.state(time.Now())}
	for _, name := range names {
		for _, n := range c.counts[name] {
			p.Viewers += n.subscribers
		}
	}
	return p
}

// collect adds the channels' names, and tells whether these are all.
func (c *counter) collect(names map[string]struct{}) (settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.counts {
		names[name] = struct{}{}
	}
	return c.state(time.Now()) != channels.PresenceLearning
}

func (c *counter) status() StatsStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := StatsStatus{Endpoint: c.endpoint, State: c.state(time.Now()), Counts: c.entries, Listeners: make(map[Listening]int)}
	for channel, modes := range c.counts {
		for mode, n := range modes {
			s.Viewers += n.subscribers
			s.Listeners[listening(mode, channel, c.prefix)] += n.subscribers
		}
	}
	return s
}
