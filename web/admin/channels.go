package admin

import (
	"fmt"
	"net/http"
	"time"

	"github.com/griphub/griphub/channels"
)

// recently is for how long back a channel's rate is counted.
const recently = time.Minute

// A channelsPage is a list of channels.
type channelsPage struct {
	Text     string
	Channels []channelRow
	Next     string
}

// A channelRow is what is known of a channel, and what the rules say of it.
type channelRow struct {
	channels.ChannelInfo
	channels.Rule
	Watched watched
}

// Rate is how many events a minute the channel has now.
func (r channelRow) Rate() string {
	if r.Recent == channels.MaxRecent {
		return fmt.Sprintf("%d+", r.Recent)
	}
	return fmt.Sprint(r.Recent)
}

// Keeps is what the log keeps of the channel, in words.
func (r channelRow) Keeps() string {
	switch {
	case r.Unstored:
		return "nothing"
	case r.Retention.Age > 0 && r.Retention.Count > 0:
		return fmt.Sprintf("%s, newest %d", span(r.Retention.Age), r.Retention.Count)
	case r.Retention.Count > 0:
		return fmt.Sprintf("newest %d", r.Retention.Count)
	case r.Retention.Age > 0:
		return span(r.Retention.Age)
	}
	return "everything"
}

// span is a duration as people say it.
func span(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= unit.size && d%unit.size == 0 {
			return fmt.Sprintf("%d %s", d/unit.size, unit.name)
		}
	}
	return d.String()
}

// watched tells how many connections listen to a channel.
type watched struct {
	Viewers int
	// Known is false where no proxy tells, Sure where some do not, or not yet.
	Known, Sure bool
}

func (s *Site) watched(c channels.Channel) watched {
	var w watched
	if s.Audience == nil {
		return w
	}
	w.Sure = true
	for _, p := range s.Audience.Presence(c) {
		w.Viewers += p.Viewers
		w.Known = w.Known || p.State != channels.PresenceAway
		w.Sure = w.Sure && p.State == channels.PresenceKnown
	}
	return w
}

func (s *Site) row(info channels.ChannelInfo) channelRow {
	return channelRow{info, s.Rules.For(info.Channel), s.watched(info.Channel)}
}

func (s *Site) listChannels(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	form := r.URL.Query()
	data := channelsPage{Text: form.Get("text")}
	list, err := s.Overview.Channels(r.Context(), channels.ChannelQuery{
		Text: data.Text, After: channels.Channel(form.Get("after")), Since: s.Now().Add(-recently), Limit: pageSize + 1,
	})
	if err != nil {
		return err
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		data.Next = address("/admin/channels", "text", data.Text, "after", list[pageSize-1].Channel)
	}
	for _, info := range list {
		data.Channels = append(data.Channels, s.row(info))
	}
	return s.show(w, r, by, &page{template: "channels", Title: "Channels", Section: "channels", Data: data})
}

func (s *Site) showChannel(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	name := channels.Channel(r.URL.Query().Get("name"))
	list, err := s.Overview.Channels(r.Context(), channels.ChannelQuery{Name: name, Since: s.Now().Add(-recently), Limit: 1})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		// One that keeps nothing is not in the log, but has a rule and viewers.
		if _, err := channels.ParseChannel(string(name)); err != nil {
			return channels.ErrNotFound
		}
		list = []channels.ChannelInfo{{Channel: name}}
	}
	return s.show(w, r, by, &page{template: "channel", Title: string(name), Section: "channels", Data: s.row(list[0])})
}

func (s *Site) askKick(r *http.Request) (question, error) {
	k, err := channels.ParseKick(r.PostForm.Get("user"), r.PostForm.Get("channel"))
	if err != nil {
		return question{}, err
	}
	return question{
		Title:  fmt.Sprintf("End %s's streams of %s?", k.User, k.Channel),
		Text:   "They end on all tabs and devices. Whether the user may open new ones is for the rules, the token or the application to say.",
		Button: "Kick", Back: channelURL(k.Channel),
	}, nil
}

func (s *Site) kick(w http.ResponseWriter, r *http.Request, _ channels.Principal) error {
	k, err := channels.ParseKick(r.PostForm.Get("user"), r.PostForm.Get("channel"))
	if err != nil {
		return err
	}
	if _, err := s.Publisher.Publish(r.Context(), channels.Batch{Drafts: []channels.Draft{k.Draft()}}); err != nil {
		return fmt.Errorf("kick: %w", err)
	}
	http.Redirect(w, r, channelURL(k.Channel)+"&done=kicked", http.StatusSeeOther)
	return nil
}
