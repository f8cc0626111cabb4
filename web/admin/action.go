package admin

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

const (
	// maxForm bounds the body of a form, in bytes.
	maxForm = 128 << 10
	// formLife is how long a form may be filled in.
	formLife = 12 * time.Hour
	sealForm = "admin-form"
)

// An action changes something. It is asked for twice: first without "confirmed", which shows the question, and then with it.
type action struct {
	// ask says what is about to be done; nil for what needs no question.
	ask func(r *http.Request) (question, error)
	do  func(w http.ResponseWriter, r *http.Request, by channels.Principal) error
}

// A question is what is shown before something is done.
type question struct {
	Title string
	Text  string
	// Changes are values as they are and as they will be.
	Changes []change
	// Button says what is done.
	Button string
	// Action is where the answer goes.
	Action string
	// Back is where to go who does not want it.
	Back string
	// Fields are the form's, and those that the question adds.
	Fields []field
}

type change struct{ Name, Before, After string }

type field struct{ Name, Value string }

// acted does what an administrator has confirmed, on a page of ours.
func (s *Site) acted(a action) http.HandlerFunc {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		by, err := s.visitor(r)
		if err != nil {
			return err
		}
		if err := s.readForm(w, r, by.User); err != nil {
			return err
		}
		if a.ask == nil || r.PostForm.Get("confirmed") == "yes" {
			return a.do(w, r, by)
		}
		q, err := a.ask(r)
		if err != nil {
			return err
		}
		q.Action = r.URL.Path
		for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
			if name != "form" && !slices.ContainsFunc(q.Fields, func(f field) bool { return f.Name == name }) {
				q.Fields = append(q.Fields, field{name, r.PostForm.Get(name)})
			}
		}
		s.render(w, r, http.StatusOK, &page{template: "confirm", Title: q.Title, User: by.User, Data: q})
		return nil
	})
}

// readForm reads a form that a page of ours has given to the user: no other site can have sent it, with an old browser either.
func (s *Site) readForm(w http.ResponseWriter, r *http.Request, user string) error {
	if s.guard.Check(r) != nil {
		return &problem{http.StatusForbidden, "Another site's page made this request."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("The form is longer than %d bytes.", tooLarge.Limit)}
		}
		return &problem{http.StatusBadRequest, "The form cannot be read."}
	}
	var owner string
	if err := s.Sealer.Open(sealForm, r.PostForm.Get("form"), &owner, s.Now()); err != nil || owner != user {
		return &problem{http.StatusForbidden, "The form is not one that this page gave to you, or it is too old. Go back, reload, and try again."}
	}
	return nil
}

// formToken is what a form of the user's has to come back with.
func (s *Site) formToken(user string) (string, error) {
	return s.Sealer.Seal(sealForm, user, s.Now().Add(formLife))
}
