package devices

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/griphub/griphub/channels"
)

// A Source is where messages of devices come from. mqttbridge's Bridge and Broker are Sources.
type Source interface {
	// Connected tells whether messages of devices come in.
	Connected() bool
	// Err tells why they do not, or why they cannot be stored; nil where all is well.
	Err() error
	// Report has the messages processed in their turn, behind all that has come in. It returns when they are queued.
	Report(ctx context.Context, messages []Message) error
}

// A Silence tells which devices are silent.
type Silence interface {
	// Silent returns active devices that are not offline and were last seen before the moment, but were seen, in the order
	// of type and id, those after the given one. limit is 1 or more.
	Silent(ctx context.Context, before time.Time, after channels.DeviceRef, limit int) ([]channels.DeviceRef, error)
}

// MonitorOptions are what a Monitor works with. Fields without a remark are required.
type MonitorOptions struct {
	// Overdue is after how much silence a device is offline: its heartbeat times a grace.
	Overdue time.Duration
	Logger  *slog.Logger
	// Now is the clock, nil for time.Now. It may be set; the monitor then begins to listen anew.
	Now func() time.Time
}

// A Monitor finds devices that fell silent. Silence counts only while the Source was connected without a break and what it
// brought was stored: after a start, or an outage of whomever, every device has all of Overdue to be heard. So nobody is
// taken for silent who was not listened to, and a hub that is restarted within shorter times than Overdue finds nobody.
type Monitor struct {
	source  Source
	silence Silence
	options MonitorOptions

	// listening is since when devices could be heard, zero for not now; looked is when that was true last.
	listening, looked time.Time
}

// Bounds of a Monitor: how often it looks, and how many devices it finds at a time, once a second.
const (
	minLook, maxLook = 100 * time.Millisecond, 30 * time.Second
	silentBatch      = 500
	silentPause      = time.Second
)

// NewMonitor returns a Monitor of the devices that the source brings messages of.
func NewMonitor(source Source, silence Silence, options MonitorOptions) *Monitor {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Monitor{source: source, silence: silence, options: options}
}

// Run looks for silent devices until ctx ends, and returns nil. It must be called once.
func (m *Monitor) Run(ctx context.Context) error {
	every := min(max(m.options.Overdue/20, minLook), maxLook)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := m.look(ctx, every); err != nil && ctx.Err() == nil {
			m.options.Logger.Warn("look for silent devices", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look reports the devices that are overdue.
func (m *Monitor) look(ctx context.Context, every time.Duration) error {
	now := m.now()
	if !m.hears() {
		m.listening = time.Time{}
		return nil
	}
	// A machine that slept, and a clock that was set, have not listened either.
	if gap := now.Sub(m.looked); gap < 0 || gap > 3*every+silentPause {
		m.listening = time.Time{}
	}
	m.looked = now
	if m.listening.IsZero() {
		m.listening = now
	}
	since := now.Add(-m.options.Overdue)
	if m.listening.After(since) {
		return nil
	}
	return m.report(ctx, since)
}

func (m *Monitor) hears() bool { return m.source.Connected() && m.source.Err() == nil }

// now is the time of day alone: the clock that only counts stands still while some machines sleep.
func (m *Monitor) now() time.Time { return m.options.Now().Round(0) }

// report reports all devices that were not heard since then, a bounded number a second.
func (m *Monitor) report(ctx context.Context, since time.Time) error {
	var after channels.DeviceRef
	for {
		refs, err := m.silence.Silent(ctx, since, after, silentBatch)
		if err != nil || len(refs) == 0 {
			return err
		}
		messages := make([]Message, len(refs))
		for i, ref := range refs {
			messages[i] = Message{Kind: KindSilence, Type: ref.Type, ID: ref.ID, Received: m.now(), Silent: since}
		}
		if err := m.source.Report(ctx, messages); err != nil {
			return fmt.Errorf("report %d silent devices: %w", len(refs), err)
		}
		if len(refs) < silentBatch {
			return nil
		}
		after = refs[len(refs)-1]
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(silentPause):
		}
		if m.looked = m.now(); !m.hears() {
			return nil // the next look sees
		}
	}
}
