package devices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/channels"
)

// A post is a source and a registry that a monitor watches.
type post struct {
	mu        sync.Mutex
	away      bool
	err       error // of storing
	down      error // of the registry
	seen      map[string]time.Time
	reported  []string
	most      int // of one report
	log       bytes.Buffer
	lookedFor int
}

func (p *post) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *post) Connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away
}

func (p *post) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *post) Silent(_ context.Context, before time.Time, after channels.DeviceRef, limit int) ([]channels.DeviceRef, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookedFor++
	var refs []channels.DeviceRef
	for id, seen := range p.seen {
		if seen.Before(before) && id > after.ID {
			refs = append(refs, channels.DeviceRef{Type: "pump", ID: id})
		}
	}
	slices.SortFunc(refs, compareRefs)
	if p.down != nil {
		return nil, p.down
	}
	return refs[:min(limit, len(refs))], nil
}

func (p *post) Report(_ context.Context, messages []Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		if m.Kind == KindSilence && p.seen[m.ID].Before(m.Silent) {
			p.reported = append(p.reported, m.ID)
			delete(p.seen, m.ID)
		}
	}
	p.most = max(p.most, len(messages))
	return nil
}

func (p *post) got() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.reported, " ")
}

// monitored runs a monitor, for which a device is overdue after ten minutes, in a bubble where time passes by itself.
func monitored(t *testing.T, p *post, do func(now func() time.Time, skip func(time.Duration))) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var skipped time.Duration
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(skipped)
		}
		ctx, stop := context.WithCancel(t.Context())
		m := NewMonitor(p, p, MonitorOptions{Overdue: 10 * time.Minute, Logger: slog.New(slog.NewTextHandler(&p.log, nil)), Now: now})
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		do(now, func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			skipped += d
		})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (p *post) want(t *testing.T, when, want string) {
	t.Helper()
	synctest.Wait()
	if got := p.got(); got != want {
		t.Errorf("%s: reported are %q, want %q", when, got, want)
	}
}

func TestAMonitorReportsWhoIsOverdue(t *testing.T) {
	p := &post{seen: map[string]time.Time{}}
	monitored(t, p, func(now func() time.Time, _ func(time.Duration)) {
		p.set(func() { p.seen["old"], p.seen["a"] = now().Add(-time.Hour), now() })
		time.Sleep(9 * time.Minute)
		p.set(func() { p.seen["b"] = now() })
		p.want(t, "at the start everyone has time", "")
		p.set(func() {
			if p.lookedFor > 0 {
				t.Error("it looks before anyone can be overdue")
			}
		})
		time.Sleep(2 * time.Minute)
		p.want(t, "after ten minutes", "old a")
		time.Sleep(time.Hour)
		p.want(t, "later", "old a b")
	})
}

func TestAnOutageGivesEveryoneTimeAgain(t *testing.T) {
	for name, outage := range map[string]func(p *post, skip func(time.Duration)) (end func()){
		"of the broker": func(p *post, _ func(time.Duration)) func() {
			p.set(func() { p.away = true })
			return func() { p.set(func() { p.away = false }) }
		},
		"of the database": func(p *post, _ func(time.Duration)) func() {
			p.set(func() { p.err = errors.New("the disk is full") })
			return func() { p.set(func() { p.err = nil }) }
		},
		"of the machine": func(_ *post, skip func(time.Duration)) func() {
			skip(time.Hour)
			return func() {}
		},
		"of the clock": func(_ *post, skip func(time.Duration)) func() {
			skip(-time.Hour)
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &post{seen: map[string]time.Time{}}
			monitored(t, p, func(now func() time.Time, skip func(time.Duration)) {
				for range 30 {
					p.set(func() { p.seen["a"] = now() })
					time.Sleep(time.Minute)
				}
				end := outage(p, skip)
				time.Sleep(31 * time.Second) // of which it hears
				p.set(func() { p.seen["b"] = now().Add(-11 * time.Minute) })
				if name != "of the machine" && name != "of the clock" {
					time.Sleep(time.Hour)
				}
				end()
				time.Sleep(9 * time.Minute)
				p.want(t, "nine minutes after the outage", "")
				time.Sleep(2 * time.Minute)
				if got := p.got(); !strings.Contains(got, "b") {
					t.Errorf("eleven minutes after the outage: reported are %q", got)
				}
			})
		})
	}
}

func TestAMonitorGoesOnAfterAnError(t *testing.T) {
	p := &post{seen: map[string]time.Time{}, down: errors.New("the registry is locked")}
	monitored(t, p, func(now func() time.Time, _ func(time.Duration)) {
		p.set(func() { p.seen["a"] = now() })
		time.Sleep(12 * time.Minute)
		p.want(t, "without the registry", "")
		p.set(func() { p.down = nil })
		time.Sleep(time.Minute)
		p.want(t, "with it", "a")
	})
	if !strings.Contains(p.log.String(), "the registry is locked") {
		t.Errorf("the log is %s", &p.log)
	}
}

func TestAFleetIsReportedBitByBit(t *testing.T) {
	p := &post{seen: map[string]time.Time{}}
	monitored(t, p, func(now func() time.Time, _ func(time.Duration)) {
		p.set(func() {
			for i := range 2100 {
				p.seen[fmt.Sprintf("%04d", i)] = now()
			}
		})
		begin := time.Now()
		for len(p.got()) < 2100*5-1 && time.Since(begin) < time.Hour {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(begin); took < 10*time.Minute+4*time.Second || took > 11*time.Minute || p.most != 500 {
			t.Errorf("it took %v, %d at most at a time", took, p.most)
		}
	})
}
