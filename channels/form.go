package channels

// A Form is how streams show events. Viewers of one channel in different forms hold different channels at the proxy, with
// the same numbers.
type Form string

// The forms: events as they were published, and as HTML for the two dialects of htmx.
const (
	FormEvents Form = "events"
	FormHTML2  Form = "html2"
	FormHTML4  Form = "html4"
)

// Forms returns all forms.
func Forms() []Form { return append(HTMLForms(), FormEvents) }

// HTMLForms returns the forms of HTML.
func HTMLForms() []Form { return []Form{FormHTML2, FormHTML4} }

// GripIn returns what Grip does for the viewers of a form: the form, "-" and the escaped name.
func (c Channel) GripIn(f Form) string { return string(f) + "-" + c.Escape() }
