package main

import (
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// cookieName is the cookie that both the chat room and griphub read.
	cookieName = "chatroom_token"
	// sessionLife is for how long a visitor stays logged in.
	sessionLife = 12 * time.Hour
	// maxName bounds a user's name, in characters.
	maxName = 30
)

// sessions know visitors by a token in their cookie, which is also their identity at griphub: there is no other session.
type sessions struct {
	secret string
	now    func() time.Time
}

// token makes a token for griphub (docs/authentication.md). channels are patterns of what it may read beside public channels.
func (s *sessions) token(user string, life time.Duration, channels ...string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(s.secret)}, nil)
	if err != nil {
		return "", err
	}
	claims := struct {
		jwt.Claims
		Channels []string `json:"channels,omitempty"`
	}{jwt.Claims{Subject: user, Expiry: jwt.NewNumericDate(s.now().Add(life))}, channels}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// user is who makes the request; empty for nobody.
func (s *sessions) user(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	token, err := jwt.ParseSigned(cookie.Value, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return ""
	}
	var claims jwt.Claims
	if token.Claims([]byte(s.secret), &claims) != nil || claims.ValidateWithLeeway(jwt.Expected{Time: s.now()}, 0) != nil {
		return ""
	}
	return claims.Subject
}

// begin logs the user in.
func (s *sessions) begin(w http.ResponseWriter, user string, secure bool) error {
	token, err := s.token(user, sessionLife)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where the room is found by HTTPS
		Name: cookieName, Value: token, Path: "/", MaxAge: int(sessionLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	})
	return nil
}

// end logs whoever it is out.
func (s *sessions) end(w http.ResponseWriter, secure bool) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // likewise
		Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	})
}

// parseName reads the name that a user has chosen, or tells the user what is wrong with it.
func parseName(text string) (name, problem string) {
	name = strings.TrimSpace(text)
	switch {
	case name == "":
		return "", "Please enter a name."
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName:
		return "", "Please choose a name of at most 30 characters."
	case strings.ContainsFunc(name, unicode.IsControl), strings.HasPrefix(name, "@"):
		return "", "Please choose a name that begins with another character than @, and is one line."
	}
	return name, ""
}
