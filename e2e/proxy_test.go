package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/grip"
)

// sign makes what a Pushpin with the key sends as Grip-Sig.
func sign(t *testing.T, key []byte, expires time.Time) string {
	t.Helper()
	return signSecret(t, string(key), "pushpin", expires)
}

// proxiedRoutes are those that only a proxy may ask for, with the method.
var proxiedRoutes = [][2]string{
	{"GET", "/events/?channel=room"}, {"GET", "/events/room/"}, {"GET", "/iot/stream/pump/"}, {"GET", "/iot/stream/pump/p1/"}, {"GET", "/realtime/sse/"},
	{"GET", "/next/x.y"}, {"POST", "/ws/events/?channel=room"}, {"POST", "/ws/iot/pump/"}, {"POST", "/ws/iot/pump/p1/"},
}

// expectNotProxied sees that nothing which such a header comes with is held.
func expectNotProxied(t *testing.T, hub *e2e.Hub, what string, header http.Header) {
	t.Helper()
	for _, route := range proxiedRoutes {
		if route[0] == "POST" {
			header.Set("Content-Type", grip.TypeWSEvents)
		}
		answer := e2e.Request(t, route[0], hub.BackendURL(route[1]), "OPEN\r\n", header)
		if answer.Status != http.StatusNotImplemented || answer.Header.Get("Grip-Hold") != "" {
			t.Errorf("%s: %s is answered by %d %v", what, route[1], answer.Status, answer.Header)
		}
	}
	// A poll is answered at once.
	if answer := e2e.Request(t, "GET", hub.BackendURL("/iot/poll/pump/?wait=20"), "", header); answer.Header.Get("Grip-Hold") != "" {
		t.Errorf("%s: a poll is held: %d %v", what, answer.Status, answer.Header)
	}
}

func TestOnlyConfiguredProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, SecondProxy: true})
	streams := []*e2e.EventSource{
		watch(t, hub.URL("/events/?channel=room")),
		watch(t, hub.Second.URL()+"/events/?channel=room"),
	}
	socket := e2e.Dial(t, hub.Second.URL()+"/ws/events/?channel=room", nil)
	ping(t, socket)
	for n := range 3 {
		hub.Publish(t, "room", fmt.Sprint(n))
		for _, s := range streams {
			if e := s.Expect(t, "message"); e.Data != fmt.Sprint(n) {
				t.Errorf("got %s, want %d", e.Data, n)
			}
		}
		socket.Next(t)
	}

	later := time.Now().Add(time.Hour)
	genuine := sign(t, hub.Second.SigKey(), later)
	if answer := e2e.Request(t, "GET", hub.BackendURL("/events/?channel=room"), "", http.Header{"Grip-Sig": {genuine}}); answer.Header.Get("Grip-Hold") != "stream" {
		t.Errorf("a signature of the second proxy: %d %v", answer.Status, answer.Header)
	}
	head, _, _ := strings.Cut(genuine, ".")
	for what, sig := range map[string]string{
		"no signature":             "",
		"another key's":            sign(t, []byte("changeme"), later),
		"an empty key's":           sign(t, []byte{0}, later),
		"one that has expired":     sign(t, hub.Proxy.SigKey(), time.Now().Add(-time.Minute)),
		"one whose end is cut":     genuine[:len(genuine)-4],
		"a head alone":             head,
		"one without an algorithm": "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJwdXNocGluIiwiZXhwIjo5OTk5OTk5OTk5fQ.",
		"two in one":               genuine + ", " + genuine,
		"a flood of dots":          strings.Repeat(".", 60_000),
	} {
		header := http.Header{
			"Grip-Feature": {"status, session, link:next, filter:build-id"}, "Grip-Last": {"events-room; last-id=0"}, "Connection-Id": {"1"},
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "Via": {"pushpin"}, "Host": {hub.Proxy.URL()},
		}
		if sig != "" {
			header.Set("Grip-Sig", sig)
		}
		expectNotProxied(t, hub, what, header)
	}
	// What a client says is signed does not pass the proxy, which takes it away and signs anew.
	forged := http.Header{"Grip-Sig": {"x"}, "Grip-Last": {"events-room; last-id=0"}, "Meta-Kicks": {"0"}}
	if s := watchWith(t, hub.URL("/events/?channel=room"), e2e.EventSourceOptions{Header: forged}); s.Events()[0].ID != "room:3" {
		t.Errorf("a forged header moves the stream to %q", s.Events()[0].ID)
	}
	hub.Stop(t)
}

// A proxy's key is changed in three steps: griphub learns the new one beside the old, the proxy takes the new one, and
// griphub forgets the old. Streams go on at each.
func TestAProxysKeyIsChangedWhileStreamsGoOn(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Config: "channels: [{match: gauge, read: public, reliable: false}, {match: \"**\", read: public}]\n"})
	configure := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(hub.Config)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), from) != 1 {
			t.Fatalf("the configuration does not say %q once", from)
		}
		if err := os.WriteFile(hub.Config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		hub.Restart(t)
	}
	stream := watchStubbornly(t, hub.URL("/events/?channel=room&channel=gauge"))
	shows := func(channel, data string) {
		t.Helper()
		hub.Publish(t, channel, data)
		if e := stream.Find(t, data, func(e e2e.Event) bool { return e.Type == "message" }); e.Data != data {
			t.Errorf("the stream shows %s, want %s", e.Data, data)
		}
	}
	shows("room", "1")

	oldURL, oldKey := hub.Proxy.GripURL(), hub.Proxy.SigKey()
	hub.Proxy.SetSigKey([]byte(rand.Text()))
	newURL := hub.Proxy.GripURL()
	configure(fmt.Sprintf("[%q]", oldURL), fmt.Sprintf("[%q, %q]", oldURL, newURL))
	// Events without numbers, which the proxy would show twice if it were given them twice.
	shows("gauge", "2")
	shows("gauge", "3")
	if stream.Opens() != 1 {
		t.Errorf("the stream was opened %d times when griphub learnt the key", stream.Opens())
	}
	hub.Proxy.Restart()
	hub.AwaitReady(t)
	watch(t, hub.URL("/events/?channel=room")) // by the new key
	shows("room", "4")
	opens := stream.Opens()
	configure(fmt.Sprintf("[%q, %q]", oldURL, newURL), fmt.Sprintf("[%q]", newURL))
	shows("room", "5")
	if stream.Opens() != opens {
		t.Errorf("the stream was opened anew when griphub forgot the key")
	}
	expectNotProxied(t, hub, "the old key", http.Header{"Grip-Sig": {sign(t, oldKey, time.Now().Add(time.Hour))}})
	hub.Stop(t)
}
