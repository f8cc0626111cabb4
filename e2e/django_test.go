package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// The how-to of docs/authentication.md: a session login is enough, and the application has one view more.
func TestADjangoSessionIsEnough(t *testing.T) {
	t.Parallel()
	django := e2e.StartDjango(t)
	django.AddUser(t, "ada", "a long passphrase", "engines") // user 1, group 1
	django.AddUser(t, "bob", "another passphrase", "ships")  // user 2, group 2
	hub := e2e.StartServe(t, e2e.ServeOptions{
		NoBroker: true,
		Auth:     "  mode: forward\n  forward: {url: \"" + django.URL + "/griphub/auth\", ttl: 1s}\n",
		Config: `
channels:
  - {match: "room-*", read: token}
  - {match: "members", read: authenticated}
  - {match: "**", read: public}
`})
	mine := eventsOf(hub, "room-1", "members", "news")
	denied := func(what string, url string, who http.Header, channels string) {
		t.Helper()
		s := e2e.Watch(t, url, e2e.EventSourceOptions{Header: who})
		if e := s.Expect(t, "stream-error"); !strings.Contains(e.Data, "Permission denied to channels: "+channels+`"`) {
			t.Errorf("%s: %s", what, e.Data)
		}
	}

	browser, other := django.Visit(t), django.Visit(t)
	denied("before the login", mine, browser.Cookies(t), "room-1, members")
	browser.Login(t, "ada", "a long passphrase")
	other.Login(t, "bob", "another passphrase")
	ada := browser.Cookies(t)
	denied("another's room", mine, other.Cookies(t), "room-1")
	denied("another's room", eventsOf(hub, "room-2"), ada, "room-2")

	stream := watchWith(t, mine, e2e.EventSourceOptions{Header: ada})
	own := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{Header: ada})
	own.Expect(t, "message") // connected
	socket := e2e.Dial(t, hub.URL("/ws/events/?channel=room-1"), ada)
	ping(t, socket)
	hub.Publish(t, "room-1", `"for the engines"`)
	hub.Publish(t, "--user", "1", "--event", "greeting", `{"to":"ada"}`)
	if e := stream.Expect(t, "message"); e.Data != `"for the engines"` {
		t.Errorf("the room shows %s", e.Data)
	}
	if e := own.Expect(t, "message"); !strings.Contains(e.Data, `"to":"ada"`) {
		t.Errorf("the user's own events are %s", e.Data)
	}
	socket.Next(t)

	browser.Logout(t)
	// The session that was is no session any more.
	e2e.Eventually(t, "the logged-out cookies open nothing", func() bool {
		return e2e.Request(t, http.MethodGet, hub.URL("/api/channels/members/events"), "", ada).Status == http.StatusUnauthorized
	})
	denied("after the logout", mine, ada, "room-1, members")
	socket.Send(t, `{"action":"ping"}`)
	if code := socket.Closed(t); code != 4403 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
	// What was open is ended by a kick, or a quarter of an hour later.
	kick(t, hub, "1", "members")
	expectKicked(t, stream, "members")
	hub.Stop(t)
}
