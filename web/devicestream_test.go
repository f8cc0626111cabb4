package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

func TestDeviceStreamsAreDjangoDevicehubs(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"temperature":25.3}`)
	h.device("pump", "p2", `{"temperature":1}`)
	v := h.view("/iot/stream/pump/", "X-User", "7", "Last-Event-ID", "iot_pump:0")
	envelope := func(id, data string) string {
		return `{"event":"data","device_type":"pump","device_id":"` + id + `","data":` + data + `,"timestamp":"2025-01-15T12:00:00+00:00"}`
	}
	want := "event: connected\nid: iot_pump:0\ndata: {\"group\":\"iot_pump\"}\n\n" +
		"event: data\nid: iot_pump:1\ndata: " + envelope("p1", `{"temperature":25.3}`) + "\n\n" +
		"event: data\nid: iot_pump:2\ndata: " + envelope("p2", `{"temperature":1}`) + "\n\n"
	if v.text != want {
		t.Errorf("the stream shows\n%s\nwant\n%s", v.text, want)
	}
	if v.in.keepAlive != ": keepalive\n\n" || v.in.keepAliveOpts["timeout"] != "30" {
		t.Errorf("the keep-alive is %q, %v", v.in.keepAlive, v.in.keepAliveOpts)
	}
	one := h.view("/iot/stream/pump/p2/", "X-User", "7", "Last-Event-ID", "iot_pump_p2:0")
	if events := one.events(); len(events) != 2 || events[0].Data != `{"group":"iot_pump_p2"}` || events[1].Data != envelope("p2", `{"temperature":1}`) {
		t.Errorf("one device's stream shows %s", summary(events))
	}
	one.deliver(h.device("pump", "p2", `{"level":"100%"}`))
	one.deliver(h.device("pump", "p1", `{}`))
	if events := one.events(); len(events) != 3 || events[2].ID != "iot_pump_p2:2" || events[2].Data != envelope("p2", `{"level":"100%"}`) {
		t.Errorf("one device's stream shows %s", summary(events))
	}
}

func TestNoDeviceStreamShowsAnothersEvents(t *testing.T) {
	h := openHub(t)
	h.device("a_b", "c", `{"whose":"a_b"}`)
	h.device("a", "b_c", `{"whose":"a"}`)
	for target, want := range map[string]string{
		"/iot/stream/a_b/": "a_b", "/iot/stream/a_b/c/": "a_b", "/iot/stream/a/b_c/": "a", "/iot/stream/a/": "a",
	} {
		v := h.view(target, "X-User", "7")
		channel := strings.TrimPrefix(v.in.names[0], "events-")
		v = h.view(target, "X-User", "7", "Last-Event-ID", channel+":0")
		if events := v.events(); len(events) != 2 || !strings.Contains(events[1].Data, `{"whose":"`+want+`"}`) {
			t.Errorf("%s shows %s", target, summary(events))
		}
	}
}

func TestDeviceStreamsKeepHostileNamesApart(t *testing.T) {
	h := openHub(t)
	for target, want := range map[string]string{
		"/iot/stream/p%2Fq/r/":        "iot_p/q_r",
		"/iot/stream/p/q%2Fr/":        "iot_p_q/r",
		"/iot/stream/100%25/50%25/":   "iot_100%25_50%",
		"/iot/stream/%3Cb%3E/%22%27/": `iot_<b>_"'`,
		"/iot/stream/a+b/":            "iot_a+b",
	} {
		v := h.view(target, "X-User", "7")
		if want := channels.Channel(want).Grip(); !slices.Equal(v.in.names, []string{want, "kicks"}) {
			t.Errorf("%s is held on %q, want %q", target, v.in.names, want)
		}
		v.follow()
		if v.ended {
			t.Errorf("%s ends at its link", target)
		}
	}
}

func TestErrorsOfDeviceStreamsAreHTTPErrors(t *testing.T) {
	h := openHub(t)
	for what, c := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
	}{
		"anonymous":           {h.get("/iot/stream/pump/"), http.StatusUnauthorized},
		"bad credentials":     {h.get("/iot/stream/pump/", "X-User", "forged"), http.StatusUnauthorized},
		"an ended identity":   {h.get("/iot/stream/pump/", "X-User", "7 until=2025-01-15T11:00:00Z"), http.StatusForbidden},
		"a broken position":   {h.get("/iot/stream/pump/", "X-User", "7", "Last-Event-ID", "x"), http.StatusBadRequest},
		"an ended stream":     {h.get("/iot/stream/pump/", "X-User", "7", "Last-Event-ID", "error"), http.StatusBadRequest},
		"a control character": {h.get("/iot/stream/pump%00/", "X-User", "7"), http.StatusBadRequest},
		"a long name":         {h.get("/iot/stream/pump/"+strings.Repeat("p", 300), "X-User", "7"), http.StatusBadRequest},
	} {
		t.Run(what, func(t *testing.T) {
			wantProblem(t, c.w, c.status)
			if c.w.Header().Get(grip.HeaderHold) != "" || strings.Contains(c.w.Body.String(), "SECRET") {
				t.Errorf("it is held, or tells a secret: %q", c.w.Body)
			}
		})
	}
}

