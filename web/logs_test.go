package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// A countedLog counts what is read.
type countedLog struct {
	channels.Log
	reads *int
}

func (l countedLog) Heads(ctx context.Context, chans []channels.Channel) (channels.Cursor, error) {
	*l.reads++
	return l.Log.Heads(ctx, chans)
}

func (l countedLog) Read(ctx context.Context, after channels.Cursor, limit int) ([]channels.Page, error) {
	*l.reads++
	return l.Log.Read(ctx, after, limit)
}

var errDown = errors.New("SECRET: the database is down")

// A downLog is a log and a registry that cannot be read.
type downLog struct{ channels.Log }

func (downLog) Heads(context.Context, []channels.Channel) (channels.Cursor, error) {
	return nil, errDown
}

func (downLog) Read(context.Context, channels.Cursor, int) ([]channels.Page, error) {
	return nil, errDown
}

func (downLog) Latest(context.Context, channels.Channel, int) (channels.Page, error) {
	return channels.Page{}, errDown
}

func (downLog) Event(context.Context, channels.EventID) (channels.Event, error) {
	return channels.Event{}, errDown
}

func (downLog) SeqAt(context.Context, channels.Channel, time.Time) (channels.Seq, error) {
	return 0, errDown
}

func (downLog) Edit(context.Context, []devices.Edit) error { return errDown }

func (downLog) Devices(context.Context, []channels.DeviceRef) ([]devices.Device, error) {
	return nil, errDown
}

func (downLog) At(context.Context, func(devices.Moment) error) error { return errDown }

func (downLog) WithCodes(context.Context, []string) ([]devices.Device, error) { return nil, errDown }

func (downLog) List(context.Context, devices.Filter, channels.DeviceRef, int) ([]devices.Device, error) {
	return nil, errDown
}

func TestALogThatIsDownIsNoRefusalAndNoSecret(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Log, o.Registry, o.Moments = downLog{o.Log}, downLog{}, downLog{}
		o.Reader = channels.NewReader(o.Log, standardRules)
	})
	for _, target := range []string{
		"/", "/events/foo/", "/events/foo/?lastEventId=foo:1", "/iot/stream/pump/", "/iot/stream/pump/?snapshot=1", "/realtime/sse/", "/iot/poll/pump/", "/iot/poll/pump/?cursor=iot_pump:1",
		"/api/channels/foo/events", "/api/channels/foo/events?after=1", "/api/channels/foo/events?since=1h", "/api/devices", "/api/devices/pump/p1", "/api/devices/export",
	} {
		w := h.get(target, "X-User", "7")
		if strings.HasPrefix(target, "/events/") || strings.HasPrefix(target, "/iot/stream/") || strings.HasPrefix(target, "/realtime/") {
			wantPostponed(t, w)
		} else {
			wantProblem(t, w, http.StatusInternalServerError)
		}
		if strings.Contains(w.Body.String(), "SECRET") || w.Header().Get(grip.HeaderHold) != "" {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
	for _, body := range []string{opening, frame("TEXT", `{"action":"ping","cursor":"foo:1"}`), frame("TEXT", `{"action":"ping","cursor":""}`)} {
		wantProblem(t, h.batch("/ws/events/?channel=foo&cursor=foo:1", body), http.StatusInternalServerError)
	}
	if n := strings.Count(h.logged.String(), errDown.Error()); n != 17 {
		t.Errorf("%d failures are logged", n)
	}
}

func TestASocketPingsWhereTheLogIsDown(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Reader = channels.NewReader(downLog{}, standardRules) })
	if r := readReply(t, h.batch("/ws/events/?channel=foo", frame("TEXT", `{"action":"ping"}`))); len(r.messages) != 1 {
		t.Errorf("the messages are %q", r.messages)
	}
}

// A panicking authenticator stands for any bug.
type panicking struct{ value any }

func (p panicking) Authenticate(*http.Request) (channels.Principal, error) { panic(p.value) }

func TestOneRequestsBugIsNotTheServers(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Authenticator = panicking{"SECRET bug"} })
	for _, target := range []string{"/events/foo/", "/", "/api/devices"} {
		w := h.get(target)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "SECRET") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if !strings.Contains(h.logged.String(), "SECRET bug") {
		t.Error("the log does not say what happened")
	}
}

func TestAnAbortedRequestIsNoBug(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Authenticator = panicking{http.ErrAbortHandler} })
	defer func() {
		err, _ := recover().(error)
		if !errors.Is(err, http.ErrAbortHandler) || h.logged.Len() != 0 {
			t.Errorf("recovered %v, logged %s", err, h.logged)
		}
	}()
	h.get("/events/foo/")
}

func TestAGripLastThatNoProxyWritesIsRefused(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/foo/")
	for _, last := range []string{"events-foo", "events-foo; last-id=", ";", "a; last-id=1; last-id=2", strings.Repeat("a; last-id=1,", 20_000)} {
		w := h.get(v.in.next, grip.HeaderLast, last)
		if w.Code != http.StatusBadRequest || w.Header().Get(grip.HeaderHold) != "" {
			t.Errorf("%.40q: %d %s", last, w.Code, w.Body)
		}
	}
}
