package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// firstPage and page are how many messages the room and each further page show.
	firstPage, page = 50, 20
	// maxText bounds a message, in characters.
	maxText = 160
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// A room answers the chat room's visitors.
type room struct {
	public, hubURL *url.URL
	sessions       *sessions
	hub            *hub
	pages          *template.Template
}

// newRoom returns the handler of all pages.
func newRoom(public, hubURL *url.URL, sessions *sessions, hub *hub) (http.Handler, error) {
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	r := &room{public, hubURL, sessions, hub, pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", r.show)
	mux.HandleFunc("GET /login/{$}", r.showLogin)
	mux.HandleFunc("POST /login/{$}", r.login)
	mux.HandleFunc("POST /logout/{$}", r.logout)
	mux.HandleFunc("POST /send-message/{$}", r.send)
	mux.HandleFunc("GET /get-messages/{$}", r.messages)
	mux.Handle("GET /static/", http.FileServerFS(staticFiles))
	// Another site's page sends nothing in a visitor's name; the cookie's SameSite says the same.
	return r.headers(http.NewCrossOriginProtection().Handler(mux)), nil
}

// headers let a page use what the chat room and griphub serve, and nothing inline. Under another name than its own,
// such as localhost, the browser would not send griphub the cookie.
func (r *room) headers(next http.Handler) http.Handler {
	hub := r.hubURL.String()
	policy := "default-src 'none'; script-src 'self' " + hub + "; style-src 'self'; img-src 'self'; connect-src 'self' " + hub +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Host != r.public.Host {
			http.Redirect(w, req, r.public.String(), http.StatusSeeOther)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		req.Body = http.MaxBytesReader(w, req.Body, 64<<10)
		next.ServeHTTP(w, req)
	})
}

// list is a page of messages.
type list struct {
	Messages []message
	User     string
	// Next is where the following page begins; 0 for nowhere.
	Next int
}

// page reads messages, and whether there may be more behind them.
func (r *room) page(req *http.Request, offset, limit int) (list, error) {
	messages, err := r.hub.history(req.Context(), offset, limit)
	l := list{Messages: messages, User: r.sessions.user(req)}
	if len(messages) == limit {
		l.Next = offset + limit
	}
	return l, err
}

// show is the room with its newest messages. The page shows them again once it listens, so that nothing is missed between.
func (r *room) show(w http.ResponseWriter, req *http.Request) {
	if r.sessions.user(req) == "" {
		http.Redirect(w, req, "/login/", http.StatusSeeOther)
		return
	}
	messages, err := r.page(req, 0, firstPage)
	if err != nil {
		r.fail(w, err)
		return
	}
	r.render(w, http.StatusOK, "room.html", struct {
		list
		Hub string
		Max int
	}{messages, r.hubURL.String(), maxText})
}

// messages is a page of messages, for scripts.
func (r *room) messages(w http.ResponseWriter, req *http.Request) {
	if r.sessions.user(req) == "" {
		http.Error(w, "Please log in.", http.StatusUnauthorized)
		return
	}
	offset, limit := 0, firstPage
	if text := req.URL.Query().Get("offset"); text != "" {
		var err error
		if offset, err = strconv.Atoi(text); err != nil || offset < 0 {
			http.Error(w, "offset: want a number from 0.", http.StatusBadRequest)
			return
		}
		limit = page
	}
	l, err := r.page(req, offset, limit)
	if err != nil {
		r.fail(w, err)
		return
	}
	r.render(w, http.StatusOK, "messages.html", l)
}

// send publishes what a visitor has written.
func (r *room) send(w http.ResponseWriter, req *http.Request) {
	user := r.sessions.user(req)
	if user == "" {
		http.Error(w, "Please log in.", http.StatusUnauthorized)
		return
	}
	text, id := strings.TrimSpace(req.PostFormValue("message")), req.PostFormValue("id")
	switch {
	case text == "":
		w.WriteHeader(http.StatusNoContent)
		return
	case !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxText:
		http.Error(w, "A message has at most "+strconv.Itoa(maxText)+" characters.", http.StatusUnprocessableEntity)
		return
	case len(id) > 64:
		http.Error(w, "id: too long.", http.StatusUnprocessableEntity)
		return
	}
	err := r.hub.publish(req.Context(), message{user, text, time.Now().UTC().Truncate(time.Millisecond)}, id)
	switch {
	case errors.Is(err, errTooFast):
		http.Error(w, "Too many messages at once; try again in a moment.", http.StatusTooManyRequests)
	case err != nil:
		r.fail(w, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (r *room) showLogin(w http.ResponseWriter, _ *http.Request) {
	r.render(w, http.StatusOK, "login.html", "")
}

// login takes any name: this is an example of live messages, not of passwords.
func (r *room) login(w http.ResponseWriter, req *http.Request) {
	name, problem := parseName(req.PostFormValue("username"))
	if problem != "" {
		r.render(w, http.StatusUnprocessableEntity, "login.html", problem)
		return
	}
	if err := r.sessions.begin(w, name, r.public.Scheme == "https"); err != nil {
		r.fail(w, err)
		return
	}
	http.Redirect(w, req, "/", http.StatusSeeOther)
}

func (r *room) logout(w http.ResponseWriter, req *http.Request) {
	r.sessions.end(w, r.public.Scheme == "https")
	http.Redirect(w, req, "/login/", http.StatusSeeOther)
}

func (r *room) render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := r.pages.ExecuteTemplate(&body, name, data); err != nil {
		r.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the visitor may have gone
}

// fail says that something is wrong, and only the log what.
func (r *room) fail(w http.ResponseWriter, err error) {
	slog.Error("request failed", "error", err)
	http.Error(w, "The chat room cannot reach griphub now. Please try again.", http.StatusBadGateway)
}
