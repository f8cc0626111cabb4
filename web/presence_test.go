package web_test

import (
	"net/http"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

// audience says the same of every channel but "empty".
type audience []channels.Presence

func (a audience) Presence(c channels.Channel) []channels.Presence {
	list := append([]channels.Presence(nil), a...)
	for i := range list {
		if c == "empty" {
			list[i].Viewers = 0
		}
	}
	return list
}

func presenceHub(t *testing.T, a audience) *hub {
	return openHub(t, func(o *web.Options) { o.Audience = a })
}

func TestPresenceSumsTheProxies(t *testing.T) {
	known := channels.Presence{Viewers: 2, State: channels.PresenceKnown}
	learning := channels.Presence{Viewers: 3, State: channels.PresenceLearning}
	away := channels.Presence{State: channels.PresenceAway}
	for _, c := range []struct {
		audience     audience
		target, want string
	}{
		{audience{known, known}, "a%2Fb", `{"channel":"a/b","viewers":4,"complete":true,"proxies":[{"viewers":2,"state":"known"},{"viewers":2,"state":"known"}]}`},
		{audience{known}, "empty", `{"channel":"empty","viewers":0,"complete":true,"proxies":[{"viewers":0,"state":"known"}]}`},
		{audience{known, learning}, "foo", `{"channel":"foo","viewers":5,"complete":false,"proxies":[{"viewers":2,"state":"known"},{"viewers":3,"state":"learning"}]}`},
		{audience{known, away}, "foo", `{"channel":"foo","viewers":2,"complete":false,"proxies":[{"viewers":2,"state":"known"},{"viewers":0,"state":"away"}]}`},
		{audience{away}, "foo", `{"channel":"foo","viewers":null,"complete":false,"proxies":[{"viewers":0,"state":"away"}]}`},
	} {
		w := presenceHub(t, c.audience).direct("/api/presence/" + c.target)
		if w.Code != http.StatusOK || w.Body.String() != c.want {
			t.Errorf("%s: %d %s, want %s", c.target, w.Code, w.Body, c.want)
		}
		wantHeader(t, w, "Cache-Control", "no-store")
	}
}

func TestPresenceIsForWhoMayRead(t *testing.T) {
	h := presenceHub(t, audience{{Viewers: 1, State: channels.PresenceKnown}})
	wantProblem(t, h.direct("/api/presence/members_x"), http.StatusUnauthorized)
	wantProblem(t, h.direct("/api/presence/hidden", "X-User", "7"), http.StatusForbidden)
	wantProblem(t, h.direct("/api/presence/%40user%2F7", "X-User", "7"), http.StatusBadRequest)
	if w := h.direct("/api/presence/members_x/", "X-User", "7"); w.Code != http.StatusOK {
		t.Errorf("user 7: %d %s", w.Code, w.Body)
	}
}

func TestWithoutAProxyThatCountsPresenceSaysSo(t *testing.T) {
	p := wantProblem(t, openHub(t).direct("/api/presence/foo"), http.StatusNotImplemented)
	if p.Error.Code != "no-stats" {
		t.Errorf("the problem is %+v", p)
	}
}
