package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// nobodies are what programs send as a user's id where they have none.
var nobodies = []string{"None", "null", "undefined", "anonymous", "0", "nil", "@somebody", "@public", "public"}

func TestScopesSayWhoSeesWhat(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth})
	sc := scopeScenes{hub: hub, seven: bearer(token(t, hub, "--user", "7")), eight: bearer(token(t, hub, "--user", "8"))}
	t.Run("a user's events reach all tabs and devices of that user alone", sc.usersEventsReachAllTabs)
	t.Run("a global event reaches everybody", sc.globalReachesEverybody)
	t.Run("a system event reaches no browser", sc.systemReachesNoBrowser)
	t.Run("nobody is not everybody", sc.nobodyIsNotEverybody)
	t.Run("a user is skipped", sc.userIsSkipped)
	t.Run("private data never leaves the log", sc.privateDataNeverLeaves)
	t.Run("a realtime stream resumes", sc.realtimeResumes)
	hub.Stop(t)
}

type scopeScenes struct {
	hub          *e2e.Hub
	seven, eight http.Header
}

// realtime opens /realtime/sse/ and takes the opening.
func (sc scopeScenes) realtime(t *testing.T, who http.Header) *e2e.EventSource {
	t.Helper()
	s := e2e.Watch(t, sc.hub.URL("/realtime/sse/"), e2e.EventSourceOptions{Header: who})
	sameJSON(t, "the opening", s.Expect(t, "message").Data, `{"type":"connected"}`)
	return s
}

// end publishes a global event, which every stream sees, and returns it: what comes before it, a scene has caused.
func (sc scopeScenes) end(t *testing.T, streams ...*e2e.EventSource) {
	t.Helper()
	sc.hub.Publish(t, "--global", "--event", "end", "{}")
	for _, s := range streams {
		if e := s.Expect(t, "message"); e.Data != `{"type":"end"}` {
			t.Errorf("a stream sees %s", e.Data)
		}
	}
}

func (sc scopeScenes) usersEventsReachAllTabs(t *testing.T) {
	tabs := []*e2e.EventSource{sc.realtime(t, sc.seven), sc.realtime(t, sc.seven), sc.realtime(t, sc.seven)}
	other, nobody := sc.realtime(t, sc.eight), sc.realtime(t, nil)
	sc.hub.Publish(t, "--user", "7", "--event", "task", `{"n":1,"type":"overwritten"}`)
	for _, tab := range tabs {
		sameJSON(t, "a tab", tab.Expect(t, "message").Data, `{"n":1,"type":"task"}`)
	}
	sc.end(t, append(tabs, other, nobody)...)
	if raw := tabs[0].Raw(); strings.Contains(raw, "event:") {
		t.Errorf("the stream has named events: %q", raw)
	}
}

func (sc scopeScenes) globalReachesEverybody(t *testing.T) {
	streams := []*e2e.EventSource{sc.realtime(t, sc.seven), sc.realtime(t, sc.eight), sc.realtime(t, nil)}
	sc.hub.Publish(t, "--global", "--event", "news", `{"n":2}`)
	for _, s := range streams {
		sameJSON(t, "a stream", s.Expect(t, "message").Data, `{"n":2,"type":"news"}`)
	}
}

func (sc scopeScenes) systemReachesNoBrowser(t *testing.T) {
	streams := []*e2e.EventSource{sc.realtime(t, sc.seven), sc.realtime(t, nil)}
	sc.hub.Publish(t, "--system", "--event", "job", `{"n":3}`)
	sc.end(t, streams...)
	for _, name := range []string{"@system", "%40system", "@user/7", "%40user%2F7", "@public", "@kicks"} {
		for _, path := range []string{"/events/?channel=" + name, "/events/" + strings.ReplaceAll(name, "/", "%2F") + "/", "/api/channels/" + strings.ReplaceAll(name, "/", "%2F") + "/events"} {
			answer := e2e.Request(t, http.MethodGet, sc.hub.URL(path), "", sc.seven)
			if !strings.Contains(answer.Body, "reserved") || strings.Contains(answer.Body, `"n"`) {
				t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
			}
		}
	}
}

// DjangoRealtime's publish(None) reached every anonymous visitor.
func (sc scopeScenes) nobodyIsNotEverybody(t *testing.T) {
	anonymous, seven := sc.realtime(t, nil), sc.realtime(t, sc.seven)
	for _, id := range nobodies {
		sc.hub.Publish(t, "--user", id, "--event", "leak", "{}")
		sc.hub.Publish(t, "--user", "7", "--skip-user", id, "--event", "kept", "{}")
		sameJSON(t, "user 7", seven.Expect(t, "message").Data, `{"type":"kept"}`)
	}
	sc.end(t, anonymous, seven)
	named := bearer(token(t, sc.hub, "--user", "None"))
	whoIsCalledNone := sc.realtime(t, named)
	sc.hub.Publish(t, "--user", "None", "--event", "mine", "{}")
	sameJSON(t, "the user None", whoIsCalledNone.Expect(t, "message").Data, `{"type":"mine"}`)
	sc.end(t, anonymous)
	if refused := sc.hub.Run(t, "publish", "--user", "", "{}"); refused.Code != 2 {
		t.Errorf("an empty user: exit code %d: %s", refused.Code, refused.Stderr)
	}
	admin := bearer(token(t, sc.hub, "--user", "ops", "--admin"))
	for _, body := range []string{`{"user":null}`, `{"user":""}`, `{"user":[]}`, `{"user":{}}`, `{"user":true}`, `{"channel":"a","skip_users":[null]}`, `{"channel":"a","skip_users":[""]}`} {
		answer := e2e.Request(t, http.MethodPost, sc.hub.URL("/api/publish"), body, admin)
		if answer.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, answer.Status, answer.Body)
		}
	}
	// A number is the user of that name.
	if answer := e2e.Request(t, http.MethodPost, sc.hub.URL("/api/publish"), `{"user":7,"event":"number"}`, admin); answer.Status != http.StatusOK {
		t.Errorf("a number: %d %s", answer.Status, answer.Body)
	}
}

