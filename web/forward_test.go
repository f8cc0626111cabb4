package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// asUser answers that every visitor is the user; fields are further header names and values in turn.
func asUser(user string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-User-Id"] = []string{user}
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
	}
}

func (e *endpoint) application(t *testing.T, ttl time.Duration) (*web.Forward, *clock) {
	t.Helper()
	now := &clock{now: hour}
	f, err := web.NewForward(web.ForwardOptions{
		URL: e.URL + "/auth?key=SECRET", TTL: ttl, Timeout: 5 * time.Second, Kicks: noKicks(), Logger: e.logger(), Now: now.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, now
}

// noKicks is a log in which nobody was kicked.
func noKicks() *channels.Reader {
	return channels.NewReader(logtest.NewMemory(time.Now, 0, channels.Retention{}), nil)
}

// visit is a request with the cookies.
func visit(cookies string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://hub.test/events/foo/?access_token=SECRET", nil)
	r.Header.Set("Cookie", cookies)
	return r
}

func TestTheApplicationSaysWhoAsks(t *testing.T) {
	e := openEndpoint(t, asUser("7", "X-Channels", "iot_*, room/**  a", "X-Channels", "b", "X-Publish", "room/1", "X-Admin", "true"))
	f, _ := e.application(t, 10*time.Second)
	p, err := f.Authenticate(visit("sessionid=1"))
	want := channels.Principal{User: "7", Channels: []channels.Pattern{"iot_*", "room/**", "a", "b"}, Publish: []channels.Pattern{"room/1"},
		Admin: true, Expires: hour.Add(15*time.Minute + 10*time.Second)}
	if err != nil || fmt.Sprint(p) != fmt.Sprint(want) {
		t.Errorf("the principal is %+v, %v", p, err)
	}
}

func TestTheApplicationGetsCredentialsAndLittleElse(t *testing.T) {
	var got *http.Request
	e := openEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		asUser("7")(w, r)
	})
	f, _ := e.application(t, 0)
	r := visit("sessionid=1; griphub_poll=old")
	r.Method = http.MethodPost
	for name, value := range map[string]string{
		"Authorization": "Bearer x", "User-Agent": "Browser/1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test", "X-User-Id": "1",
		"Grip-Sig": "s", "Last-Event-ID": "foo:1", "Origin": "http://evil.test", "Accept": "text/event-stream", "X-Forwarded-For": "1.2.3.4",
	} {
		r.Header.Set(name, value)
	}
	r.Header.Add("Cookie", "griphub_poll=new; theme=dark; ; a")
	wantUser(t, f, r, "7")
	want := http.Header{
		"Cookie": {"sessionid=1; theme=dark; a"}, "Authorization": {"Bearer x"}, "User-Agent": {"Browser/1"},
		"X-Forwarded-Host": {"hub.test"}, "X-Forwarded-Proto": {"https"}, "Accept-Encoding": {"gzip"},
	}
	if got.Method != http.MethodGet || got.RequestURI != "/auth?key=SECRET" || got.ContentLength != 0 || fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("the application got %s %s %v", got.Method, got.RequestURI, got.Header)
	}
}

func TestWithoutCredentialsTheApplicationIsNotAsked(t *testing.T) {
	e := openEndpoint(t, asUser("7"))
	f, _ := e.application(t, 0)
	for _, cookies := range []string{"", " ; ", "griphub_poll=x"} {
		if p, err := f.Authenticate(visit(cookies)); err != nil || !p.Anonymous() {
			t.Errorf("cookies %q: %+v, %v", cookies, p, err)
		}
	}
	e.wantAsked(t, 0)
}

func TestWhatTheApplicationSaysNoWith(t *testing.T) {
	e := openEndpoint(t, status(http.StatusUnauthorized))
	f, now := e.application(t, 10*time.Second)
	h := openHub(t, func(o *web.Options) { o.Authenticator = f })
	if w := h.get("/events/foo/", "Cookie", "sessionid=1"); w.Header().Get(grip.HeaderHold) != "stream" {
		t.Errorf("401 does not leave a public channel: %d %s", w.Code, w.Body)
	}
	wantProblem(t, h.get("/iot/stream/pump/", "Cookie", "sessionid=1"), http.StatusUnauthorized)
	e.wantAsked(t, 1)

	now.advance(10 * time.Second)
	e.answer.Store(status(http.StatusForbidden))
	for _, target := range []string{"/iot/stream/pump/", "/realtime/sse/", "/iot/poll/pump/", "/api/devices", "/api/channels/foo/events", "/"} {
		wantProblem(t, h.get(target, "Cookie", "sessionid=1"), http.StatusForbidden)
	}
	wantProblem(t, h.post("/api/publish", `{}`, "Cookie", "sessionid=1"), http.StatusForbidden)
	if w := h.get("/events/foo/", "Cookie", "sessionid=1"); !strings.Contains(w.Body.String(), "event: stream-error") || w.Header().Get(grip.HeaderHold) != "" {
		t.Errorf("403: %d %s", w.Code, w.Body)
	}
	if code, _ := readReply(t, h.batch("/ws/events/?channel=foo", opening, "Cookie", "sessionid=1")).closed(t); code != 4403 {
		t.Errorf("403 closes a socket with %d", code)
	}
	e.wantAsked(t, 2)
	e.wantLogged(t, 0)
}

