package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

func TestServeIsConfiguredByFileAndEnvironment(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{
		NoBroker: true,
		Config:   "stream: {keepalive: 30m, device_keepalive: 1s}\nstreams: [{path: /foo/events/, channels: [foo]}]\n",
		Env:      []string{"GRIPHUB_STREAM_KEEPALIVE=1s", "GRIPHUB_GRIP_PREFIX=deployment-1/"},
	})
	foo, device := watch(t, hub.URL("/foo/events/")), watch(t, hub.URL("/iot/stream/x/"))
	e2e.Eventually(t, "the file's interval holds", func() bool { return len(device.Comments()) > 0 })
	e2e.Eventually(t, "the environment's interval holds", func() bool {
		events := foo.Events()
		return events[len(events)-1].Type == "keep-alive"
	})
	// With another prefix the event would reach nobody.
	publish := e2e.Command{Args: []string{"publish", "foo", "1", "--config", hub.Config}, Env: []string{"GRIPHUB_GRIP_PREFIX=deployment-1/"}}
	if result := publish.Run(t); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	foo.Expect(t, "message")
	e2e.RecordStream(foo.Events()).Check(t, hub)

	print := e2e.Command{Args: []string{"config", "print"}, Dir: filepath.Dir(hub.Config), Env: []string{"GRIPHUB_STREAM_KEEPALIVE=1s"}}.Run(t)
	for _, want := range []string{"GRIPHUB_STREAM_KEEPALIVE", "griphub.yaml", "device_keepalive", "/foo/events/"} {
		if !strings.Contains(print.Stdout, want) {
			t.Errorf("config print does not show %s:\n%s", want, print.Stdout)
		}
	}
	if strings.Contains(print.Stdout, "0123456789abcdef") || strings.Contains(print.Stdout, "base64%3A") || print.Code != 0 {
		t.Errorf("config print shows secrets, or exits with %d:\n%s", print.Code, print.Stdout)
	}
	hub.Stop(t)
}

const badConfig = `listen: nonsense
ops_lisen: 127.0.0.1:1
database: mysql://localhost/x
secret: short
grip:
  urls: ["ftp://127.0.0.1"]
mqtt:
  url: http://127.0.0.1
  topics: [{topic: "a/#/b", kind: dta}]
auth:
  mode: jwt
  jwt: {algorithm: none}
channels:
  - {match: "**", read: everyone}
  - {match: x, read: public}
stream: {keepalive: soon, max_channels: 0}
streams: [{path: no-slash, channels: []}]
`

func TestConfigCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "griphub.yaml"), []byte(badConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "check"}, {"serve"}} {
		result := e2e.Command{Args: args, Dir: dir, Env: []string{"GRIPHUB_DEVICES_GRACE=much", "GRIPHUB_NONSENSE=1"}}.Run(t)
		if result.Code != 2 || result.Stdout != "" {
			t.Errorf("%s: exit code %d, prints %q", args, result.Code, result.Stdout)
		}
		for _, want := range []string{
			"griphub.yaml:1:", "listen", "griphub.yaml:2:", "ops_lisen", "griphub.yaml:3:", "database", "griphub.yaml:4:", "secret",
			"griphub.yaml:6:", "grip.urls", "griphub.yaml:8:", "mqtt.url", "griphub.yaml:9:", "mqtt.topics[0].kind", "griphub.yaml:12:",
			"auth.jwt.algorithm", "griphub.yaml:14:", "channels[0].read", "griphub.yaml:16:", "stream.keepalive", "stream.max_channels",
			"griphub.yaml:17:", "streams[0].path", "GRIPHUB_DEVICES_GRACE", "GRIPHUB_NONSENSE",
		} {
			if !strings.Contains(result.Stderr, want) {
				t.Errorf("%s does not name %s:\n%s", args, want, result.Stderr)
			}
		}
		if strings.Contains(result.Stderr, "short\"") {
			t.Errorf("%s shows the secret", args)
		}
	}
	good := e2e.Command{Args: []string{"config", "check"}, Env: []string{
		"GRIPHUB_SECRET=" + strings.Repeat("s", 32), "GRIPHUB_AUTH_MODE=none", "GRIP_URL=http://127.0.0.1:5561?iss=pushpin&key=changeme",
	}}.Run(t)
	if good.Code != 0 || good.Stderr != "" {
		t.Errorf("a good configuration: exit code %d: %s", good.Code, good.Stderr)
	}
}