func (sc scopeScenes) userIsSkipped(t *testing.T) {
	seven, eight := sc.realtime(t, sc.seven), sc.realtime(t, sc.eight)
	room := func(who http.Header) *e2e.EventSource {
		return watchWith(t, sc.hub.URL("/events/room/"), e2e.EventSourceOptions{Header: who})
	}
	roomSeven, roomEight, roomNobody := room(sc.seven), room(sc.eight), room(nil)
	sc.hub.Publish(t, "--global", "--skip-user", "7", "--event", "joined", "{}")
	sc.hub.Publish(t, "room", "--skip-user", "7", "--skip-user", "9", "1")
	sc.hub.Publish(t, "room", "2")
	sameJSON(t, "user 8", eight.Expect(t, "message").Data, `{"type":"joined"}`)
	for _, s := range []*e2e.EventSource{roomEight, roomNobody} {
		if e := s.Expect(t, "message"); e.Data != "1" {
			t.Errorf("who is not skipped sees %s", e.Data)
		}
	}
	if e := roomSeven.Expect(t, "message"); e.Data != "2" {
		t.Errorf("who is skipped sees %s", e.Data)
	}
	sc.end(t, seven, eight)
}

func (sc scopeScenes) privateDataNeverLeaves(t *testing.T) {
	streams := []*e2e.EventSource{sc.realtime(t, sc.seven), watchWith(t, sc.hub.URL("/events/vault/"), e2e.EventSourceOptions{Header: sc.seven})}
	socket := e2e.Dial(t, sc.hub.URL("/ws/events/?channel=vault"), sc.seven)
	ping(t, socket)
	const private = `{"iban":"LEAK"}`
	ids := []string{
		sc.hub.Publish(t, "--user", "7", "--private", private, "{}"), sc.hub.Publish(t, "--global", "--private", private, "{}"),
		sc.hub.Publish(t, "vault", "--private", private, "1"),
	}
	streams[0].Expect(t, "message")
	streams[0].Expect(t, "message")
	streams[1].Expect(t, "message")
	seen := streams[0].Raw() + streams[1].Raw() + socket.Next(t).Data
	late := watchWith(t, sc.hub.URL("/events/vault/?lastEventId=vault:0"), e2e.EventSourceOptions{Header: sc.seven})
	late.Expect(t, "message")
	seen += late.Raw() + e2e.Request(t, http.MethodGet, sc.hub.URL("/api/channels/vault/events"), "", sc.seven).Body
	for _, id := range ids {
		seen += e2e.Request(t, http.MethodGet, sc.hub.URL("/api/events/"+id), "", sc.seven).Body
		if shown := run(t, sc.hub, "events", "show", id); !strings.Contains(shown, "LEAK") {
			t.Errorf("the log does not have it: %s", shown)
		}
	}
	if strings.Contains(seen, "LEAK") || strings.Contains(sc.hub.Log(), "LEAK") {
		t.Error("private data has left the log")
	}
}

func (sc scopeScenes) realtimeResumes(t *testing.T) {
	s := sc.realtime(t, sc.seven)
	sc.hub.Publish(t, "--user", "7", "--event", "a", "{}")
	if e := s.Expect(t, "message"); e.ID == "" {
		t.Error("the event has no id")
	}
	opens := s.Opens()
	s.Cut()
	sc.hub.Publish(t, "--user", "7", "--event", "b", "{}")
	sc.hub.Publish(t, "--global", "--event", "c", "{}")
	e2e.Eventually(t, "it is back", func() bool { return s.Opens() > opens })
	var types []string
	for !slices.Contains(types, `{"type":"c"}`) || !slices.Contains(types, `{"type":"b"}`) {
		types = append(types, s.Expect(t, "message").Data)
	}
	// Each connection opens with its own message; each event came once.
	types = slices.DeleteFunc(types, func(data string) bool { return strings.Contains(data, "connected") })
	if len(types) != 2 {
		t.Errorf("after the cut came %q", types)
	}
}

// Where nothing else happens, events come at once and not with the next heartbeat: there is none for half an hour.
func TestEventsDoNotWaitForAHeartbeat(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: "stream: {keepalive: 30m, device_keepalive: 30m, realtime_keepalive: 30m, recheck: 1h}\n"})
	stream := e2e.Watch(t, hub.URL("/realtime/sse/"), e2e.EventSourceOptions{})
	stream.Expect(t, "message")
	const rounds = 15
	var took []time.Duration
	for n := range rounds {
		begin := time.Now()
		answer := e2e.Request(t, http.MethodPost, hub.URL("/api/publish"), fmt.Sprintf(`{"user":"dev","data":{"n":%d}}`, n), nil)
		if answer.Status != http.StatusOK {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
		took = append(took, stream.Expect(t, "message").At.Sub(begin))
	}
	slices.Sort(took)
	// DjangoRealtime's heartbeat, with which an event on an idle server came there.
	const heartbeat = 5 * time.Second
	t.Logf("median %v, worst %v", took[rounds/2], took[rounds-1])
	if median := took[rounds/2]; median > heartbeat/10 {
		t.Errorf("half of the events took more than %v", median)
	}
	if len(stream.Comments()) > 0 {
		t.Errorf("the stream has heartbeats: %+v", stream.Comments())
	}
	hub.Stop(t)
}
