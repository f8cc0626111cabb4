package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

// room is a channel whose name needs every encoding there is.
const room = `room/50% "é",;<b>`

// kickRules are about rooms for those whose token lists them, and a team in which all are alike.
const kickRules = `channels:
  - {match: "room/**", read: token}
  - {match: "team", read: authenticated, shared: true}
  - {match: "iot_**", read: authenticated, shared: true}
  - {match: "**", read: public}
`

const kickAuth = "  mode: jwt\n  jwt: {algorithm: HS256, secret: 0123456789abcdef0123456789abcdef}\n"

func TestOneOfTwoUsersIsKicked(t *testing.T) {
	t.Parallel()
	// The recheck comes far too late to be what ends the streams.
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth, Config: kickRules + "stream: {recheck: 1h}\n", Prefix: "v1-"})
	scenes := kickScenes{
		hub:   hub,
		alice: bearer(token(t, hub, "--user", "alice", "--channel", "room/**")),
		bob:   bearer(token(t, hub, "--user", "bob ü%", "--channel", "room/50*", "--channel", "room/one", "--channel", "room/two")),
	}
	t.Run("each sees what is theirs", scenes.eachSeesWhatIsTheirs)
	t.Run("a stream ends with one error", scenes.streamEndsWithOneError)
	t.Run("two kicks within a minute both work", scenes.twoKicksWork)
	t.Run("a WebSocket is closed with 4403", scenes.socketIsClosed)
	t.Run("a long poll is answered", scenes.longPollIsAnswered)
	t.Run("where all are alike the others come back", scenes.othersComeBack)
	t.Run("the commands say what is wrong", scenes.commandSaysWhatIsWrong)
	t.Run("kicks work after the proxy was restarted", scenes.worksAfterRestart)
	hub.Stop(t)
}

// kickScenes are about kicks, at one hub with two users.
type kickScenes struct {
	hub        *e2e.Hub
	alice, bob http.Header
}

const bob = "bob ü%"

func eventsOf(hub *e2e.Hub, channels ...string) string {
	return hub.URL("/events/?" + url.Values{"channel": channels}.Encode())
}

// kick runs the command.
func kick(t *testing.T, hub *e2e.Hub, user, channel string) {
	t.Helper()
	if out := run(t, hub, "kick", user, channel); !strings.HasPrefix(out, "kicked user ") {
		t.Errorf("griphub kick prints %q", out)
	}
}

// expectKicked reads a stream's last event, and sees that there was one such event and that the browser has stopped.
func expectKicked(t *testing.T, s *e2e.EventSource, channel string) {
	t.Helper()
	e := s.Expect(t, "stream-error")
	if e.ID != "error" {
		t.Errorf("the error's id is %q", e.ID)
	}
	sameJSON(t, "the error", e.Data, fmt.Sprintf(`{"condition":"forbidden","text":%q,"channels":[%q]}`, "Permission denied to channels: "+channel, channel))
	if err := s.AwaitEnd(t); err == nil || !strings.Contains(err.Error(), "status 400") {
		t.Errorf("the browser has stopped because of %v", err)
	}
	errorsSeen := 0
	for _, e := range s.Events() {
		if e.Type == "stream-error" {
			errorsSeen++
		}
	}
	if errorsSeen != 1 || s.Opens() != 1 {
		t.Errorf("%d errors came over %d connections", errorsSeen, s.Opens())
	}
}

func (sc kickScenes) watch(t *testing.T, who http.Header, channels ...string) *e2e.EventSource {
	t.Helper()
	return watchWith(t, eventsOf(sc.hub, channels...), e2e.EventSourceOptions{Header: who})
}

func (sc kickScenes) eachSeesWhatIsTheirs(t *testing.T) {
	alice := sc.watch(t, sc.alice, room, "room/three")
	bobs := sc.watch(t, sc.bob, room)
	denied := e2e.Watch(t, eventsOf(sc.hub, room, "room/three"), e2e.EventSourceOptions{Header: sc.bob})
	expectKicked(t, denied, "room/three")
	sc.hub.Publish(t, room, "1")
	sc.hub.Publish(t, "room/three", "2")
	sc.hub.Publish(t, room, "3")
	for _, want := range []string{"1", "2", "3"} {
		if e := alice.Expect(t, "message"); e.Data != want {
			t.Errorf("alice sees %s, want %s", e.Data, want)
		}
	}
	for _, want := range []string{"1", "3"} {
		if e := bobs.Expect(t, "message"); e.Data != want {
			t.Errorf("bob sees %s, want %s", e.Data, want)
		}
	}
}

