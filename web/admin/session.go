package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

// visited shows a page to administrators.
func (s *Site) visited(show func(http.ResponseWriter, *http.Request, channels.Principal) error) http.HandlerFunc {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		by, err := s.visitor(r)
		if err != nil {
			return err
		}
		return show(w, r, by)
	})
}

// visitor lets administrators in. The error is a *stranger for others.
func (s *Site) visitor(r *http.Request) (by channels.Principal, err error) {
	by, err = s.Authenticator.Authenticate(r)
	switch {
	case errors.Is(err, web.ErrUndecided):
		return by, &problem{http.StatusServiceUnavailable, "Who you are cannot be decided now; try again."}
	case err != nil:
		return by, &stranger{http.StatusUnauthorized, "What your browser has sent is not valid, or has expired. Sign in again."}
	case by.Anonymous() || by.Expired(s.Now()):
		return by, &stranger{http.StatusUnauthorized, "Sign in to go on."}
	case !by.Admin:
		return by, &stranger{http.StatusForbidden, "You are signed in, but not as an administrator."}
	}
	return by, nil
}

// A stranger is somebody who has to sign in first.
type stranger struct {
	status  int
	message string
}

func (e *stranger) Error() string { return e.message }

// signInPage is for strangers.
type signInPage struct {
	Message string
	// Next is where to go afterwards.
	Next string
	// Token tells that a token opens the door here.
	Token bool
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, e *stranger) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="griphub"`)
	}
	next := "/admin"
	if r.Method == http.MethodGet {
		next = r.URL.RequestURI()
	} else if r.PostForm != nil {
		next = r.PostForm.Get("next")
	}
	s.render(w, r, e.status, &page{template: "signin", Title: "Sign in", Data: signInPage{e.message, ownPath(next), s.Cookie != ""}})
}

// ownPath is the address where it is one of these pages, so that a sign-in leads nowhere else.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.Path != "/admin" && !strings.HasPrefix(u.Path, "/admin/") {
		return "/admin"
	}
	return u.RequestURI()
}

// signIn answers the form for a token. The token becomes a cookie only if it is an administrator's.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := s.readForm(w, r, ""); err != nil {
		return err
	}
	if s.Cookie == "" {
		return &problem{http.StatusNotFound, "Nobody signs in here with a token."}
	}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	asked := r.Clone(r.Context())
	asked.Header.Del("Cookie")
	asked.Header.Set("Authorization", "Bearer "+token)
	by, err := s.visitor(asked)
	if err != nil || token == "" || strings.ContainsFunc(token, notInCookies) {
		var no *stranger
		if errors.As(err, &no) && no.status == http.StatusForbidden {
			return &stranger{http.StatusForbidden, "The token is valid, but not an administrator's."}
		}
		if err != nil && !errors.As(err, &no) {
			return err
		}
		return &stranger{http.StatusUnauthorized, "The token is not valid, or has expired."}
	}
	http.SetCookie(w, s.cookie(r, token, by.Expires))
	http.Redirect(w, r, ownPath(r.PostForm.Get("next")), http.StatusSeeOther) //nolint:gosec // ownPath leads nowhere else
	return nil
}

// notInCookies tells of characters that no token has, and that a cookie cannot hold.
func notInCookies(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`",;\`, c)
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request, _ channels.Principal) error {
	if s.Cookie != "" {
		http.SetCookie(w, s.cookie(r, "", time.Unix(1, 0)))
	}
	http.Redirect(w, r, "/admin", http.StatusSeeOther)
	return nil
}

// cookie carries a token. Lax, so that a link in a chat leads an administrator to an event, while no other site's form is sent
// with it.
func (s *Site) cookie(r *http.Request, token string, expires time.Time) *http.Cookie {
	secure := r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" || strings.HasPrefix(r.Header.Get("Origin"), "https://")
	return &http.Cookie{Name: s.Cookie, Value: token, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure} //nolint:gosec // without HTTPS a secure cookie would not come back
}

// maySignOut tells that the visitor has come with a cookie of ours.
func (s *Site) maySignOut(r *http.Request) bool {
	if s.Cookie == "" {
		return false
	}
	_, err := r.Cookie(s.Cookie)
	return err == nil
}