func TestOperatorsSeeHowItIs(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	say(t, hub, "buoy/b", `{"n":1}`)
	hub.Publish(t, "room", "1")
	if answer := e2e.Get(t, hub.OpsURL("/healthz")); answer.Status != 200 {
		t.Errorf("healthz answers %d", answer.Status)
	}
	metrics := e2e.Get(t, hub.OpsURL("/metrics"))
	if metrics.Status != 200 || !strings.HasPrefix(metrics.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("metrics are answered by %d %s", metrics.Status, metrics.Header.Get("Content-Type"))
	}
	for _, want := range []string{"go_goroutines", "process_open_fds", "griphub_"} {
		if !strings.Contains(metrics.Body, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if answer := e2e.Get(t, hub.URL(path)); answer.Status != 404 {
			t.Errorf("%s is answered by %d through the proxy", path, answer.Status)
		}
	}
	hub.Stop(t)
}

const tokenSecret = "a secret of the tokens that is long enough"

func TestTokensSayWhoReads(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{
		NoBroker: true,
		Auth:     "  mode: jwt\n  jwt: {secret: " + tokenSecret + "}\n",
		Config: `
stream: {recheck: 1s}
publish: {keys: [the-api-key]}
channels:
  - {match: "iot_**", read: authenticated}
  - {match: "team-*", read: token}
  - {match: hidden, read: nobody}
  - {match: "**", read: public}
`})
	scenes := tokenScenes{hub}
	t.Run("strangers see what is public", scenes.strangersSeeWhatIsPublic)
	t.Run("a token may come in three ways", scenes.tokensComeInThreeWays)
	t.Run("a token's channels are its own", scenes.tokensNameChannels)
	t.Run("bad tokens are refused", scenes.badTokensAreRefused)
	t.Run("a token ends", scenes.tokensEnd)
	t.Run("publishing needs a key or a token for it", scenes.publishingNeedsPermission)
	t.Run("users see what is theirs", scenes.usersSeeWhatIsTheirs)
	hub.Stop(t)
}

func token(t *testing.T, hub *e2e.Hub, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, hub, append([]string{"token"}, args...)...))
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// tokenScenes are about who may do what, at one hub.
type tokenScenes struct{ hub *e2e.Hub }

func (sc tokenScenes) strangersSeeWhatIsPublic(t *testing.T) {
	hub := sc.hub
	watch(t, hub.URL("/events/?channel=news"))
	for _, path := range []string{"/iot/stream/pump/", "/iot/poll/pump/", "/api/devices/pump/p", "/api/channels/iot_pump/events"} {
		answer := e2e.Get(t, hub.URL(path))
		if answer.Status != 401 || !strings.Contains(answer.Header.Get("Content-Type"), "problem+json") {
			t.Errorf("GET %s is answered by %d %s", path, answer.Status, answer.Body)
		}
	}
	if err := e2e.Watch(t, hub.URL("/iot/stream/pump/"), e2e.EventSourceOptions{}).AwaitEnd(t); !strings.Contains(fmt.Sprint(err), "401") {
		t.Errorf("an EventSource ends with %v", err)
	}
	denied := watchFrom(t, hub.URL("/events/?channel=news&channel=hidden&channel=team-a"))
	e := denied.Expect(t, "stream-error")
	sameJSON(t, "the error", e.Data, `{"condition":"forbidden","text":"Permission denied to channels: hidden, team-a","channels":["hidden","team-a"]}`)
	denied.AwaitEnd(t)
	for _, path := range []string{"/ws/iot/pump/", "/ws/events/?channel=hidden"} {
		s := e2e.Dial(t, hub.URL(path), nil)
		if code := s.Closed(t); code != 4403 {
			t.Errorf("the socket %s is closed with %d, want 4403", path, code)
		}
	}
}

