package fragments

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"sync"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
)

// A fragment is what one template makes of one event.
type fragment struct {
	file *file
	html []byte
}

// AppendSSE appends the event as streams of the form show it on a channel that has it (Has), with the given id. Device
// events are fragments; where no template has anything to show, there is only the id. All other events are as they
// were published.
func (l *Library) AppendSSE(dst []byte, form channels.Form, e *channels.Event, id string) []byte {
	fragments, ok := l.render(e)
	if !ok {
		return e.AppendSSE(dst, id)
	}
	return e.AppendBlocks(dst, blocks(form, e, fragments), id)
}

// AppendItems appends what is published to a proxy for the event beside its own items: one for each channel that has
// HTML and each form. prefix is the deployment's GRIP prefix; watched tells whether there may be streams on a GRIP channel.
func (l *Library) AppendItems(dst []grip.Item, e *channels.Event, prefix string, watched func(channel string) bool) []grip.Item {
	render := sync.OnceValues(func() ([]fragment, bool) { return l.render(e) })
	for _, form := range channels.HTMLForms() {
		for _, p := range e.Positions {
			if !l.Has(p.Channel) || !watched(prefix+p.Channel.GripIn(form)) {
				continue
			}
			list := e.Blocks()
			if fragments, ok := render(); ok {
				list = blocks(form, e, fragments)
			}
			if item, ok := e.StreamItem(p, form, prefix, list); ok {
				dst = append(dst, item)
			}
		}
	}
	return dst
}

// blocks arranges an event's fragments: htmx 2 chooses by the event's name, htmx 4 takes one message that says where
// each part goes.
func blocks(form channels.Form, e *channels.Event, fragments []fragment) []channels.Block {
	if form == channels.FormHTML2 {
		list := make([]channels.Block, len(fragments))
		for i, f := range fragments {
			list[i] = channels.Block{Name: f.file.name, Data: f.html}
		}
		return list
	}
	var message []byte
	for _, f := range fragments {
		if f.file.aims || f.file.name == MessageName {
			message = append(message, f.html...)
			continue
		}
		message = append(message, `<hx-partial hx-target="`...)
		message = append(message, target(e.Device, f.file.name)...)
		message = append(message, `">`...)
		message = append(append(message, f.html...), "</hx-partial>"...)
	}
	if message == nil {
		return nil
	}
	return []channels.Block{{Data: message}}
}

// target is where in a page htmx 4 puts a template's fragments: what names the template within the element that is connected, and
// what names the device as well, anywhere. It needs no further escaping in an HTML attribute.
func target(ref channels.DeviceRef, name string) string {
	return "findAll [data-fragment='" + cssString(name) + "'],[data-fragment='" + cssString(ref.Type+"/"+ref.ID+"/"+name) + "']"
}

// cssString writes what may stand between the quotes of a string (CSS Syntax Module, section 4.3.7). What means anything
// in HTML or to htmx is escaped, too.
func cssString(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 0x80, 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-', r == '/', r == '.':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\%06x`, r)
		}
	}
	return b.String()
}

// render has every template of the device's type make its fragment; those that are blank are left out. ok is false for
// events that no device's envelope holds.
func (l *Library) render(e *channels.Event) (list []fragment, ok bool) {
	data, ok := dataOf(e)
	if !ok {
		return nil, false
	}
	files := l.current.Load().types[e.Device.Type]
	left := maxRendered
	for i := range files {
		f := &files[i]
		html, err := execute(f, &data, left)
		if err != nil {
			l.failed(f, e, err)
			continue
		}
		if len(html) == 0 {
			continue
		}
		left -= renderedSize(html)
		list = append(list, fragment{f, html})
	}
	return list, true
}

// maxRendered bounds all fragments of one event, as they are sent: what a proxy cannot hold in one reply could be
// published but never repaired. Names, ids and targets come on top.
const maxRendered = channels.MaxDataBytes

var errTooLong = fmt.Errorf("the fragments of the event are longer than %d bytes as sent", maxRendered)

// renderedSize is what HTML weighs in a stream: "%" is doubled, and each line has a "data:" of its own.
func renderedSize(html []byte) int {
	return len(html) + bytes.Count(html, []byte{'%'}) + bytes.Count(html, []byte{'\n'})*len("data: ")
}

// execute returns what the template makes of the data, without white space around it.
func execute(f *file, data *Data, limit int) (html []byte, err error) {
	// A template may call what panics. That is its own fault and not the service's.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	out := limited{left: limit}
	if err := f.template.Execute(&out, data); err != nil {
		return nil, err
	}
	html = bytes.TrimSpace(bytes.ReplaceAll(out.Bytes(), []byte{'\r'}, nil))
	if renderedSize(html) > limit {
		return nil, errTooLong
	}
	return html, nil
}

// limited ends a template that does not.
type limited struct {
	bytes.Buffer
	left int
}

func (w *limited) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errTooLong
	}
	return w.Buffer.Write(p)
}

// ErrNoTemplate tells that a type of devices has no template of that name.
var ErrNoTemplate = errors.New("there is no such template")

// Snapshot returns what the template makes of what is known of the device now. recent are the device's events before,
// oldest first.
func (l *Library) Snapshot(name string, device devices.Device, recent []channels.Event) (template.HTML, error) {
	f := l.current.Load().named(device.Type, name)
	if f == nil {
		return "", ErrNoTemplate
	}
	data := snapshotOf(device, recent)
	html, err := execute(f, &data, maxRendered)
	if err != nil {
		return "", fmt.Errorf("template %s: %w", f.path, err)
	}
	return template.HTML(html), nil //nolint:gosec // made by html/template
}
