package devices

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
)

// An Audience tells which channels have listeners.
type Audience interface {
	// Watched returns the channels with at least one listener. settled tells that there are no others: nobody who was
	// there before is still being learned of.
	Watched() (watched []channels.Channel, settled bool)
	// Changed has a value when Watched may have another answer than before.
	Changed() <-chan struct{}
}

// A Teller tells devices whether they are watched. What it has told stays told until it tells something else, over
// restarts of everything: an MQTT broker retains it.
type Teller interface {
	// Tell returns when the device's topic says so for good. It may be called concurrently for different devices.
	Tell(ctx context.Context, device channels.DeviceRef, watched bool) error
}

const (
	// DefaultWatchHold is how long a device stays watched after its last viewer has gone.
	DefaultWatchHold = 7 * time.Second
	// watchBatch bounds the devices that are told at the same time, and watchPace is the least time between two such
	// batches: a dashboard of a large type that opens must not flood the broker.
	watchBatch, watchPace = 50, 50 * time.Millisecond
	// watchRelist is how often the devices of a watched type are listed again, for those that are new, and how often
	// a device that is watched and not known is looked for again.
	watchRelist = 30 * time.Second
	// watchTick is how often the watcher looks at the time.
	watchTick = time.Second
	// watchAgain is the pause after a failure.
	watchAgain = 5 * time.Second
)

// A Watcher tells devices whether somebody watches them, so that they can report quickly only then: at once when the first
// viewer comes to the device's channel or to that of its type, and a while after the last has gone, so that a page
// that is loaded again makes no difference. It tells registered devices only, and those alone for which something
// changes. Make one with NewWatcher.
type Watcher struct {
	audience Audience
	registry Registry
	teller   Teller
	hold     time.Duration
	log      *slog.Logger
	wake     chan struct{}

	mu sync.Mutex
	// told are the devices that were told that they are watched, in this term or, as the broker has it, in an earlier one.
	told map[channels.DeviceRef]struct{}
	// stale tells that there may be devices in told which nobody watches, renewed that everybody is to be told again.
	stale, renewed bool

	// What follows is Run's alone.

	// devices and types have listeners, or had them lately.
	devices map[channels.DeviceRef]*watch
	types   map[string]*watch
	over    []channels.DeviceRef // to be told that nobody watches
}

// A watch is a channel of a device or a type with listeners.
type watch struct {
	// last is when it was last seen with listeners.
	last time.Time
	// asked is when the registry was last asked about it; after is where the list of a type's devices goes on, whole
	// tells that it has come to its end.
	asked time.Time
	after channels.DeviceRef
	whole bool
}

// NewWatcher returns a Watcher. hold is how long a device stays watched after its last viewer; 0 for DefaultWatchHold.
func NewWatcher(audience Audience, registry Registry, teller Teller, hold time.Duration, log *slog.Logger) *Watcher {
	if hold == 0 {
		hold = DefaultWatchHold
	}
	return &Watcher{
		audience: audience, registry: registry, teller: teller, hold: hold, log: log,
		wake:    make(chan struct{}, 1),
		told:    make(map[channels.DeviceRef]struct{}),
		devices: make(map[channels.DeviceRef]*watch),
		types:   make(map[string]*watch),
	}
}

// Renewed takes back all that was told: the broker is another, or forgot, and says with Heard what it knows.
func (w *Watcher) Renewed() {
	w.mu.Lock()
	clear(w.told)
	w.renewed = true
	w.mu.Unlock()
	w.wakeUp()
}

// Heard takes what the broker retains of an earlier term: the device was told that it is watched, or that it is not.
func (w *Watcher) Heard(device channels.DeviceRef, watched bool) {
	w.note(device, watched)
	if watched {
		w.markStale()
	}
	w.wakeUp()
}

func (w *Watcher) markStale() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = true
}

func (w *Watcher) note(device channels.DeviceRef, watched bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watched {
		w.told[device] = struct{}{}
	} else {
		delete(w.told, device)
	}
}

func (w *Watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run tells devices until ctx ends, and returns nil. What it has told stays: whoever runs next hears it. It may be called
// once.
func (w *Watcher) Run(ctx context.Context) error {
	started := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-w.wake:
		case <-w.audience.Changed():
		}
		// Nobody is taken for gone before there was time to see who is there.
		more, err := w.step(ctx, time.Now(), time.Since(started) > w.hold)
		pause := watchTick
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.log.Warn("cannot tell devices whether they are watched, trying again", "error", err)
			pause = watchAgain
		case more:
			pause = 0
		}
		// Also wake-ups keep the pace.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPace):
		}
		timer.Reset(pause)
	}
}