func TestRealtimeStreamsAreDjangoRealtimes(t *testing.T) {
	h := openHub(t)
	v := h.view("/realtime/sse/", "X-User", "7")
	if want := "id: %40user/7:0,%40public:0\ndata: {\"type\": \"connected\"}\n\n"; v.text != want {
		t.Errorf("the stream opens with %q, want %q", v.text, want)
	}
	if v.in.keepAlive != ": heartbeat\n\n" || v.in.keepAliveOpts["timeout"] != "5" {
		t.Errorf("the keep-alive is %q, %v", v.in.keepAlive, v.in.keepAliveOpts)
	}
	own := channels.Draft{Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/7"}, Type: "order_paid", Data: []byte(`{"id":5,"rate":"100%"}`)}
	all := channels.Draft{Scope: channels.ScopeGlobal, Channels: []channels.Channel{channels.Public}, Type: "news", Data: []byte(`{}`)}
	v.deliver(h.publishDraft(own))
	v.deliver(h.publishDraft(all))
	live := v.events()[1:]
	if want := "message \"%40user/7:1,%40public:0\" {\"id\":5,\"rate\":\"100%\",\"type\":\"order_paid\"}\nmessage \"%40user/7:1,%40public:1\" {\"type\":\"news\"}\n"; summary(live) != want {
		t.Errorf("the stream shows\n%swant\n%s", summary(live), want)
	}
	// A reconnect shows the same again.
	again := h.view("/realtime/sse/", "X-User", "7", "Last-Event-ID", "%40user/7:0,%40public:0").events()[1:]
	if summary(again) != summary(live) {
		t.Errorf("replayed\n%slive\n%s", summary(again), summary(live))
	}
}

func TestRealtimeEventsReachTheirUserAlone(t *testing.T) {
	h := openHub(t)
	h.publishDraft(channels.Draft{Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/7"}, Type: "secret", Data: []byte(`{}`)})
	h.publishDraft(channels.Draft{Scope: channels.ScopeSystem, User: "7", Channels: []channels.Channel{channels.System}, Type: "audit", Data: []byte(`{}`)})
	for user, want := range map[string][]string{
		"":                {"events-%40public"},
		"8":               {"composite-%40user/8", "composite-%40public"},
		"8 admin":         {"composite-%40user/8", "composite-%40public"},
		"None":            {"composite-%40user/None", "composite-%40public"},
		"../7":            {"composite-%40user/../7", "composite-%40public"},
		"8 reads=@user/7": {"composite-%40user/8", "composite-%40public"},
	} {
		// A position in somebody else's channel is nobody's business either.
		v := h.view("/realtime/sse/", "X-User", user, "Last-Event-ID", "%40user/7:0,%40system:0,%40public:0")
		if fmt.Sprint(v.in.names) != fmt.Sprint(want) || len(v.events()) != 1 {
			t.Errorf("user %q is held on %q and sees %s", user, v.in.names, summary(v.events()))
		}
	}
	if v := h.view("/realtime/sse/", "X-User", "7", "Last-Event-ID", "%40user/7:0"); len(v.events()) != 2 {
		t.Errorf("user 7 sees %s", summary(v.events()))
	}
}

func TestAUserWhoseNameMakesNoChannelIsRefused(t *testing.T) {
	h := openHub(t)
	wantProblem(t, h.get("/realtime/sse/", "X-User", strings.Repeat("7", 300)), http.StatusBadRequest)
}

func TestARealtimeStreamFollowsItsLink(t *testing.T) {
	h := openHub(t)
	v := h.view("/realtime/sse/", "X-User", "7")
	h.publishDraft(channels.Draft{Scope: channels.ScopeUser, User: "7", Channels: []channels.Channel{"@user/7"}, Type: "a", Data: []byte(`{}`)})
	h.clock.advance(time.Minute)
	v.follow()
	if events := v.events(); len(events) != 2 || events[1].Data != `{"type":"a"}` {
		t.Errorf("the stream shows %s", summary(events))
	}
}
