package web_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// Whoever adds a route describes it in web/openapi, and adds requests to the exchanges below that are answered by each
// status that the description names.

// A condition is a hub in a state that some answers need.
type condition string

const (
	healthy   condition = "a hub"
	down      condition = "a hub whose log cannot be read"
	undecided condition = "a hub that cannot tell who asks"
	turning   condition = "a hub whose application turns everybody away"
	forgetful condition = "a hub that keeps no event"
	unsure    condition = "a hub that cannot tell who may read"
	stopping  condition = "a hub that is stopping"
	throttled condition = "a hub that lets publishers send one event an hour"
)

// An exchange is a request and the status it is answered by.
type exchange struct {
	in     condition
	method string
	target string
	status int
	body   string
	fields []string
}

var (
	byUser    = []string{"X-User", "7"}
	byAdmin   = []string{"X-User", "7 admin"}
	byForger  = []string{"X-User", "forged"}
	unproxied = []string{grip.HeaderSig, ""}
	withKey   = []string{"Authorization", keyed}
	asSocket  = []string{"Content-Type", grip.TypeWSEvents}
)

func with(fields ...[]string) []string { return slices.Concat(fields...) }

// exchanges are requests for everything that the description promises.
func exchanges() []exchange {
	var all []exchange
	get := func(target string, in condition, status int, fields ...[]string) {
		all = append(all, exchange{in, http.MethodGet, target, status, "", with(fields...)})
	}
	post := func(target, body string, in condition, status int, fields ...[]string) {
		all = append(all, exchange{in, http.MethodPost, target, status, body, with(fields...)})
	}
	for _, target := range []string{"/events?channel=foo", "/events/foo"} {
		get(target, healthy, 200)
		get(target, healthy, 200, byForger)
		get(target, healthy, 400, []string{"Last-Event-ID", "error"})
		get(target, down, 500)
		get(target, healthy, 501, unproxied)
		get(target, undecided, 503)
	}
	for _, target := range []string{"/iot/stream/pump", "/iot/stream/pump/p1", "/realtime/sse"} {
		get(target, healthy, 200, byUser)
		get(target, healthy, 400, byUser, []string{"Last-Event-ID", "x"})
		get(target, healthy, 401, byForger)
		get(target, turning, 403)
		get(target, down, 500, byUser)
		get(target, healthy, 501, unproxied, byUser)
		get(target, undecided, 503)
	}
	get("/next/forged", healthy, 200)
	get("{next}", healthy, 400, []string{grip.HeaderLast, "nonsense"})
	get("{next}", down, 500)
	get("/next/forged", healthy, 501, unproxied)
	for _, target := range []string{"/ws/events?channel=foo", "/ws/iot/pump", "/ws/iot/pump/p1"} {
		get(target, healthy, 501)
		post(target, opening, healthy, 200, asSocket, byUser)
		post(target, "nonsense", healthy, 400, asSocket, byUser)
		post(target, opening, healthy, 403, asSocket, byUser, []string{"Origin", "https://evil.example"})
		post(target, opening, healthy, 415, byUser)
		post(target, frame("TEXT", `{"action":"ping","cursor":""}`), down, 500, asSocket, byUser)
		post(target, opening, healthy, 501, asSocket, unproxied)
		post(target, opening, undecided, 503, asSocket)
	}
	for _, target := range []string{"/iot/poll/pump", "/iot/poll/pump/p1", "/api/channels/iot_pump/events"} {
		get(target, healthy, 200, byUser)
		get(target+"?limit=0", healthy, 400, byUser)
		get(target, healthy, 401)
		get(target, turning, 403)
		get(target, forgetful, 409, byUser)
		get(target, down, 500, byUser)
		get(target, undecided, 503)
	}
	get("/api/channels/foo/events?limit=2", healthy, 200)

	for _, body := range []string{
		`{"channel":"foo","event":"note","data":{"a":1},"private_data":{},"id":"k","skip_users":[7,"8"]}`, `[{"channels":["a","b"]},{"user":7}]`,
		`{"global":true}`, `{"system":true,"user":"7"}`, `{"device":"pump/p1","event":"data","data":{"t":1}}`, `{"channel":"foo","raw":true,"data":"<b>"}`,
	} {
		post("/api/publish", body, healthy, 200, withKey, []string{"Content-Type", "application/json"})
	}
	post("/api/publish", "{\"channel\":\"a\"}\n{\"channel\":\"b\"}\n", healthy, 200, byAdmin, []string{"Content-Type", "application/x-ndjson"})
	post("/api/publish", `{"channel":"a"`, healthy, 400, withKey)
	post("/api/publish", `{"channel":"a"}`, healthy, 401)
	post("/api/publish", `{"channel":"a"}`, healthy, 403, []string{"X-User", "7 writes=b"})
	post("/api/publish", strings.Repeat(`{"channel":"a"}`, 10_001), healthy, 413, withKey)
	post("/api/publish", `{"channel":"a"}`, healthy, 415, withKey, []string{"Content-Type", "text/html"})
	post("/api/publish", `{"channel":"@system"}`, healthy, 422, withKey)
	post("/api/publish", `{"channel":"a"}`, throttled, 200, withKey, []string{"Content-Type", "application/json"})
	post("/api/publish", `{"channel":"a"}`, throttled, 429, withKey)
	post("/api/publish", `{"channel":"a"}`, down, 500, withKey)
	post("/api/publish", `{"channel":"a"}`, stopping, 503, withKey)

	for _, in := range []condition{healthy, throttled} {
		post("/api/events/1/replay", "", in, 200, byAdmin)
	}
	get("/api/events/1", healthy, 200, byAdmin)
	for _, x := range []struct{ method, target string }{{http.MethodGet, "/api/events/1"}, {http.MethodPost, "/api/events/1/replay"}} {
		add := func(target string, in condition, status int, fields []string) {
			all = append(all, exchange{in, x.method, strings.Replace(x.target, "/1", target, 1), status, "", fields})
		}
		add("/x", healthy, 400, byAdmin)
		add("/1", healthy, 401, nil)
		add("/1", healthy, 403, []string{"X-User", "7 writes=elsewhere"})
		add("/99", healthy, 404, byAdmin)
		add("/1", down, 500, byAdmin)
		add("/1", undecided, 503, nil)
	}
	post("/api/events/2/replay", "", throttled, 429, withKey)

	const kick = `{"user":7,"channel":"foo"}`
	post("/api/kick", kick, healthy, 200, withKey, []string{"Content-Type", "application/json"})
	post("/api/kick", `{"user":7}x`, healthy, 400, withKey)
	post("/api/kick", kick, healthy, 401)
	post("/api/kick", kick, healthy, 403, []string{"X-User", "7 writes=foo"})
	post("/api/kick", `{"user":7,"channel":"@system"}`, healthy, 422, withKey)
	post("/api/kick", kick, down, 500, withKey)
	post("/api/kick", kick, stopping, 503, withKey)
	get("/api/presence/foo", healthy, 200)
	get("/api/presence/%40system", healthy, 400)
	get("/api/presence/members_x", healthy, 401)
	get("/api/presence/members_x", turning, 403)
	get("/api/presence/foo", unsure, 500)
	get("/api/presence/foo", forgetful, 501)
	get("/api/presence/foo", undecided, 503)

	const target, command = "/api/devices/pump/p1/commands", `{"command":"go","payload":{"a":1},"id":"order-0001","timeout":"5s"}`
	post(target, command, healthy, 200, byAdmin, []string{"Content-Type", "application/json"})
	post(target, `{"command":"go","wait":false,"timeout":60}`, healthy, 202, withKey, []string{"Content-Type", "application/json"})
	post(target, `{"command":`, healthy, 400, byAdmin)
	post(target, command, healthy, 401)
	post(target, command, healthy, 403, []string{"X-User", "7 writes=foo"})
	post("/api/devices/pump/nobody/commands", command, healthy, 404, byAdmin)
	post(target, strings.Replace(command, "go", "stop", 1), healthy, 409, byAdmin)
	post(target, `"`+strings.Repeat("x", 70_000)+`"`, healthy, 413, byAdmin)
	post(target, `{"command":""}`, healthy, 422, byAdmin)
	post(target, command, throttled, 429, withKey)
	post(target, command, down, 500, byAdmin)
	post(target, command, forgetful, 501, byAdmin)
	post(target, command, stopping, 503, byAdmin)
	post(target, `{"command":"mute","timeout":0.1}`, healthy, 504, byAdmin)

	get("/api/devices?limit=1", healthy, 200, byAdmin)
	get("/api/devices/pump/p1", healthy, 200, byAdmin)
	get("/api/devices?after=x", healthy, 400)
	get("/api/devices/pump/p%00", healthy, 400)
	get("/api/devices/pump/unknown", healthy, 404, byAdmin)
	for _, target := range []string{"/api/devices", "/api/devices/pump/p1", "/"} {
		get(target, healthy, 401, byForger)
		get(target, turning, 403)
		get(target, down, 500, byAdmin)
		get(target, undecided, 503)
	}
	get("/", healthy, 200, byAdmin)
	const component = "/components/pump/p1/n?html=2"
	get(component, healthy, 200, byUser)
	get("/components/pump/p1/n?html=3", healthy, 400, byUser)
	get(component, healthy, 401)
	get(component, turning, 403)
	get("/components/pump/p1/none?html=4", healthy, 404, byUser)
	get(component, down, 500, byUser)
	get(component, undecided, 503)
	get("/iot/stream/pump?html=4", healthy, 200, byUser)
	for _, name := range []string{"dashboard.js", "dashboard.css", "icon.svg"} {
		get("/static/"+name, healthy, 200)
	}
	get("/static/nothing.js", healthy, 404)
	get("/htmx-griphub.js", healthy, 200)
	get("/api/openapi.json", healthy, 200)
	get("/api/openapi.yaml", healthy, 200)
	return all
}

