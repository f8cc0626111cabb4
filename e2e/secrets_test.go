package e2e_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/e2e"
)

// A confidant collects secrets, and looks for them.
type confidant map[string]string

// tell adds a secret, and gives it back.
func (c confidant) tell(what, secret string) string {
	c[what] = secret
	return secret
}

// look fails the test where the text has a secret, also in the forms in which texts are often written.
func (c confidant) look(t *testing.T, where, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s is empty", where)
	}
	for what, secret := range c {
		for _, form := range []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s shows %s: …%s…", where, what, text[max(0, at-100):min(len(text), at+len(form)+20)])
				break
			}
		}
	}
}

// signature is the part of a token that makes it one: the rest may well be shown.
func signature(token string) string { return token[strings.LastIndex(token, ".")+1:] }

// knock makes requests of every kind with the credentials, in the query and in the header. How they are answered does not
// matter.
func knock(t *testing.T, hub *e2e.Hub, query string, header http.Header) {
	t.Helper()
	for _, path := range []string{
		"/events/?channel=room", "/events/room/", "/events/?channel=%40system", "/iot/stream/pump/", "/realtime/sse/", "/iot/poll/pump/", "/iot/poll/pump/?wait=5",
		"/api/devices", "/api/channels/room/events", "/", "/nowhere", "/next/x.y", "/%zz", "/events/room/../..",
	} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		for _, address := range []string{hub.URL(path + separator + query), hub.BackendURL(path + separator + query)} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
			if err == nil {
				req.Header = header.Clone()
				if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
					_ = resp.Body.Close() // that it was answered is enough
				}
			}
			cancel()
		}
	}
	for _, path := range []string{"/api/publish", "/api/kick", "/api/devices"} {
		for _, body := range []string{`{"channel":"room","data":1}`, `{"user":"7","channel":"room"}`, `{"channel":7`} {
			e2e.Request(t, http.MethodPost, hub.URL(path+"?"+query), body, header)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
	defer cancel()
	for _, path := range []string{"/ws/iot/pump/", "/ws/events/?channel=room&"} {
		conn, _, err := websocket.Dial(ctx, hub.URL(path+"?"+query), &websocket.DialOptions{HTTPHeader: header})
		if err == nil {
			_ = conn.Write(ctx, websocket.MessageText, []byte(`{"action":"ping","cursor":"x"}`))
			_ = conn.CloseNow()
		}
	}
}

func TestSecretsStayOutOfEverythingThatIsPrinted(t *testing.T) {
	t.Parallel()
	secrets := confidant{"the proxy's default secret": "changeme"}
	jwtSecret := secrets.tell("the tokens' secret", "jwt-secret-0123456789abcdef0123456789abcdef")
	mqttPassword := secrets.tell("the broker's password", "mqtt-password-of-the-hub")
	apiKey := secrets.tell("the publish key", "publish-key-0123456789abcdef")
	hub := e2e.StartServe(t, e2e.ServeOptions{
		Args: []string{"--verbose"},
		Auth: "  mode: jwt\n  jwt: {algorithm: HS256, secret: " + jwtSecret + "}\n",
		Config: kickRules + "publish: {keys: [" + apiKey + "]}\nstream: {recheck: 1s}\n" +
			"secret_previous: " + secrets.tell("the hub's previous secret", "previous-0123456789abcdef0123456789abcdef") + "\n",
		Env: []string{"GRIPHUB_MQTT_USERNAME=hub", "GRIPHUB_MQTT_PASSWORD=" + mqttPassword},
	})
	secrets.tell("the hub's secret", strings.Repeat("0123456789abcdef", 4))
	secrets.tell("the proxy's key", string(hub.Proxy.SigKey()))

	good := token(t, hub, "--user", "7", "--channel", "room/**", "--admin")
	expired := token(t, hub, "--user", "7", "--ttl", "1ms")
	forged := good[:strings.LastIndex(good, ".")] + ".c2VjcmV0LWZvcmdlZC1zaWduYXR1cmUtb2Ytc29tZWJvZHk"
	for what, text := range map[string]string{"a good token": good, "an expired token": expired, "a forged token": forged} {
		secrets.tell(what, signature(text))
		knock(t, hub, "access_token="+text, http.Header{})
		knock(t, hub, "", bearer(text))
		knock(t, hub, "", http.Header{"Cookie": {"griphub_token=" + text}})
	}
	knock(t, hub, "", bearer(apiKey))
	knock(t, hub, "", bearer(secrets.tell("a wrong publish key", "publish-key-that-is-wrong")))
	knock(t, hub, "", http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("7:"+secrets.tell("a password", "a-password-of-somebody")))}})
	knock(t, hub, "", http.Header{"Cookie": {"sessionid=" + secrets.tell("another service's cookie", "session-of-another-service")}})
	cookie := e2e.Request(t, http.MethodGet, hub.URL("/iot/poll/pump/"), "", bearer(good)).Header.Get("Set-Cookie")
	if cookie = strings.TrimPrefix(strings.Split(cookie, ";")[0], "griphub_poll="); cookie == "" {
		t.Error("a poll sets no cookie")
	}
	secrets.tell("a poll's cookie", cookie)

	// And what goes wrong meanwhile: streams end, the proxy and the broker go away.
	stream := e2e.Watch(t, hub.URL("/events/?channel=room/1&access_token="+good), e2e.EventSourceOptions{})
	stream.Expect(t, "stream-open")
	hub.Publish(t, "room/1", "--private", `{"card":"`+secrets.tell("private data", "private-data-of-an-event")+`"}`, "1")
	stream.Expect(t, "message")
	kick(t, hub, "7", "room/1")
	expectKicked(t, stream, "room/1")
	hub.Proxy.Kill()
	hub.Broker.Kill()
	hub.Run(t, "publish", "room/1", "2")
	e2e.Eventually(t, "readyz tells that the proxy is away", func() bool { return hub.Ready() != nil })
	secrets.look(t, "readyz", e2e.Get(t, hub.OpsURL("/readyz")).Body)
	secrets.look(t, "readyz?verbose", e2e.Get(t, hub.OpsURL("/readyz?verbose")).Body)
	secrets.look(t, "the metrics", e2e.Get(t, hub.OpsURL("/metrics")).Body)
	for _, args := range [][]string{{"config", "print"}, {"config", "check"}, {"doctor"}, {"publish", "room/1", "3"}, {"kick", "7", "room/1"}} {
		result := hub.Run(t, append(args, "--verbose")...)
		secrets.look(t, "griphub "+strings.Join(args, " "), result.Stdout+result.Stderr)
	}
	hub.Broker.Restart()
	hub.Proxy.Restart()
	hub.AwaitReady(t)
	hub.Stop(t)
	secrets.look(t, "griphub's log", hub.Log())
	if !strings.Contains(hub.Log(), "level=DEBUG") {
		t.Errorf("griphub has not logged all that it can: %s", hub.Log())
	}
}

