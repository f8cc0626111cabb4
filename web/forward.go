package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/griphub/griphub/channels"
)

const (
	// maxForwarded bounds a visitor's credentials, in bytes.
	maxForwarded = 32 << 10
	// maxAnswers bounds the answers that are remembered.
	maxAnswers = 10_000
	// maxForwardBody is the longest body of an answer that is read, unused, to keep the connection.
	maxForwardBody = 4 << 10
	// forwardLife is how long a stream goes on with an answer after that could no longer be remembered.
	forwardLife = 15 * time.Minute
)

// The application's answer, beside the status.
const (
	headerUser     = "X-User-Id"
	headerChannels = "X-Channels"
	headerPublish  = "X-Publish"
	headerAdmin    = "X-Admin"
)

// ForwardOptions are what a Forward works with. Fields without a remark are required.
type ForwardOptions struct {
	// URL is the application's endpoint, http or https.
	URL string
	// TTL is how long an answer holds for equal credentials; zero asks for every request.
	TTL time.Duration
	// Timeout bounds one question.
	Timeout time.Duration
	// Kicks tells whose answers are to be forgotten before their time.
	Kicks  KickLog
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// A KickLog tells who was kicked. A *channels.Reader is one.
type KickLog interface {
	KicksHead(ctx context.Context) (channels.Seq, error)
	KicksAfter(ctx context.Context, place channels.Seq) (channels.Kicked, error)
}

// A Forward is an Authenticator that asks the application who a visitor is.
//
// The application gets a GET request with the visitor's Cookie and Authorization, and with what else its answer may
// depend on: User-Agent, X-Forwarded-Host and X-Forwarded-Proto. It does not learn what the visitor asks for, since one
// answer holds for all requests of the visitor. It answers 200 with X-User-Id and, where the rules for channels ask for
// more than a name, X-Channels and X-Publish: patterns between commas or blanks. 401 makes the visitor anonymous, 403
// turns it away, and everything else is no answer: Authenticate then returns ErrUndecided.
//
// A stream cannot ask again, since the proxy goes on with it without the visitor's headers. So it ends a quarter of an
// hour after the time for which the answer could be remembered, and the browser comes back with its cookies. A kick ends it
// at once, and the answers about its user are forgotten.
type Forward struct {
	upstream *upstream
	kicks    KickLog
	ttl      time.Duration
	now      func() time.Time
	asking   singleflight.Group

	mu      sync.Mutex
	answers map[string]answer
}

// An answer is what the application said about some credentials.
type answer struct {
	principal channels.Principal
	refused   bool
	// kicks is the place of the newest kick when the question was asked, or later, if no kick since names the user.
	kicks channels.Seq
	// until is when it is forgotten.
	until time.Time
}

// NewForward returns an Authenticator that asks the application at the URL.
func NewForward(opts ForwardOptions) (*Forward, error) {
	up, err := newUpstream("forward authentication", opts.URL, opts.Timeout, opts.Logger, opts.Now)
	if err != nil {
		return nil, err
	}
	// Credentials go to the application alone.
	up.client.Transport.(*http.Transport).Proxy = nil
	return &Forward{upstream: up, kicks: opts.Kicks, ttl: opts.TTL, now: opts.Now, answers: map[string]answer{}}, nil
}

// Authenticate returns what the application says. A visitor without credentials is anonymous without a question.
// Visitors with the same credentials that come at the same time are one question.
func (f *Forward) Authenticate(r *http.Request) (channels.Principal, error) {
	question := questionOf(r)
	if question == nil {
		return channels.Principal{}, nil
	}
	if len(question.Get("Cookie"))+len(question.Get("Authorization")) > maxForwarded {
		return channels.Principal{}, errors.New("forward: the credentials are too long")
	}
	ctx, key := r.Context(), digest(question)
	// An answer to a question from before a kick may be what the kick has changed.
	kicks, err := f.kicks.KicksHead(ctx)
	if err != nil {
		return channels.Principal{}, fmt.Errorf("forward: %w: %w", ErrUndecided, err)
	}
	if a, ok := f.remembered(ctx, key, kicks); ok {
		return a.result()
	}
	asked := f.asking.DoChan(key+kicks.String(), func() (any, error) { return f.ask(ctx, key, kicks, question) })
	select {
	case <-ctx.Done():
		return channels.Principal{}, fmt.Errorf("forward: %w: %w", ErrUndecided, ctx.Err())
	case result := <-asked:
		if result.Err != nil {
			return channels.Principal{}, fmt.Errorf("forward: %w: %w", ErrUndecided, result.Err)
		}
		return result.Val.(answer).result()
	}
}

func (a answer) result() (channels.Principal, error) {
	if a.refused {
		return channels.Principal{}, fmt.Errorf("forward: %w", errTurnedAway)
	}
	return a.principal, nil
}

// questionOf is the header that the application gets, nil for a request without credentials.
func questionOf(r *http.Request) http.Header {
	question := http.Header{}
	if cookies := withoutOwnCookies(r.Header.Values("Cookie")); cookies != "" {
		question.Set("Cookie", cookies)
	}
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		question.Set("Authorization", authorization)
	}
	if len(question) == 0 {
		return nil
	}
	// An empty User-Agent keeps net/http from saying its own.
	question.Set("User-Agent", r.UserAgent())
	question.Set("X-Forwarded-Host", r.Host)
	if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
		question.Set("X-Forwarded-Proto", proto)
	}
	return question
}

