package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// pageSize bounds the rows of every list.
const pageSize = 50

// A logPage is the event log, newest first.
type logPage struct {
	Filter logFilter
	Events []channels.StoredEvent
	// Older is the address of the page after this one; empty for none.
	Older string
	// Live tells that the page is the newest, which grows.
	Live bool
	// Scopes are those that can be asked for.
	Scopes []channels.Scope
}

// A logFilter is a filter as the form has it.
type logFilter struct{ Channel, Type, Scope, Device, From, Until string }

func (s *Site) showLog(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	filter, query, err := readLogFilter(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := s.Overview.Browse(r.Context(), query)
	if err != nil {
		return err
	}
	data := logPage{
		Filter: filter, Events: found.Events, Live: query.Before == 0 && query.Until.IsZero(),
		Scopes: []channels.Scope{channels.ScopeChannel, channels.ScopeUser, channels.ScopeGlobal, channels.ScopeSystem},
	}
	if found.Next != 0 {
		data.Older = address("/admin", "channel", filter.Channel, "type", filter.Type, "scope", filter.Scope, "device", filter.Device,
			"from", filter.From, "until", filter.Until, "before", found.Next)
	}
	return s.show(w, r, by, &page{template: "log", Title: "Events", Section: "events", Data: data})
}

func readLogFilter(form url.Values) (logFilter, channels.EventQuery, error) {
	f := logFilter{form.Get("channel"), form.Get("type"), form.Get("scope"), form.Get("device"), form.Get("from"), form.Get("until")}
	q := channels.EventQuery{Channel: channels.Channel(f.Channel), Type: f.Type, Scope: channels.Scope(f.Scope), Limit: pageSize}
	// A type of devices alone is one, too.
	q.Device.Type, q.Device.ID, _ = strings.Cut(f.Device, "/")
	var err error
	if q.From, err = readTime(f.From); err != nil {
		return f, q, err
	}
	if q.Until, err = readTime(f.Until); err != nil {
		return f, q, err
	}
	q.Before, err = readPlace(form)
	return f, q, err
}

// readPlace reads where a page of a list begins.
func readPlace(form url.Values) (int64, error) {
	text := form.Get("before")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, &problem{http.StatusBadRequest, "There is no such page of this list."}
	}
	return n, nil
}

// readTime reads a time with its zone, as the script sends it, or one in UTC, as forms do without it.
func readTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &problem{http.StatusBadRequest, "Want a time such as 2025-01-15T12:00."}
}

// An eventPage is all that is known of one event.
type eventPage struct {
	*channels.Event
	Public     string
	Activities []channels.Activity
}

func (s *Site) showEvent(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	e, err := s.eventOf(r)
	if err != nil {
		return err
	}
	activities, err := s.Records.Activities(r.Context(), e.Original())
	if err != nil {
		return err
	}
	return s.show(w, r, by, &page{template: "event", Title: "Event " + e.ID.String(), Section: "events", Data: eventPage{&e, e.PublicID(), activities}})
}

func (s *Site) eventOf(r *http.Request) (channels.Event, error) {
	id, err := channels.ParseEventID(r.PathValue("id"))
	if err != nil {
		return channels.Event{}, errNoPage
	}
	return s.Log.Event(r.Context(), id)
}

func eventURL(id channels.EventID) string { return "/admin/events/" + id.String() }

func (s *Site) askReplay(r *http.Request) (question, error) {
	e, err := s.eventOf(r)
	if err != nil {
		return question{}, err
	}
	names := make([]string, len(e.Channels))
	for i, c := range e.Channels {
		names[i] = string(c)
	}
	return question{
		Title: fmt.Sprintf("Send event %s again?", e.ID),
		Text: fmt.Sprintf("It gets a new place at the end of %s. Who is watching is told that it is a replay; subscribers get it once more.",
			strings.Join(names, ", ")),
		Button: "Replay", Back: eventURL(e.ID),
	}, nil
}

func (s *Site) replay(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	e, err := s.eventOf(r)
	if err != nil {
		return err
	}
	events, err := channels.SendAgain(r.Context(), s.Log, s.Publisher, []channels.EventID{e.ID}, by.User)
	if err != nil {
		return err
	}
	if events[0].Dropped {
		return channels.ErrDrop
	}
	http.Redirect(w, r, eventURL(e.ID)+"?done=replayed", http.StatusSeeOther)
	return nil
}