func TestWhatTheApplicationIsAskedStaysOutOfTheLog(t *testing.T) {
	t.Parallel()
	secrets := confidant{}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.Header.Get("Cookie"), "nonsense"):
			w.Header().Set("X-User-Id", "\x01"+r.Header.Get("Cookie"))
		case strings.Contains(r.Header.Get("Cookie"), "elsewhere"):
			http.Redirect(w, r, "http://127.0.0.1:1/"+r.Header.Get("Cookie"), http.StatusFound)
		default:
			w.Header().Set("X-User-Id", "7")
		}
	}))
	address := strings.Replace(app.URL, "http://", "http://griphub:"+secrets.tell("the application's password", "password-of-the-application")+"@", 1) +
		"/auth?key=" + secrets.tell("the application's key", "key-of-the-application")
	hub := e2e.StartServe(t, e2e.ServeOptions{
		Args: []string{"--verbose"}, NoBroker: true,
		Auth: "  mode: forward\n  forward: {url: \"" + address + "\", ttl: 0s}\n",
	})
	for _, cookie := range []string{"sessionid=welcome-7f3a9", "sessionid=nonsense-7f3a9", "sessionid=elsewhere-7f3a9"} {
		knock(t, hub, "", http.Header{"Cookie": {secrets.tell(cookie, cookie)}})
	}
	app.Close()
	knock(t, hub, "", http.Header{"Cookie": {secrets.tell("a cookie in vain", "sessionid=nobody-there-7f3a9")}, "Authorization": {secrets.tell("credentials", "Digest 7f3a9credentials")}})
	hub.Stop(t)
	if !strings.Contains(hub.Log(), "forward authentication fails") {
		t.Error("the log does not tell that the application is away")
	}
	secrets.look(t, "griphub's log", hub.Log())
}

// Pushpin's own words go to dev's log.
func TestDevsLogShowsNoToken(t *testing.T) {
	t.Parallel()
	secrets := confidant{}
	hub := e2e.StartDev(t, e2e.DevOptions{Args: []string{"--verbose"}, Config: kickRules + "auth:\n" + kickAuth})
	good := token(t, hub, "--user", "7")
	secrets.tell("a token", signature(good))
	knock(t, hub, "access_token="+good, http.Header{})
	knock(t, hub, "", bearer(good))
	for _, program := range []string{"pushpin-proxy", "zurl"} {
		hub.KillChild(t, program)
	}
	e2e.Eventually(t, "the hub is ready again", func() bool { return hub.Ready() == nil })
	knock(t, hub, "access_token="+good, http.Header{})
	hub.Stop(t)
	secrets.look(t, "dev's log", hub.Log())
}