func TestAnApplicationThatCannotAnswerLetsNobodyIn(t *testing.T) {
	elsewhere := openEndpoint(t, asUser("7"))
	for what, bad := range map[string]http.HandlerFunc{
		"an error": status(http.StatusInternalServerError), "no content": status(http.StatusNoContent), "not found": status(http.StatusNotFound),
		"nobody": status(http.StatusOK), "an empty name": asUser(""), "a reserved name": asUser(channels.Somebody), "not UTF-8": asUser("\xff"),
		"a long name": asUser(strings.Repeat("7", 300)), "two names": asUser("7", "X-User-Id", "8"), "a bad pattern": asUser("7", "X-Channels", "a***"),
		"half an administrator": asUser("7", "X-Admin", "yes"), "both": asUser("7", "X-Admin", "false", "X-Admin", "true"),
		"too many patterns": asUser("7", "X-Publish", strings.Repeat("a,", 101)), "a huge header": asUser("7", "X-Channels", strings.Repeat("a", 1<<20)),
		"a hang-up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte("SECRET garbage\r\n\r\n"))
			_ = conn.Close()
		},
	} {
		t.Run(what, func(t *testing.T) {
			e := openEndpoint(t, bad)
			f, _ := e.application(t, time.Minute)
			h := openHub(t, func(o *web.Options) { o.Authenticator = f })
			for _, target := range []string{"/events/foo/", "/iot/stream/pump/", "/realtime/sse/"} {
				wantPostponed(t, h.get(target, "Cookie", "sessionid=SECRET"))
			}
			for _, target := range []string{
				"/iot/poll/pump/", "/api/devices", "/api/channels/foo/events", "/api/devices/pump/p1", "/",
			} {
				wantProblem(t, h.get(target, "Cookie", "sessionid=SECRET"), http.StatusServiceUnavailable)
			}
			wantProblem(t, h.post("/api/publish", `{}`, "Cookie", "sessionid=SECRET"), http.StatusServiceUnavailable)
			wantProblem(t, h.batch("/ws/events/?channel=foo", opening, "Cookie", "sessionid=SECRET"), http.StatusServiceUnavailable)
			if w := h.get("/events/foo/"); w.Code != http.StatusOK {
				t.Errorf("without credentials: %d %s", w.Code, w.Body)
			}
			e.wantLogged(t, 1)
			e.answer.Store(asUser("7"))
			wantUser(t, f, visit("sessionid=SECRET"), "7") // failures are not remembered
			e.wantLogged(t, 2)
		})
	}
	elsewhere.wantAsked(t, 0)
}

func TestAnApplicationThatIsGoneIsNoRefusal(t *testing.T) {
	e := openEndpoint(t, asUser("7"))
	f, now := e.application(t, 10*time.Second)
	h := openHub(t, func(o *web.Options) { o.Authenticator = f })
	wantUser(t, f, visit("sessionid=1"), "7")
	e.Close()
	wantUser(t, f, visit("sessionid=1"), "7")
	now.advance(10 * time.Second)
	wantUser(t, f, visit("sessionid=1"), "")
	wantPostponed(t, h.get("/events/foo/", "Cookie", "sessionid=1"))
	wantProblem(t, h.get("/iot/poll/pump/", "Cookie", "sessionid=1"), http.StatusServiceUnavailable)
	e.wantLogged(t, 1)
	if !strings.Contains(e.logged.String(), "refused") {
		t.Errorf("the log does not say why: %s", &e.logged)
	}
}

func TestASilentApplicationIsNotWaitedForLong(t *testing.T) {
	e := openEndpoint(t, silence)
	f, err := web.NewForward(web.ForwardOptions{URL: e.URL, Timeout: 20 * time.Millisecond, Kicks: noKicks(), Logger: e.logger(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, f, visit("sessionid=1"), "")
	e.wantLogged(t, 1)
}

func TestTheApplicationsBodyIsNotWaitedFor(t *testing.T) {
	e := openEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		asUser("7")(w, r)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		silence(w, r)
	})
	f, _ := e.application(t, 0)
	began := time.Now()
	wantUser(t, f, visit("sessionid=1"), "7")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAnAnswerHoldsForEqualCredentials(t *testing.T) {
	e := openEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		asUser(strings.TrimPrefix(r.Header.Get("Cookie"), "sessionid=")+r.Header.Get("Authorization"))(w, r)
	})
	f, now := e.application(t, 10*time.Second)
	for range 3 {
		wantUser(t, f, visit("sessionid=1"), "1")
		wantUser(t, f, visit("sessionid=1; griphub_poll=each-time-another"), "1")
		wantUser(t, f, visit("sessionid=2"), "2")
	}
	e.wantAsked(t, 2)
	r := visit("")
	r.Header.Set("Authorization", "sessionid=1")
	wantUser(t, f, r, "sessionid=1") // the same text in another place
	e.wantAsked(t, 3)
	now.advance(10 * time.Second)
	wantUser(t, f, visit("sessionid=1"), "1")
	e.wantAsked(t, 4)

	f, _ = e.application(t, 0)
	for range 2 {
		wantUser(t, f, visit("sessionid=1"), "1")
	}
	e.wantAsked(t, 6)
}