func (sc kickScenes) streamEndsWithOneError(t *testing.T) {
	kicked := []*e2e.EventSource{sc.watch(t, sc.bob, room), sc.watch(t, sc.bob, room, "room/one")}
	others := []*e2e.EventSource{sc.watch(t, sc.alice, room, "room/one"), sc.watch(t, sc.bob, "room/one")}
	sc.hub.Publish(t, room, `"before"`)
	for _, s := range append(kicked, others[0]) {
		s.Expect(t, "message")
	}
	start := time.Now()
	kick(t, sc.hub, bob, room)
	for _, s := range kicked {
		expectKicked(t, s, room)
	}
	took := time.Since(start)
	t.Logf("the streams have ended %v after the command began", took)
	if took > 15*time.Second {
		t.Errorf("which is late")
	}
	sc.hub.Publish(t, "room/one", `"after"`)
	for _, s := range others {
		if e := s.Expect(t, "message"); e.Data != `"after"` || s.Opens() != 1 {
			t.Errorf("another stream shows %s, after %d connections", e.Data, s.Opens())
		}
	}
}

func (sc kickScenes) twoKicksWork(t *testing.T) {
	alice := sc.watch(t, sc.alice, "room/two")
	for range 2 {
		s := sc.watch(t, sc.bob, "room/two")
		kick(t, sc.hub, bob, "room/two")
		expectKicked(t, s, "room/two")
	}
	// By the API, and by another name of nobody's.
	admin := bearer(token(t, sc.hub, "--user", "root", "--admin"))
	s := sc.watch(t, sc.bob, "room/two")
	for user, want := range map[string]int{"nobody": 200, bob: 200} {
		if answer := e2e.Request(t, http.MethodPost, sc.hub.URL("/api/kick"), fmt.Sprintf(`{"user":%q,"channel":"room/two"}`, user), admin); answer.Status != want {
			t.Errorf("the API answers %d %s", answer.Status, answer.Body)
		}
	}
	expectKicked(t, s, "room/two")
	sc.hub.Publish(t, "room/two", "1")
	if alice.Expect(t, "message"); alice.Opens() != 1 {
		t.Errorf("alice has connected %d times", alice.Opens())
	}
}

func (sc kickScenes) socketIsClosed(t *testing.T) {
	path := "/ws/events/?" + url.Values{"channel": {"room/one", room}}.Encode()
	kicked, alice := e2e.Dial(t, sc.hub.URL(path), sc.bob), e2e.Dial(t, sc.hub.URL(path), sc.alice)
	other := e2e.Dial(t, sc.hub.URL("/ws/events/?channel=room/one"), sc.bob)
	for _, s := range []*e2e.Socket{kicked, alice, other} {
		ping(t, s)
	}
	kick(t, sc.hub, bob, room)
	if code := kicked.Closed(t); code != 4403 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
	sc.hub.Publish(t, "room/one", "1")
	for _, s := range []*e2e.Socket{alice, other} {
		s.Next(t)
		ping(t, s)
	}
}