// withoutOwnCookies joins the fields without griphub's own cookie, which is of no concern to the application, and
// which changes with every poll: each would be a new question.
func withoutOwnCookies(fields []string) string {
	var kept []string
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			pair = strings.TrimSpace(pair)
			if name, _, _ := strings.Cut(pair, "="); pair != "" && strings.TrimSpace(name) != pollCookie {
				kept = append(kept, pair)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// digest stands for a question: all of it, since the answer may depend on all of it, but without its secrets.
func digest(question http.Header) string {
	h := sha256.New()
	_ = question.Write(h) // sorted by name; a hash takes everything
	return string(h.Sum(nil))
}

// remembered returns the answer that holds, if there is one, where kicks is the place of the newest kick.
func (f *Forward) remembered(ctx context.Context, key string, kicks channels.Seq) (answer, bool) {
	f.mu.Lock()
	a, ok := f.answers[key]
	f.mu.Unlock()
	if !ok || !f.now().Before(a.until) {
		return answer{}, false
	}
	if a.kicks >= kicks {
		return a, true
	}
	kicked, err := f.kicks.KicksAfter(ctx, a.kicks)
	if err != nil || kicked.Lost || kicked.Names(a.principal.User) {
		return answer{}, false
	}
	a.kicks = kicked.Next
	f.remember(key, a)
	return a, true
}

func (f *Forward) remember(key string, a answer) {
	if f.ttl <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) >= maxAnswers {
		f.forget()
	}
	f.answers[key] = a
}

// forget makes room: what is over goes, and if that is not enough, some tenth of the rest.
func (f *Forward) forget() {
	for key, a := range f.answers {
		if !f.now().Before(a.until) {
			delete(f.answers, key)
		}
	}
	for key := range f.answers {
		if len(f.answers) <= maxAnswers*9/10 {
			return
		}
		delete(f.answers, key)
	}
}

// ask asks the application and remembers the answer. kicks is the place of the newest kick before.
func (f *Forward) ask(ctx context.Context, key string, kicks channels.Seq, question http.Header) (any, error) {
	// Another question for the same may have ended since this one was found to be necessary.
	if a, ok := f.remembered(ctx, key, kicks); ok {
		return a, nil
	}
	asked := f.now()
	a, err := f.fetch(ctx, question)
	f.upstream.report(ctx, err)
	if err != nil {
		return answer{}, err
	}
	a.kicks, a.until = kicks, asked.Add(f.ttl)
	if !a.principal.Anonymous() {
		a.principal.Expires = a.until.Add(forwardLife)
	}
	f.remember(key, a)
	return a, nil
}

func (f *Forward) fetch(ctx context.Context, question http.Header) (answer, error) {
	resp, err := f.upstream.get(ctx, question)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if resp.ContentLength >= 0 && resp.ContentLength <= maxForwardBody {
		_, _ = io.Copy(io.Discard, resp.Body) // the status and the header have said everything
	}
	switch resp.StatusCode {
	case http.StatusOK:
		p, err := answeredPrincipal(resp.Header)
		return answer{principal: p}, err
	case http.StatusUnauthorized:
		return answer{}, nil
	case http.StatusForbidden:
		return answer{refused: true}, nil
	}
	return answer{}, fmt.Errorf("status %d", resp.StatusCode)
}

// answeredPrincipal reads who the application says the visitor is. Its errors do not quote it.
func answeredPrincipal(h http.Header) (channels.Principal, error) {
	var none channels.Principal
	users := h.Values(headerUser)
	if len(users) != 1 {
		return none, fmt.Errorf("want %s once, got it %d times", headerUser, len(users))
	}
	if _, err := channels.User(users[0]); err != nil || users[0] == channels.Somebody {
		return none, fmt.Errorf("%s: not a user's id", headerUser)
	}
	p := channels.Principal{User: users[0]}
	var err error
	if p.Admin, err = answeredAdmin(h.Values(headerAdmin)); err != nil {
		return none, err
	}
	if p.Channels, err = ParsePatterns(words(h.Values(headerChannels))); err != nil {
		return none, fmt.Errorf("%s: %w", headerChannels, err)
	}
	if p.Publish, err = ParsePatterns(words(h.Values(headerPublish))); err != nil {
		return none, fmt.Errorf("%s: %w", headerPublish, err)
	}
	return p, nil
}

func answeredAdmin(fields []string) (bool, error) {
	switch {
	case len(fields) == 0, len(fields) == 1 && fields[0] == "false":
		return false, nil
	case len(fields) == 1 && fields[0] == "true":
		return true, nil
	}
	return false, fmt.Errorf("%s: want true or false, once", headerAdmin)
}

// words are what stands between commas and blanks.
func words(fields []string) []string {
	return strings.FieldsFunc(strings.Join(fields, ","), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}