// notHere are answers that only a proxy gives.
var notHere = []string{"GET /ws/events 101 ", "GET /ws/iot/{type} 101 ", "GET /ws/iot/{type}/{id} 101 "}

func TestTheInterfaceIsDescribedAsItIs(t *testing.T) {
	document := readDocument(t)
	routes, err := legacy.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	hubs := openConditions(t)
	answered := make(map[string]bool)
	for _, key := range notHere {
		answered[key] = true
	}
	for _, x := range exchanges() {
		h := hubs[x.in]
		if x.target == "{next}" {
			x.target = h.nextLink()
		}
		r := h.request(x.method, x.target, strings.NewReader(x.body), x.fields...)
		name := fmt.Sprintf("%s %s in %s", x.method, x.target, x.in)
		w := h.do(r.Clone(t.Context()))
		if w.Code != x.status {
			t.Errorf("%s: %d, want %d: %.300s", name, w.Code, x.status, w.Body)
			continue
		}
		route, params, err := routes.FindRoute(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
		answered[fmt.Sprintf("%s %s %d %s", x.method, route.Path, w.Code, kind)] = true
		if err := follows(route, params, h.request(x.method, x.target, strings.NewReader(x.body), x.fields...), w, kind); err != nil {
			t.Errorf("%s: %v: %.300s", name, err, w.Body)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(described(document))) {
		if !answered[key] {
			t.Errorf("no request is answered by what is described: %s", key)
		}
	}
}

// readDocument reads the description from the server, and sees that it is OpenAPI.
func readDocument(t *testing.T) *openapi3.T {
	t.Helper()
	w := openHub(t).get("/api/openapi.json")
	document, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return document
}

// described are the answers in the document, as "METHOD /path status type".
func described(document *openapi3.T) map[string]bool {
	all := make(map[string]bool)
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				if len(response.Value.Content) == 0 {
					all[fmt.Sprintf("%s %s %s ", method, path, status)] = true
				}
				for kind := range response.Value.Content {
					all[fmt.Sprintf("%s %s %s %s", method, path, status, kind)] = true
				}
			}
		}
	}
	return all
}