func (sc tokenScenes) tokensComeInThreeWays(t *testing.T) {
	hub := sc.hub
	text := token(t, hub, "--user", "7")
	for name, options := range map[string]struct {
		query  string
		header http.Header
	}{
		"header": {"", bearer(text)},
		"cookie": {"", http.Header{"Cookie": {"griphub_token=" + text}}},
		"query":  {"?access_token=" + text, nil},
	} {
		stream := e2e.Watch(t, hub.URL("/iot/stream/pump/"+options.query), e2e.EventSourceOptions{Header: options.header})
		stream.Expect(t, "connected")
		s := e2e.Dial(t, hub.URL("/ws/iot/pump/"+options.query), options.header)
		ping(t, s)
		hub.Publish(t, "--device", "pump/p", "--event", "note", `{"n":1}`)
		stream.Expect(t, "note")
		s.Next(t)
		if answer := e2e.Request(t, http.MethodGet, hub.URL("/iot/poll/pump/"+options.query), "", options.header); answer.Status != 200 {
			t.Errorf("by %s the poll is answered by %d", name, answer.Status)
		}
	}
}

func (sc tokenScenes) tokensNameChannels(t *testing.T) {
	hub := sc.hub
	header := bearer(token(t, hub, "--user", "7", "--channel", "team-a"))
	stream := watchWith(t, hub.URL("/events/?channel=team-a"), e2e.EventSourceOptions{Header: header})
	hub.Publish(t, "team-a", "1")
	stream.Expect(t, "message")
	for _, channel := range []string{"team-b", "hidden", "team-ab"} {
		denied := e2e.Watch(t, hub.URL("/events/?channel=team-a&channel="+channel), e2e.EventSourceOptions{Header: header})
		if e := denied.Expect(t, "stream-error"); !strings.Contains(e.Data, `"channels":["`+channel+`"]`) {
			t.Errorf("of %s it says %s", channel, e.Data)
		}
		denied.Close()
	}
	// The stream goes on when the proxy asks again in the viewer's name.
	time.Sleep(2500 * time.Millisecond) // two rechecks
	hub.Publish(t, "team-a", "2")
	if e := stream.Expect(t, "message"); e.Data != "2" || stream.Opens() != 1 {
		t.Errorf("got %s, after %d connections", e.Data, stream.Opens())
	}
}

func (sc tokenScenes) badTokensAreRefused(t *testing.T) {
	hub := sc.hub
	good := token(t, hub, "--user", "7")
	parts := strings.Split(good, ".")
	expired := token(t, hub, "--user", "7", "--ttl", "1ms")
	for name, text := range map[string]string{
		"garbage": "x", "a changed signature": parts[0] + "." + parts[1] + ".AAAA", "no signature": parts[0] + "." + parts[1] + ".",
		"algorithm none": "eyJhbGciOiJub25lIn0." + parts[1] + ".", "an expired one": expired, "a long one": strings.Repeat("x", 20_000),
	} {
		for _, path := range []string{"/iot/poll/pump/", "/iot/stream/pump/"} {
			if answer := e2e.Request(t, http.MethodGet, hub.URL(path), "", bearer(text)); answer.Status != 401 && answer.Status != 431 {
				t.Errorf("%s: GET %s is answered by %d", name, path, answer.Status)
			}
		}
	}
	for _, args := range [][]string{{}, {"--user", "7", "--ttl", "0s"}, {"--user", "7", "--channel", ""}} {
		if result := hub.Run(t, append([]string{"token"}, args...)...); result.Code != 2 || strings.Count(result.Stderr, "\n") != 1 {
			t.Errorf("token %q: exit code %d: %s", args, result.Code, result.Stderr)
		}
	}
}

func (sc tokenScenes) tokensEnd(t *testing.T) {
	hub := sc.hub
	header := bearer(token(t, hub, "--user", "7", "--ttl", "3s"))
	socket := e2e.Dial(t, hub.URL("/ws/iot/pump/"), header)
	stream := watchWith(t, hub.URL("/iot/stream/pump/"), e2e.EventSourceOptions{Header: header})
	// 401 is for who comes with the old token; 400 for who has been told by a stream-error before.
	if err := fmt.Sprint(stream.AwaitEnd(t)); !strings.Contains(err, "401") && !strings.Contains(err, "400") {
		t.Errorf("the EventSource ended with %v", err)
	}
	hub.Publish(t, "--device", "pump/p", "--event", "secret", `{}`)
	for _, e := range stream.Events() {
		if e.Type == "secret" {
			t.Error("the stream shows what came after its token's end")
		}
	}
	// The proxy asks about a silent WebSocket every 20 s at most, and not only at the next recheck, after a minute.
	if code := socket.Closed(t); code != 4403 {
		t.Errorf("the WebSocket is closed with %d", code)
	}
}

