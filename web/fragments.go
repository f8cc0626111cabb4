package web

import (
	"net/http"
	"slices"

	"github.com/griphub/griphub/channels"
)

// formOf reads how a viewer wants to have device events shown: as they are, or as HTML for htmx 2 (?html=2) or 4 (?html=4).
// At least one of the channels has to have templates, since who waits for HTML that nobody makes waits for ever.
func (s *Server) formOf(r *http.Request, chans []channels.Channel) (channels.Form, error) {
	var form channels.Form
	switch r.URL.Query().Get("html") {
	case "":
		return "", nil
	case "2":
		form = channels.FormHTML2
	case "4":
		form = channels.FormHTML4
	default:
		return "", &refusal{http.StatusBadRequest, "bad-request", "Invalid request: html: want 2 or 4, the version of htmx.", nil}
	}
	if !slices.ContainsFunc(chans, s.opts.Fragments.Has) {
		return "", &refusal{http.StatusBadRequest, "bad-request",
			"Invalid request: html: there are no templates for devices of these channels.", chans}
	}
	return form, nil
}

// formOn is the stream's form on one of its channels.
func (s *Server) formOn(st *stream, c channels.Channel) channels.Form {
	switch {
	case s.isHTML(st, c):
		return st.form
	case s.opts.Reader.Stored(c) && s.storedChannels(st) > 1:
		return channels.FormComposite
	}
	return channels.FormEvents
}

func (s *Server) isHTML(st *stream, c channels.Channel) bool {
	return st.form != "" && s.opts.Fragments.Has(c)
}

func (s *Server) storedChannels(st *stream) (n int) {
	for _, c := range st.channels {
		if s.opts.Reader.Stored(c) {
			n++
		}
	}
	return n
}

// rendersIDs tells that the proxy makes the ids of the stream, which stands at the cursor, so that a reply's text has to be in the
// form that its filter build-id reads.
func (s *Server) rendersIDs(st *stream, cursor channels.Cursor) bool {
	return slices.ContainsFunc(cursor, func(p channels.Position) bool { return s.formOn(st, p.Channel).RendersID() })
}

// gripName is the channel's name at the proxy for the stream.
func (s *Server) gripName(st *stream, c channels.Channel) string {
	return s.opts.Prefix + c.GripIn(s.formOn(st, c))
}

// appendEvent appends an event as the stream shows it.
func (s *Server) appendEvent(dst []byte, st *stream, step channels.Step, id string) []byte {
	if s.isHTML(st, step.Channel) {
		return s.opts.Fragments.AppendSSE(dst, st.form, step.Event, id)
	}
	return step.Event.AppendSSE(dst, id)
}
