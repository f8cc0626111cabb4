package admin

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/web"
)

//go:embed pages/*.html
var pageFiles embed.FS

type pageTemplate = template.Template

// parsePages reads the pages by their names. Each fills the layout.
func parsePages() (map[string]*pageTemplate, error) {
	layout, err := template.New("layout.html").Funcs(functions).ParseFS(pageFiles, "pages/layout.html")
	if err != nil {
		return nil, err
	}
	entries, err := pageFiles.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*pageTemplate)
	for _, e := range entries {
		one, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if _, err := one.ParseFS(pageFiles, "pages/"+e.Name()); err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(e.Name(), ".html")] = one
	}
	return pages, nil
}

// A page is what the layout shows.
type page struct {
	template string
	Title    string
	// User is the administrator; empty for a stranger.
	User string
	// Section is the entry of the navigation that the page belongs to.
	Section string
	// Form is what its forms have to come back with.
	Form string
	// MaySignOut tells that there is something to sign out of.
	MaySignOut bool
	// Done is what was just done; empty for nothing.
	Done string
	Data any
}

// done is what the address may say that was done: words of ours and no others.
var done = map[string]string{
	"replayed": "The event was sent again.",
	"saved":    "The device was changed.",
	"kicked":   "The user's streams of this channel end.",
	"requeued": "It is sent again within seconds.",
}

// show answers with a page.
func (s *Site) show(w http.ResponseWriter, r *http.Request, by channels.Principal, p *page) error {
	p.User = by.User
	s.render(w, r, http.StatusOK, p)
	return nil
}

func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, p *page) {
	var body bytes.Buffer
	var err error
	if p.Form, err = s.formToken(p.User); err == nil {
		p.MaySignOut, p.Done = s.maySignOut(r), done[r.URL.Query().Get("done")]
		err = s.pages[p.template].Execute(&body, p)
	}
	if err != nil {
		s.Logger.Error("administrators' page failed", "page", p.template, "error", err)
		http.Error(w, "The page cannot be shown; the service's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// A problem is an error that the visitor is told.
type problem struct {
	status  int
	message string
}

func (p *problem) Error() string { return p.message }

var errNoPage = &problem{http.StatusNotFound, "There is no such page."}

func badRequest(err error) error { return &problem{http.StatusBadRequest, sentence(err.Error())} }

// sentence makes an error's text one.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// handle turns a handler that returns an error into net/http's form.
func (s *Site) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		var unknown *stranger
		switch {
		case err == nil:
		case errors.As(err, &unknown):
			s.showSignIn(w, r, unknown)
		case r.Context().Err() != nil:
			w.WriteHeader(http.StatusServiceUnavailable) // most probably nobody reads this
		default:
			s.showProblem(w, r, s.problemOf(r, err))
		}
	}
}

func (s *Site) showProblem(w http.ResponseWriter, r *http.Request, p *problem) {
	shown := &page{template: "problem", Title: http.StatusText(p.status), Data: p.message}
	if by, err := s.visitor(r); err == nil {
		shown.User = by.User
	}
	s.render(w, r, p.status, shown)
}

// problemOf is what the visitor is told of an error.
func (s *Site) problemOf(r *http.Request, err error) *problem {
	var p *problem
	var taken *devices.TakenError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &taken):
		return &problem{http.StatusConflict, sentence(taken.Error())}
	}
	status, message, ok := web.Explain(err)
	if !ok {
		s.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	return &problem{status, sentence(message)}
}

// maxShown bounds what is shown of one body, in bytes.
const maxShown = 64 << 10

// functions are what the pages call.
var functions = template.FuncMap{
	"stamp": func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	},
	"moment": func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	},
	"body":       shownBody,
	"line":       func(data []byte) string { return clip(strings.Join(strings.Fields(readable(data)), " "), 240) },
	"said":       said,
	"short":      func(text string) string { return clip(text, 200) },
	"words":      func(text any) string { return strings.ReplaceAll(fmt.Sprint(text), "_", " ") },
	"channelURL": channelURL,
	"deviceURL":  deviceURL,
	"address":    address,
	"deref":      func(f *float64) string { return fmt.Sprint(*f) },
}

// address is a path with a query of names and values in turn; those without a value are left out.
func address(path string, pairs ...any) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" {
			q.Set(fmt.Sprint(pairs[i]), value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Names stand in queries: a path has no room for "..", which devices may be called.

func channelURL(c channels.Channel) string { return address("/admin/channel", "name", c) }

func deviceURL(ref channels.DeviceRef) string {
	return address("/admin/device", "type", ref.Type, "id", ref.ID)
}

// said is what an event tells in a line: of a device's, what the device has said, without what stands in the other columns.
func said(e channels.Event) []byte {
	var envelope struct {
		Device string          `json:"device_id"`
		Data   json.RawMessage `json:"data"`
	}
	if e.Device.ID != "" && json.Unmarshal(e.Data, &envelope) == nil && envelope.Device == e.Device.ID && envelope.Data != nil {
		return envelope.Data
	}
	return e.Data
}

// shownBody is a body as people read it: JSON with its lines, text, or bytes.
func shownBody(data []byte) string {
	var lines bytes.Buffer
	if len(data) <= maxShown && json.Indent(&lines, data, "", "  ") == nil && utf8.Valid(data) {
		return lines.String()
	}
	return readable(data)
}

func readable(data []byte) string {
	rest := ""
	if len(data) > maxShown {
		cut := start(string(data), maxShown)
		data, rest = data[:cut], fmt.Sprintf("\n… %d bytes more", len(data)-cut)
	}
	if !utf8.Valid(data) || bytes.ContainsRune(data, 0) {
		return hex.Dump(data) + rest
	}
	return string(data) + rest
}

// clip shortens text to about so many bytes, between characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:start(text, most)] + "…"
}

// start is the beginning of the character at that byte.
func start(text string, at int) int {
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}