// follows holds a request that succeeded, and any answer, against the description.
func follows(route *routers.Route, params map[string]string, r *http.Request, w *httptest.ResponseRecorder, kind string) error {
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		// Of other types the schemas say nothing.
		ExcludeResponseBody: kind != "application/json" && kind != "application/problem+json",
		ExcludeRequestBody:  r.Header.Get("Content-Type") != "application/json",
	}
	request := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if w.Code < 300 {
		if err := openapi3filter.ValidateRequest(r.Context(), request); err != nil {
			return fmt.Errorf("the request is not as described: %w", err)
		}
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: w.Code, Header: w.Header(), Body: io.NopCloser(strings.NewReader(w.Body.String())), Options: options,
	})
}

func TestEveryRouteIsDescribedAndNoOther(t *testing.T) {
	operations := make(map[string]bool)
	for path, item := range readDocument(t).Paths.Map() {
		for method := range item.Operations() {
			operations[method+" "+path] = true
		}
	}
	for _, route := range openHub(t).server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		switch {
		case operations[route]:
			delete(operations, route)
		case method == http.MethodHead: // like GET, as the document says of all
		case strings.Contains(path, "*"): // OpenAPI knows no parameter of several levels
		default:
			t.Errorf("web/openapi does not describe %s", strings.Join([]string{method, path}, " "))
		}
	}
	for operation := range operations {
		t.Errorf("web/openapi describes %s, which is not there", operation)
	}
}

