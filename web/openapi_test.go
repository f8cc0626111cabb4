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
	"github.com/griphub/griphub/web"
)

// Whoever adds a route describes it in web/openapi, and adds requests to the exchanges (exchanges_test.go) that are answered by each
// status that the description names.

// notHere are answers that only a proxy gives.
var notHere = []string{"GET /ws/events 101 ", "GET /ws/iot/{type} 101 ", "GET /ws/iot/{type}/{id} 101 ", "GET /ws/user 101 "}

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
	for _, x := range allExchanges() {
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
			o.Editor, o.Moments = log, log
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
