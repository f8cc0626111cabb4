package devices

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/griphub/griphub/channels"
)

// A Publisher stores a batch, all of it or nothing, and returns one event per draft once it is stored. A
// *channels.Publisher is one.
type Publisher interface {
	Publish(ctx context.Context, batch channels.Batch) ([]channels.Event, error)
}

// An Unknown tells what becomes of messages of devices that the registry does not have. The zero Unknown registers them.
type Unknown uint8

// What may become of such messages. The device of a state message cannot be registered, as a code tells neither its type
// nor its id: with RegisterUnknown such messages become refusals.
const (
	// RegisterUnknown adds the device to the registry.
	RegisterUnknown Unknown = iota
	// RefuseUnknown makes refusals of the messages.
	RefuseUnknown
	// IgnoreUnknown counts the messages, and keeps nothing of them.
	IgnoreUnknown
)

// Options of a Processor. The zero value registers unknown devices and caches up to 64 MiB.
type Options struct {
	// Unknown is what becomes of messages of devices that the registry does not have.
	Unknown Unknown
	// CacheBytes bounds the memory for what is known of devices; 0 for 64 MiB.
	CacheBytes int
	// KeepState tells whether the events of a type of devices keep what is known of the device (Kept) in their private data. nil keeps none.
	KeepState func(deviceType string) bool
}

const defaultCacheBytes = 64 << 20

// cacheAge bounds how far the cache may be behind the registry, where another process writes to it.
const cacheAge = 5 * time.Second

// A Processor turns messages into events, and keeps the registry in step with them. It is safe for
// concurrent use; batches are processed one after the other.
type Processor struct {
	publisher Publisher
	registry  Registry
	unknown   Unknown
	keepState func(deviceType string) bool

	mu    sync.Mutex
	cache *cache
	names names
	hooks patience

	events, refused, repeated, ignored, late atomic.Uint64
}

// NewProcessor returns a Processor that stores with the publisher and asks the registry for devices that it has not
// met.
func NewProcessor(publisher Publisher, registry Registry, options Options) *Processor {
	if options.CacheBytes == 0 {
		options.CacheBytes = defaultCacheBytes
	}
	if options.KeepState == nil {
		options.KeepState = func(string) bool { return false }
	}
	return &Processor{
		publisher: publisher,
		registry:  registry,
		unknown:   options.Unknown,
		keepState: options.KeepState,
		cache:     newCache(options.CacheBytes),
		names:     make(names),
	}
}

// Stats counts what a Processor has stored since it was made.
type Stats struct {
	// Events that were new.
	Events uint64
	// Refused messages.
	Refused uint64
	// Repeated messages, whose own id was stored before.
	Repeated uint64
	// Ignored messages, of devices that are not registered.
	Ignored uint64
	// Late messages: the device itself had dated a message before them later.
	Late uint64
}

// Stats returns the counts so far.
func (p *Processor) Stats() Stats {
	return Stats{p.events.Load(), p.refused.Load(), p.repeated.Load(), p.ignored.Load(), p.late.Load()}
}

// Forget empties the cache. It is called when another instance may have written to the registry, such as on becoming
// the active one.
func (p *Processor) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache = newCache(p.cache.most)
}

// Process stores what the messages say in one transaction: events and refusals in message order, each device as it
// is after all of them, and state, which the log must know. nil means that all of it is durable. A message that
// cannot be an event is refused and holds up nothing. With an error nothing was stored, and the caller tries the
// same messages again; only when ctx ends during the transaction, or the database's answer is lost, is the outcome
// unknown. A Mark in state makes trying again harmless then, and its errors are Process's, but for ErrMarkWritten: all is
// durable.
func (p *Processor) Process(ctx context.Context, messages []Message, state ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	reports := readAll(messages)
	v, err := p.look(ctx, reports)
	if err != nil {
		return fmt.Errorf("process %d messages: %w", len(messages), err)
	}
	folding, events, err := p.publish(ctx, reports, v, state)
	if err != nil {
		// Whether the registry has changed is not known if ctx has ended.
		for ref := range v.before {
			p.cache.drop(ref)
		}
		if errors.Is(err, ErrMarkWritten) {
			return nil // viewers find the events in the log, as where any answer is lost
		}
		return fmt.Errorf("process %d messages: %w", len(messages), err)
	}
	p.keep(folding, v)
	p.count(folding, events)
	p.forgetRepeated(ctx, reports, v, folding, events)
	return nil
}

