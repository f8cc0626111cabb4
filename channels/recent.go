package channels

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// recentLife is for how long a page is remembered: as long as it takes viewers who are cut off together to come back, and
	// not much longer than what another process trims shall be shown.
	recentLife = 5 * time.Second
	// recentEvents is the least that is worth remembering: the head, which is asked for all the same, takes as long as a few events.
	recentEvents = 4
)

// A Recent is a Log that remembers what was read of it last, of each channel the newest events, so that viewers who come back
// at the same time from places near each other do not each make the log read them. What it remembers holds while the log's head is
// where it was, which it asks; what is trimmed through it is forgotten at once. Make one with NewRecent.
type Recent struct {
	Log
	bytes int
	now   func() time.Time

	mu    sync.Mutex
	pages map[Channel]recentPage
	size  int // of the pages' data
}

// A recentPage is a page up to the head.
type recentPage struct {
	after Seq // the position that it was read from
	Page
	until time.Time
}

// NewRecent remembers up to about so many bytes of the log's events. now is the clock.
func NewRecent(log Log, bytes int, now func() time.Time) *Recent {
	return &Recent{Log: log, bytes: bytes, now: now, pages: make(map[Channel]recentPage)}
}

// Read does what the Log's does. Nobody may change the events.
func (r *Recent) Read(ctx context.Context, after Cursor, limit int) ([]Page, error) {
	if known := r.known(after, limit); known != nil {
		chans := make([]Channel, len(after))
		for i, p := range after {
			chans[i] = p.Channel
		}
		heads, err := r.Heads(ctx, chans)
		if err != nil {
			return nil, err
		}
		// All at one moment, or none.
		if !slices.ContainsFunc(known, func(p Page) bool { head, _ := heads.Find(p.Channel); return head != p.Next }) {
			return known, nil
		}
	}
	pages, err := r.Log.Read(ctx, after, limit)
	if err == nil {
		r.remember(after, pages)
	}
	return pages, err
}

// known returns the pages as far as is remembered, where one is: a channel of which nothing is may have nothing new.
func (r *Recent) known(after Cursor, limit int) []Page {
	r.mu.Lock()
	defer r.mu.Unlock()
	pages, any := make([]Page, len(after)), false
	for i, p := range after {
		pages[i] = Page{Channel: p.Channel, Next: p.Seq}
		if events, ok := r.pages[p.Channel].following(p.Seq, r.now()); ok && len(events) <= limit {
			pages[i].Events, pages[i].Next = events, r.pages[p.Channel].Next
			any = true
		}
	}
	if !any {
		return nil
	}
	return pages
}

// following returns the events after the position; ok is false where that is no place that is known.
func (p recentPage) following(after Seq, now time.Time) (events []Event, ok bool) {
	if now.After(p.until) {
		return nil, false
	}
	if after == p.after {
		return p.Events, true
	}
	for i := range p.Events {
		if p.Events[i].Seq(p.Channel) == after {
			return p.Events[i+1:], true
		}
	}
	return nil, false
}

func (r *Recent) remember(after Cursor, pages []Page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range pages {
		page := pages[i]
		if page.Lost || page.More || len(page.Events) < recentEvents {
			continue
		}
		r.forget(page.Channel)
		if r.size += page.size(); r.size > r.bytes {
			clear(r.pages)
			r.size = page.size()
		}
		r.pages[page.Channel] = recentPage{after[i].Seq, page, r.now().Add(recentLife)}
	}
}

func (r *Recent) forget(c Channel) {
	if page, ok := r.pages[c]; ok {
		r.size -= page.size()
		delete(r.pages, c)
	}
}

func (p *Page) size() int {
	const overhead = 400 // of an event without its data, about
	n := 0
	for i := range p.Events {
		n += overhead + len(p.Events[i].Data)
	}
	return n
}

// Trim does what the Log's does, and forgets what may be gone.
func (r *Recent) Trim(ctx context.Context, keep func(Channel) Retention, now time.Time) (int, error) {
	n, err := r.Log.Trim(ctx, keep, now)
	if n > 0 || err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		clear(r.pages)
		r.size = 0
	}
	return n, err
}