func TestTheDescriptionIsServedAsYAMLToo(t *testing.T) {
	h := openHub(t)
	fromYAML, err := openapi3.NewLoader().LoadFromData(h.get("/api/openapi.yaml").Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	a, errA := fromYAML.MarshalJSON()
	b, errB := readDocument(t).MarshalJSON()
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("as YAML and as JSON the document is not the same: %v, %v", errA, errB)
	}
}

// openConditions opens a hub in each condition, with something in its log.
func openConditions(t *testing.T) map[condition]*hub {
	t.Helper()
	wires := map[condition]*wire{healthy: {}, down: {}, stopping: {}, throttled: {}}
	commanded := func(in condition) func(*web.Options) {
		return func(o *web.Options) {
			o.Commander = devices.NewCommander(o.Reader, o.Publisher, o.Registry, wires[in], time.Now)
		}
	}
	hubs := map[condition]*hub{
		healthy: openHub(t, withTemplates(t, "pump/n.html", "{{.Data.n}}"), func(o *web.Options) {
			o.Audience = audience{{Viewers: 2, State: channels.PresenceKnown}}
		}, commanded(healthy)),
		down: openHub(t, func(o *web.Options) {
			log := downLog{o.Log}
			o.Log, o.Reader, o.Publisher, o.Registry = log, channels.NewReader(log, standardRules), brokenPublisher{errDown}, log
		}, commanded(down)),
		undecided: openHub(t, func(o *web.Options) { o.Authenticator = undecidedVisitors{} }),
		turning:   openHub(t, func(o *web.Options) { o.Authenticator = turnedAway(t) }),
		forgetful: openHub(t, func(o *web.Options) {
			o.Reader = channels.NewReader(o.Log, channels.Rules{{Match: "**", Read: channels.AccessPublic, Unstored: true}})
		}),
		unsure:   openHub(t, func(o *web.Options) { o.Authorizer = brokenAuthorizer{errDown} }),
		stopping: openHub(t, func(o *web.Options) { o.Publisher = brokenPublisher{channels.ErrStopped} }, commanded(stopping)),
		throttled: openHub(t, func(o *web.Options) {
			o.PublishKeys = []web.PublishKey{{Name: "slow", Digest: sha256.Sum256([]byte(publishKey)), Rate: web.PublishRate{Events: 1.0 / 3600, Burst: 1}}}
		}, commanded(throttled)),
	}
	for in, h := range hubs {
		if w := wires[in]; w != nil {
			w.hub = h
		}
		h.device("pump", "p1", `{"t":1.5}`)
		h.publish(`{"n":1}`, "foo")
	}
	return hubs
}

// nextLink is one that the hub has given to the proxy.
func (h *hub) nextLink() string {
	h.Helper()
	w := openHub(h).get("/events/foo/")
	return understand(h, w.Header()).next
}

type undecidedVisitors struct{}

func (undecidedVisitors) Authenticate(*http.Request) (channels.Principal, error) {
	return channels.Principal{}, web.ErrUndecided
}

// turnedAway is an application that refuses everybody.
func turnedAway(t *testing.T) web.Authenticator {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(app.Close)
	forward, err := web.NewForward(web.ForwardOptions{URL: app.URL, TTL: time.Minute, Timeout: 10 * time.Second, Kicks: noKicks(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return withCookie{forward}
}

// withCookie asks as for a visitor with a cookie: nobody is asked about others.
type withCookie struct{ web.Authenticator }

func (a withCookie) Authenticate(r *http.Request) (channels.Principal, error) {
	r = r.Clone(r.Context())
	r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
	return a.Authenticator.Authenticate(r)
}