func (sc tokenScenes) publishingNeedsPermission(t *testing.T) {
	hub := sc.hub
	reader := token(t, hub, "--user", "7")
	writer := token(t, hub, "--user", "7", "--publish", "team-*")
	for _, c := range []struct {
		header  http.Header
		channel string
		want    int
	}{
		{nil, "news", 401}, {bearer("wrong"), "news", 401}, {bearer(reader), "news", 403},
		{bearer(writer), "team-a", 200}, {bearer(writer), "news", 403}, {bearer("the-api-key"), "hidden", 200},
	} {
		answer, _ := post(t, hub.URL("/api/publish"), `{"channel":"`+c.channel+`","data":1}`, c.header)
		if answer.Status != c.want {
			t.Errorf("publishing to %s with %v is answered by %d, want %d: %s", c.channel, c.header, answer.Status, c.want, answer.Body)
		}
	}
}

func (sc tokenScenes) usersSeeWhatIsTheirs(t *testing.T) {
	hub := sc.hub
	streams := make(map[string]*e2e.EventSource)
	for _, user := range []string{"ann", "bob", "anonymous"} {
		options := e2e.EventSourceOptions{}
		if user != "anonymous" {
			options.Header = bearer(token(t, hub, "--user", user))
		}
		streams[user] = e2e.Watch(t, hub.URL("/realtime/sse/"), options)
		sameJSON(t, "the opening", streams[user].Expect(t, "message").Data, `{"type":"connected"}`)
	}
	for round := range 3 {
		// In the rounds after the first the proxy has asked again for all of them at the same moment.
		for _, user := range []string{"ann", "bob"} {
			hub.Publish(t, "--user", user, "--event", "task", fmt.Sprintf(`{"for":%q,"round":%d}`, user, round))
		}
		hub.Publish(t, "--global", "--event", "news", fmt.Sprintf(`{"for":"all","round":%d}`, round))
		time.Sleep(1500 * time.Millisecond) // more than a recheck
	}
	for user, stream := range streams {
		for round := range 3 {
			if user != "anonymous" {
				sameJSON(t, user, stream.Expect(t, "message").Data, fmt.Sprintf(`{"type":"task","for":%q,"round":%d}`, user, round))
			}
			sameJSON(t, user, stream.Expect(t, "message").Data, fmt.Sprintf(`{"type":"news","for":"all","round":%d}`, round))
		}
		if events := stream.Events(); stream.Opens() != 1 || len(events) > 7 {
			t.Errorf("%s saw %d events over %d connections", user, len(events), stream.Opens())
		}
	}
}

// What flows while the hub stops and starts, or is killed, is stored once.
func TestMessagesFlowThroughRestarts(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{})
	stream := watch(t, hub.URL("/iot/stream/writer/"))
	ctx, cancel := context.WithCancel(context.Background())
	sent := make(chan int, 1)
	t.Cleanup(cancel)
	go func() {
		device := e2e.NewDevice(hub.MQTT, "d")
		defer device.Close()
		n := 0
		for ctx.Err() == nil && device.Send(ctx, "things/writer/d/data", fmt.Sprintf(`{"id":"m-%d","n":%d}`, n, n)) == nil {
			n++
			time.Sleep(writerPause)
		}
		sent <- n
	}()
	flow := func() {
		t.Helper()
		for range 30 {
			stream.Expect(t, "data")
		}
	}
	flow()
	hub.Restart(t)
	flow()
	hub.Kill(t)
	hub.Restart(t)
	flow()
	cancel()
	count := <-sent
	// The last may have reached the broker although its device does not know.
	entries := func() []e2e.Entry { return hub.Entries(t, "iot_writer") }
	e2e.Eventually(t, "everything is stored", func() bool { return len(entries()) >= count })
	for n, entry := range entries() {
		var env struct{ Data struct{ N int } }
		if err := json.Unmarshal([]byte(entry.Data), &env); err != nil || env.Data.N != n {
			t.Fatalf("message %d is stored at the place of %d (%v)", env.Data.N, n, err)
		}
	}
	last := entries()
	stream.Find(t, "the last message", func(e e2e.Event) bool {
		positions, _ := e2e.ParseCursor(e.ID)
		return positions["iot_writer"] == last[len(last)-1].Seq
	})
	if stream.Opens() != 1 {
		t.Errorf("%d connections were opened, want the one that was held", stream.Opens())
	}
	e2e.RecordStream(stream.Events()).Check(t, hub)
	hub.Stop(t)
}