func TestAReconnectStormIsOneQuestion(t *testing.T) {
	come := make(chan struct{})
	e := openEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		<-come
		asUser("7")(w, r)
	})
	f, _ := e.application(t, 10*time.Second)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { wantUser(t, f, visit("sessionid=1"), "7") })
	}
	close(come)
	all.Wait()
	e.wantAsked(t, 1)
}

func TestAVisitorWhoLeavesTakesNobodyAlong(t *testing.T) {
	asked, come := make(chan struct{}), make(chan struct{})
	e := openEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-come
		asUser("7")(w, r)
	})
	f, _ := e.application(t, 10*time.Second)
	h := openHub(t, func(o *web.Options) { o.Authenticator = f })
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan int)
	go func() {
		first <- h.do(h.request(http.MethodGet, "/api/devices", nil, "Cookie", "sessionid=1").WithContext(ctx)).Code
	}()
	<-asked
	leave()
	if code := <-first; code != http.StatusServiceUnavailable {
		t.Errorf("who left gets %d", code)
	}
	close(come)
	if w := h.get("/api/devices", "Cookie", "sessionid=1"); w.Code != http.StatusOK {
		t.Errorf("the other gets %d", w.Code)
	}
	e.wantAsked(t, 1)
}

func TestCredentialsArePassedOnUpToABound(t *testing.T) {
	e := openEndpoint(t, asUser("7"))
	f, _ := e.application(t, 0)
	wantUser(t, f, visit(strings.Repeat("x", 64<<10)), "")
	e.wantAsked(t, 0)
}

func TestAStreamOfTheApplicationsVisitorEnds(t *testing.T) {
	e := openEndpoint(t, asUser("7"))
	now := &clock{now: hour}
	f, err := web.NewForward(web.ForwardOptions{URL: e.URL, TTL: 10 * time.Second, Timeout: 5 * time.Second, Kicks: noKicks(), Logger: e.logger(), Now: now.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := openHub(t, func(o *web.Options) { o.Authenticator = f })
	v := h.view("/events/members_x/", "Cookie", "sessionid=1")
	h.clock.advance(15*time.Minute + 9*time.Second)
	v.follow()
	if v.ended {
		t.Fatal("the stream ends too early")
	}
	h.clock.advance(time.Second)
	if last := v.ending(); len(last) != 0 {
		t.Errorf("the last words are %q", summary(last))
	}
	e.wantAsked(t, 1)
}

func TestAKickMakesTheApplicationAnswerAgain(t *testing.T) {
	log := logtest.NewMemory(time.Now, 0, channels.Retention{})
	e := openEndpoint(t, asUser("7"))
	f, err := web.NewForward(web.ForwardOptions{
		URL: e.URL, TTL: time.Hour, Timeout: 5 * time.Second, Kicks: channels.NewReader(log, nil), Logger: e.logger(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	kick := func(user string) {
		t.Helper()
		k, err := channels.ParseKick(user, "foo")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(t.Context(), channels.Batch{Drafts: []channels.Draft{k.Draft()}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		wantUser(t, f, visit("sessionid=1"), "7")
	}
	e.wantAsked(t, 1)
	kick("8")
	for range 2 {
		wantUser(t, f, visit("sessionid=1"), "7")
	}
	e.wantAsked(t, 1)
	kick("7")
	e.answer.Store(status(http.StatusForbidden))
	for range 2 {
		if p, err := f.Authenticate(visit("sessionid=1")); err == nil {
			t.Errorf("after the kick the visitor is %+v", p)
		}
	}
	e.wantAsked(t, 2)
}

func TestWhereNobodyKnowsWhoWasKickedNothingIsDecided(t *testing.T) {
	e := openEndpoint(t, asUser("7"))
	f, err := web.NewForward(web.ForwardOptions{
		URL: e.URL, Timeout: 5 * time.Second, Kicks: channels.NewReader(downLog{}, nil), Logger: e.logger(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := f.Authenticate(visit("sessionid=1")); !errors.Is(err, web.ErrUndecided) {
		t.Errorf("%+v, %v", p, err)
	}
	e.wantAsked(t, 0)
}