// step looks who is there and tells one batch of devices. more tells that others wait.
func (w *Watcher) step(ctx context.Context, now time.Time, mayEnd bool) (more bool, err error) {
	w.look(now, mayEnd)
	begin, more, err := w.begun(ctx, now)
	if err != nil {
		return false, err
	}
	if err := w.tell(ctx, begin, true); err != nil {
		return false, err
	}
	if len(begin) > 0 {
		return true, nil
	}
	end := w.over[:min(len(w.over), watchBatch)]
	w.over = w.over[len(end):]
	if err := w.tell(ctx, end, false); err != nil {
		w.markStale()
		return false, err
	}
	return more || len(w.over) > 0, nil
}

// look takes over who is there, and lets go whom nobody has watched for a while.
func (w *Watcher) look(now time.Time, mayEnd bool) {
	if w.takeFlag(&w.renewed) {
		for _, watch := range w.types {
			watch.asked, watch.after, watch.whole = time.Time{}, channels.DeviceRef{}, false
		}
	}
	watched, settled := w.audience.Watched()
	for _, channel := range watched {
		ref, ok := channels.DeviceOf(channel)
		switch {
		case !ok:
		case ref.ID == "":
			see(w.types, ref.Type, now)
		case checkRef(ref) == nil:
			see(w.devices, ref, now)
		}
	}
	if !settled || !mayEnd {
		return
	}
	gone := forget(w.devices, now.Add(-w.hold))
	if forget(w.types, now.Add(-w.hold)) || gone || w.takeFlag(&w.stale) {
		w.over = w.unwatched()
	}
}

func see[K comparable](all map[K]*watch, key K, now time.Time) {
	if w := all[key]; w != nil {
		w.last = now
	} else {
		all[key] = &watch{last: now}
	}
}

// forget drops those not seen since the moment, and tells whether there were any.
func forget[K comparable](all map[K]*watch, since time.Time) bool {
	before := len(all)
	maps.DeleteFunc(all, func(_ K, w *watch) bool { return w.last.Before(since) })
	return len(all) < before
}

// takeFlag clears a flag and returns what it was.
func (w *Watcher) takeFlag(flag *bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := *flag
	*flag = false
	return was
}

// unwatched returns the devices that were told that they are watched and are not.
func (w *Watcher) unwatched() []channels.DeviceRef {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []channels.DeviceRef
	for ref := range w.told {
		if !w.isWatched(ref) {
			list = append(list, ref)
		}
	}
	return list
}

func (w *Watcher) isWatched(ref channels.DeviceRef) bool {
	return w.devices[ref] != nil || w.types[ref.Type] != nil
}

// begun returns devices that are watched and have not been told: those with viewers of their own first, then a page
// of those of watched types.
func (w *Watcher) begun(ctx context.Context, now time.Time) (begin []channels.DeviceRef, more bool, err error) {
	var ask []channels.DeviceRef
	for ref, watch := range w.devices {
		if len(ask) == watchBatch {
			more = true
			break
		}
		if !w.wasTold(ref) && now.Sub(watch.asked) >= watchRelist {
			ask = append(ask, ref)
		}
	}
	if len(ask) > 0 {
		found, err := w.registry.Devices(ctx, ask)
		if err != nil {
			return nil, false, fmt.Errorf("look for %d devices: %w", len(ask), err)
		}
		for _, ref := range ask {
			w.devices[ref].asked = now
		}
		list := refs(found)
		for _, ref := range list {
			w.devices[ref].asked = time.Time{} // known: if it cannot be told, it is another try's
		}
		return list, true, nil
	}
	for deviceType, watch := range w.types {
		if watch.whole && now.Sub(watch.asked) < watchRelist {
			continue
		}
		page, err := w.registry.List(ctx, Filter{Type: deviceType}, watch.after, watchBatch)
		if err != nil {
			return nil, false, fmt.Errorf("list devices of type %s: %w", deviceType, err)
		}
		list := refs(page)
		watch.asked, watch.whole, watch.after = now, len(page) < watchBatch, channels.DeviceRef{}
		if !watch.whole {
			watch.after = list[len(list)-1]
		}
		return slices.DeleteFunc(list, w.wasTold), true, nil
	}
	return nil, more, nil
}

func refs(list []Device) []channels.DeviceRef {
	all := make([]channels.DeviceRef, len(list))
	for i := range list {
		all[i] = list[i].DeviceRef
	}
	return all
}

func (w *Watcher) wasTold(ref channels.DeviceRef) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, told := w.told[ref]
	return told
}

// tell tells the devices and returns when all know, or with the error of one when all were tried. Those that do not know
// are not noted.
func (w *Watcher) tell(ctx context.Context, list []channels.DeviceRef, watched bool) error {
	var g errgroup.Group
	for _, ref := range list {
		if !watched && w.isWatched(ref) {
			continue // somebody has come back meanwhile
		}
		g.Go(func() error {
			if err := w.teller.Tell(ctx, ref, watched); err != nil {
				return fmt.Errorf("tell %s/%s: %w", ref.Type, ref.ID, err)
			}
			w.note(ref, watched)
			return nil
		})
	}
	return g.Wait()
}