func (sc kickScenes) longPollIsAnswered(t *testing.T) {
	poll := func(who http.Header) <-chan e2e.Answer {
		answer := make(chan e2e.Answer, 1)
		go func() { answer <- e2e.Request(t, http.MethodGet, sc.hub.URL("/iot/poll/pump/?wait=40"), "", who) }()
		return answer
	}
	alices, bobs := poll(sc.alice), poll(sc.bob)
	// Nothing tells when a poll is held; one that comes too late is held anew, and kicked again.
	var answer e2e.Answer
	for answered := false; !answered; {
		kick(t, sc.hub, bob, "iot_pump")
		select {
		case answer = <-bobs:
			answered = true
		case <-time.After(2 * time.Second):
		}
	}
	if answer.Status != http.StatusForbidden || !strings.Contains(answer.Body, "iot_pump") {
		t.Errorf("bob's poll is answered by %d %s", answer.Status, answer.Body)
	}
	say(t, sc.hub, "pump/p1", `{"n":1}`)
	if answer := <-alices; answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"n":1`) {
		t.Errorf("alice's poll is answered by %d %s", answer.Status, answer.Body)
	}
}

func (sc kickScenes) othersComeBack(t *testing.T) {
	kicked, alice := sc.watch(t, sc.bob, "team"), sc.watch(t, sc.alice, "team")
	sc.hub.Publish(t, "team", "1")
	kicked.Expect(t, "message")
	alice.Expect(t, "message")
	kick(t, sc.hub, bob, "team")
	for e := kicked.Next(t); e.Type != "stream-error"; e = kicked.Next(t) {
		if e.Type != "stream-open" {
			t.Fatalf("bob's stream goes on with %q", e.Type)
		}
	}
	sc.hub.Publish(t, "team", "2")
	for e := alice.Next(t); e.Type != "message" || e.Data != "2"; e = alice.Next(t) {
		if e.Type != "stream-open" {
			t.Fatalf("alice's stream goes on with %q %s", e.Type, e.Data)
		}
	}
	e2e.RecordStream(alice.Events()).Check(t, sc.hub)
}

func (sc kickScenes) commandSaysWhatIsWrong(t *testing.T) {
	for _, args := range [][]string{{}, {"7"}, {"", "room/one"}, {"7", ""}, {"7", "@kicks"}, {"@somebody", "team"}, {"7", "a", "b"}} {
		if result := sc.hub.Run(t, append([]string{"kick"}, args...)...); result.Code != 2 || result.Stdout != "" || strings.Count(result.Stderr, "\n") != 1 {
			t.Errorf("kick %q: exit code %d, %q, %q", args, result.Code, result.Stdout, result.Stderr)
		}
	}
}

func (sc kickScenes) worksAfterRestart(t *testing.T) {
	stubborn := func(who http.Header) *e2e.EventSource {
		return watchWith(t, eventsOf(sc.hub, room), e2e.EventSourceOptions{Header: who, Stubborn: true})
	}
	kicked, alice := stubborn(sc.bob), stubborn(sc.alice)
	sc.hub.Proxy.Kill()
	if result := sc.hub.Run(t, "kick", "somebody else", room); result.Code != 3 || !strings.HasPrefix(result.Stdout, "kicked") {
		t.Errorf("without a proxy: exit code %d, %q, %q", result.Code, result.Stdout, result.Stderr)
	}
	sc.hub.Proxy.Restart()
	sc.hub.AwaitReady(t)
	isMessage := func(e e2e.Event) bool { return e.Type == "message" }
	sc.hub.Publish(t, room, `"again"`)
	kicked.Find(t, "what came after the restart", isMessage)
	alice.Find(t, "what came after the restart", isMessage)
	kick(t, sc.hub, bob, room)
	kicked.Expect(t, "stream-error")
	sc.hub.Publish(t, room, `"and again"`)
	alice.Expect(t, "message")
}

// Where no proxy hears of a kick, and also where the hub is away meanwhile, the streams end when they are rechecked.
func TestAKickThatWasLostEndsStreamsAtTheirRecheck(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: kickAuth, Config: kickRules + "stream: {recheck: 2s}\n", NoBroker: true})
	who := func(user string) http.Header { return bearer(token(t, hub, "--user", user, "--channel", "room/**")) }
	open := func(user string) *e2e.EventSource {
		return watchWith(t, eventsOf(hub, room), e2e.EventSourceOptions{Header: who(user)})
	}
	kicked, other := open("7"), open("8")
	sockets := map[string]*e2e.Socket{}
	for _, user := range []string{"7", "8"} {
		sockets[user] = e2e.Dial(t, hub.URL("/ws/events/?channel="+url.QueryEscape(room)), who(user))
		ping(t, sockets[user])
	}
	lost := e2e.Command{Args: []string{"kick", "7", room, "--config", hub.Config}, Env: []string{`GRIPHUB_GRIP_URLS=["http://127.0.0.1:1"]`}}.Run(t)
	if lost.Code != 3 || !strings.HasPrefix(lost.Stdout, "kicked") {
		t.Fatalf("exit code %d, %q, %q", lost.Code, lost.Stdout, lost.Stderr)
	}
	expectKicked(t, kicked, room)
	if code := sockets["7"].Closed(t); code != 4403 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
	hub.Publish(t, room, "1")
	if other.Expect(t, "message"); other.Opens() != 1 {
		t.Errorf("another user has connected %d times", other.Opens())
	}
	sockets["8"].Next(t)
	ping(t, sockets["8"])

	again := open("7")
	hub.Kill(t)
	if result := hub.Run(t, "kick", "7", room); result.Code != 0 {
		t.Errorf("without the hub: exit code %d: %s", result.Code, result.Stderr)
	}
	hub.Restart(t)
	expectKicked(t, again, room)
	hub.Stop(t)
}
