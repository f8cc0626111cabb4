package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/griphub/griphub/channels"
)

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

// ErrUndecided says that an Authenticator cannot tell who a visitor is, whatever the credentials: what it depends on
// does not answer. The visitor is told to try again (503).
var ErrUndecided = errors.New("who the visitor is cannot be decided now")

// errTurnedAway says that the visitor is known and not welcome.
var errTurnedAway = errors.New("the application turns the visitor away")

// authenticate asks the Authenticator, and gives its errors the form that the client may see: what exactly is wrong
// with credentials is not for their bearer to know.
func (s *Server) authenticate(r *http.Request) (channels.Principal, error) {
	p, err := s.opts.Authenticator.Authenticate(r)
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, ErrUndecided):
		return channels.Principal{}, &problem{status: http.StatusServiceUnavailable, code: "undecided",
			message: "Who you are cannot be decided now; try again."}
	case errors.Is(err, errTurnedAway):
		return channels.Principal{}, &problem{status: http.StatusForbidden, code: "forbidden",
			message: "The application refuses these credentials."}
	}
	return channels.Principal{}, &problem{status: http.StatusUnauthorized, code: "unauthorized", message: "The credentials are not valid."}
}

// notLetIn makes a decision about a visitor a refusal, which each family of streams has its own form for. A failure to
// decide is none.
func notLetIn(err error) error {
	var p *problem
	if errors.As(err, &p) && (p.status == http.StatusUnauthorized || p.status == http.StatusForbidden) {
		return &refusal{p.status, "forbidden", p.message, nil}
	}
	return err
}

// Everybody is an Authenticator for which every visitor is the same.
type Everybody channels.Principal

// Authenticate returns the principal. It never fails.
func (e Everybody) Authenticate(*http.Request) (channels.Principal, error) {
	return channels.Principal(e), nil
}

// JWT is an Authenticator that reads signed tokens (RFC 7519) from the header Authorization, a cookie, or, for
// clients that can set neither, the query value access_token.
type JWT struct {
	// Algorithm is the only one accepted.
	Algorithm jose.SignatureAlgorithm
	// Key verifies: the secret as []byte for HS256, else a public key. It is not used where JWKS is set.
	Key any
	// JWKS are the issuer's published keys, for the same algorithm; nil for Key.
	JWKS *JWKS
	// Audience and Issuer must be in the token where they are not empty.
	Audience, Issuer string
	// Cookie names the cookie; empty for none.
	Cookie string
	// Now is the clock.
	Now func() time.Time
}

// Claims are what griphub reads from a token beside the registered claims. A token is for a subject.
type Claims struct {
	jwt.Claims
	// Channels are patterns of channels that may be read.
	Channels []string `json:"channels,omitempty"`
	// Publish are patterns of channels that may be published to.
	Publish []string `json:"publish,omitempty"`
	// Admin may do everything.
	Admin bool `json:"admin,omitempty"`
}

// Authenticate returns the token's principal, the anonymous one where there is no token, and an error for a
// token that is not valid. The token must expire.
func (j JWT) Authenticate(r *http.Request) (channels.Principal, error) {
	text := j.token(r)
	if text == "" {
		return channels.Principal{}, nil
	}
	if len(text) > maxToken {
		return channels.Principal{}, errors.New("token: too long")
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{j.Algorithm})
	if err != nil {
		return channels.Principal{}, errors.New("token: cannot be read, or has another algorithm")
	}
	var claims Claims
	key, err := j.key(r, token)
	if err != nil {
		return channels.Principal{}, err
	}
	if err := token.Claims(key, &claims); err != nil {
		return channels.Principal{}, errors.New("token: the signature is wrong")
	}
	return j.principal(&claims)
}

func (j JWT) key(r *http.Request, token *jwt.JSONWebToken) (any, error) {
	if j.JWKS == nil {
		return j.Key, nil
	}
	// A token in compact form has one header.
	return j.JWKS.key(r.Context(), token.Headers[0].KeyID)
}

func (j JWT) principal(claims *Claims) (channels.Principal, error) {
	var none channels.Principal
	if claims.Expiry == nil {
		return none, errors.New("token: does not expire")
	}
	expected := jwt.Expected{Issuer: j.Issuer, Time: j.Now()}
	if j.Audience != "" {
		expected.AnyAudience = jwt.Audience{j.Audience}
	}
	if !j.Now().Before(claims.Expiry.Time()) {
		return none, errors.New("token: has expired")
	}
	// The issuer's clock may be a little ahead.
	if err := claims.ValidateWithLeeway(expected, 5*time.Second); err != nil {
		return none, fmt.Errorf("token: %w", err)
	}
	p := channels.Principal{User: claims.Subject, Admin: claims.Admin, Expires: claims.Expiry.Time()}
	if p.User == "" {
		return none, errors.New("token: has no subject")
	}
	if p.User == channels.Somebody {
		return none, errors.New("token: subject: reserved")
	}
	if _, err := channels.User(p.User); err != nil {
		return none, fmt.Errorf("token: subject: %w", err)
	}
	var err error
	if p.Channels, err = ParsePatterns(claims.Channels); err != nil {
		return none, fmt.Errorf("token: channels: %w", err)
	}
	if p.Publish, err = ParsePatterns(claims.Publish); err != nil {
		return none, fmt.Errorf("token: publish: %w", err)
	}
	return p, nil
}

// ParsePatterns validates patterns of channels, at most 100.
func ParsePatterns(texts []string) ([]channels.Pattern, error) {
	if len(texts) > 100 {
		return nil, errors.New("more than 100 patterns")
	}
	var patterns []channels.Pattern
	for _, text := range texts {
		p, err := channels.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// bearer returns the token of the header Authorization; the scheme's case does not matter (RFC 9110, section 11.1).
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

func (j JWT) token(r *http.Request) string {
	if text, ok := bearer(r); ok {
		return text
	}
	if j.Cookie != "" {
		if cookie, err := r.Cookie(j.Cookie); err == nil && cookie.Value != "" {
			return cookie.Value
		}
	}
	return r.URL.Query().Get("access_token")
}