// publish stores the batch. A draft that the publisher finds wrong becomes a refusal, and the rest is tried again.
func (p *Processor) publish(ctx context.Context, reports []report, v *view, state []any) (*folding, []channels.Event, error) {
	for {
		f := p.fold(reports, v)
		batch := f.batch
		batch.State = append(batch.State, state...)
		if len(batch.Drafts)+len(batch.Refused)+len(batch.State) == 0 {
			return f, nil, nil
		}
		events, err := p.publisher.Publish(ctx, batch)
		var unwanted channels.RefusedDrafts
		if errors.As(err, &unwanted) && refuse(reports, f, unwanted) {
			continue
		}
		var wrong *channels.DraftError
		if errors.As(err, &wrong) && wrong.Index >= 0 && wrong.Index < len(f.drafted) {
			reports[f.drafted[wrong.Index]].refused = wrong.Err.Error()
			continue
		}
		var failed *channels.HookError
		if errors.As(err, &failed) && len(f.drafted) > 0 && p.hooks.ends(time.Now()) {
			for _, i := range f.drafted {
				reports[i].refused = failed.Error()
			}
			continue
		}
		return f, events, err
	}
}

// refuse makes refusals of all the drafts, and tells whether there were any.
func refuse(reports []report, f *folding, drafts []*channels.DraftError) (any bool) {
	for _, d := range drafts {
		if d.Index >= 0 && d.Index < len(f.drafted) {
			reports[f.drafted[d.Index]].refused = d.Err.Error()
			any = true
		}
	}
	return any
}

// keep puts into the cache what is now in the registry.
func (p *Processor) keep(f *folding, v *view) {
	for ref, device := range v.before {
		if changed, ok := f.after[ref]; ok {
			changed.loaded, changed.told = device.loaded, Measures{}
			device = changed
		}
		p.cache.put(ref, device)
	}
}

func (p *Processor) count(f *folding, events []channels.Event) {
	p.refused.Add(uint64(len(f.batch.Refused)))
	p.ignored.Add(f.ignored)
	p.late.Add(f.late)
	for i := range events {
		switch {
		case events[i].Dropped:
		case events[i].Repeated:
			p.repeated.Add(1)
		default:
			p.events.Add(1)
		}
	}
}

// forgetRepeated puts right the devices of messages that turned out to be repetitions of older ones: the log has
// dropped their events, but what they said of the device was stored again over what was newer. That only the
// commit can tell is why this is a second one. Should it fail, the next message of the device overwrites its values.
func (p *Processor) forgetRepeated(ctx context.Context, reports []report, v *view, first *folding, events []channels.Event) {
	stale := make(map[channels.DeviceRef]bool)
	for i := range events {
		if events[i].Repeated && i < len(first.drafted) {
			r := &reports[first.drafted[i]]
			r.repeated = true
			stale[r.ref] = true
		}
	}
	if len(stale) == 0 {
		return
	}
	again := p.fold(reports, v)
	var changes Changes
	for _, ref := range first.order {
		if !stale[ref] {
			continue
		}
		device, ok := again.after[ref]
		if !ok && !v.before[ref].registered {
			continue
		}
		if !ok {
			device = v.before[ref]
		}
		changes = append(changes, device.change(ref, false))
		p.cache.drop(ref)
	}
	if len(changes) == 0 {
		return
	}
	// The cache asks the registry either way, so an error needs no other answer.
	_, _ = p.publisher.Publish(ctx, channels.Batch{State: []any{changes}})
}
