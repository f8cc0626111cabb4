package store

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A browsing is one page of events being read. What differs between databases is how a statement is run.
type browsing struct {
	statements
	// fill says what there is to browse, and how it is numbered.
	fill *strings.Replacer
	args map[string]any
	// number runs a statement that returns a number, or no row; events one that returns events after their places.
	number func(ctx context.Context, text string, args map[string]any) (n int64, ok bool, err error)
	events func(ctx context.Context, text string, args map[string]any) ([]placedEvent, error)
}

// A placedEvent is an event with its number among the entries.
type placedEvent struct {
	place int64
	channels.StoredEvent
}

func scanPlaced(row scanner) (e placedEvent, err error) {
	var stored int64
	e.Event, err = scanEvent(prefixed{row, []any{&e.place, &stored}})
	e.Stored = time.UnixMicro(stored).UTC()
	return e, err
}

func (b *browsing) page(ctx context.Context, q channels.EventQuery) (page channels.EventPage, err error) {
	b.args = map[string]any{"after": int64(0), "before": before(q.Before)}
	b.fill = strings.NewReplacer("ENTRIES", b.statements["entries"], "PLACE", "e.id")
	if q.Channel != "" {
		// The planner of a database has to know which channel it is: some have an event, others millions.
		id, ok, err := b.number(ctx, b.statements["channel id"], map[string]any{"name": string(q.Channel)})
		if err != nil || !ok {
			return page, err
		}
		b.args["channel"] = id
		b.fill = strings.NewReplacer("ENTRIES", b.statements["entries of channel"], "PLACE", "p.seq")
	}
	if err := b.bound(ctx, q); err != nil {
		return page, err
	}
	if q.Filters() {
		if page.Next, err = b.horizon(ctx); err != nil {
			return page, err
		}
	}
	found, err := b.events(ctx, b.find(q), b.args)
	if err != nil {
		return page, err
	}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = found[q.Limit-1].place
	}
	for _, e := range found {
		page.Events = append(page.Events, e.StoredEvent)
	}
	return page, nil
}

// bound finds the entries that were stored between the query's times.
func (b *browsing) bound(ctx context.Context, q channels.EventQuery) error {
	text := b.fill.Replace(b.statements["stored before"])
	for name, moment := range map[string]time.Time{"after": q.From, "before": q.Until} {
		if moment.IsZero() {
			continue
		}
		last, _, err := b.number(ctx, text, b.and("moment", microCeil(moment)))
		if err != nil {
			return err
		}
		if name == "before" {
			last = min(last+1, b.args["before"].(int64))
		}
		b.args[name] = last
	}
	return nil
}

// horizon bounds how much is looked through, and returns where to go on; 0 where that is everything.
func (b *browsing) horizon(ctx context.Context) (int64, error) {
	n, ok, err := b.number(ctx, b.fill.Replace(b.statements["horizon"]), b.and("depth", channels.BrowseDepth-1))
	if err != nil || !ok {
		return 0, err
	}
	b.args["after"] = n - 1
	return n, nil
}

// find is the statement that reads the page and one event more, with its arguments.
func (b *browsing) find(q channels.EventQuery) string {
	text := b.statements["browse"]
	for _, condition := range []struct{ statement, name, value string }{
		{"of type", "type", q.Type}, {"of scope", "scope", string(q.Scope)},
		{"of device type", "device_type", q.Device.Type}, {"of device", "device_id", q.Device.ID},
	} {
		if condition.value != "" {
			text += "\n  AND " + b.statements[condition.statement]
			b.args[condition.name] = condition.value
		}
	}
	b.args["limit"] = q.Limit + 1
	return b.fill.Replace(text + "\n" + b.statements["newest first"])
}

// and are the arguments with one more, which later statements do not have.
func (b *browsing) and(name string, value any) map[string]any {
	args := maps.Clone(b.args)
	args[name] = value
	return args
}

func scanChannelInfo(row scanner) (c channels.ChannelInfo, err error) {
	var oldest, newest *int64
	err = row.Scan(&c.Channel, &c.Head, &oldest, &newest, &c.Recent)
	c.Oldest, c.Newest = fromMicro(oldest), fromMicro(newest)
	return c, err
}
