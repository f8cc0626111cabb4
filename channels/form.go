package channels

// A Form is how viewers are shown events. Viewers of one channel in different forms hold different channels at the proxy, with
// the same numbers.
type Form string

// The forms: events as they were published, as HTML for the two dialects of htmx, and several in one message of a WebSocket that
// takes that.
//
// A stream of one stored channel has that channel's numbers for ids, which are known when an event is published. Only where there are
// several does the proxy have to make each viewer's ids, which costs it half as much again: such streams have FormComposite.
const (
	FormEvents    Form = "events"
	FormComposite Form = "composite"
	FormHTML2     Form = "html2"
	FormHTML4     Form = "html4"
	FormBatch     Form = "batch"
)

// Forms returns all forms.
func Forms() []Form { return append(StreamForms(), FormBatch) }

// StreamForms returns the forms of event streams. That of WebSockets is FormEvents or FormBatch.
func StreamForms() []Form { return append(HTMLForms(), FormComposite, FormEvents) }

// HTMLForms returns the forms of HTML.
func HTMLForms() []Form { return []Form{FormHTML2, FormHTML4} }

// RendersID tells that the proxy puts the ids of stored channels in (build-id).
func (f Form) RendersID() bool { return f != FormEvents && f != FormBatch }

// GripIn returns what Grip does for the viewers of a form: the form, "-" and the escaped name.
func (c Channel) GripIn(f Form) string { return string(f) + "-" + c.Escape() }
