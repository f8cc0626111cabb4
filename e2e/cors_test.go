package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// emptyPage is a page of an origin of its own.
func emptyPage(t *testing.T) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<!doctype html><title>a page</title>")
	}))
	t.Cleanup(site.Close)
	return site.URL
}

// What a browser makes of the headers is what counts.
func TestABrowserLetsOnlyNamedOriginsIn(t *testing.T) {
	t.Parallel()
	friend, stranger := emptyPage(t), emptyPage(t)
	hub := e2e.StartServe(t, e2e.ServeOptions{NoBroker: true, Config: fmt.Sprintf(
		"cors: {origins: [%q], credentials: true}\npublish: {keys: [a-key-of-the-test]}\n", friend)})
	browser := e2e.StartBrowser(t)

	// attempt tells what a page gets to know: a status, or that the browser keeps the answer from it.
	attempt := func(tab *e2e.Tab, path, options string) string {
		t.Helper()
		var got string
		tab.Eval(t, fmt.Sprintf(`fetch(%s, %s).then((r) => String(r.status), () => "blocked")`, e2e.Quote(hub.URL(path)), options), &got)
		return got
	}
	const (
		plain  = `{credentials: "include"}`
		keyed  = `{method: "POST", headers: {Authorization: "Bearer a-key-of-the-test"}, body: '{"channel":"foo"}'}`
		wrong  = `{method: "POST", headers: {Authorization: "Bearer another"}, body: '{"channel":"foo"}'}`
		forged = `{method: "POST", credentials: "include", body: '{"channel":"foo"}'}`
	)
	for page, want := range map[string]map[[2]string]string{
		friend: {
			{"/api/channels/foo/events", plain}: "200", {"/api/nothing", plain}: "404", {"/api/publish", keyed}: "200", {"/api/publish", wrong}: "401",
			{"/events/foo/", `{headers: {"Last-Event-ID": "error"}}`}: "400", {"/events/foo/", `{headers: {"X-Unknown": "1"}}`}: "blocked",
			{"/api/publish", `{method: "DELETE"}`}: "blocked",
		},
		stranger: {
			{"/api/channels/foo/events", plain}: "blocked", {"/api/publish", keyed}: "blocked", {"/api/publish", forged}: "blocked", {"/events/foo/", plain}: "blocked",
		},
	} {
		tab := browser.Open(t, page)
		for request, outcome := range want {
			if got := attempt(tab, request[0], request[1]); got != outcome {
				t.Errorf("%s %s from %s: %s, want %s", request[0], request[1], page, got, outcome)
			}
		}
		tab.Close()
	}
	// One event came from the friend; what strangers sent without a pre-flight was refused.
	if stored := run(t, hub, "events", "list", "foo", "--json"); strings.Count(stored, "\n") != 1 {
		t.Errorf("stored is:\n%s", stored)
	}

	tab := browser.Open(t, friend)
	tab.Eval(t, fmt.Sprintf(`(window.seen = [], window.source = new EventSource(%s, {withCredentials: true}), source.addEventListener("message", (e) => seen.push(e.data)), 0)`,
		e2e.Quote(hub.URL("/events/foo/"))), nil)
	tab.Await(t, "a stream of another origin is open", `source.readyState === EventSource.OPEN`)
	hub.Publish(t, "foo", `"live"`)
	tab.Await(t, "and brings what is published", `seen[0] === '"live"'`)
	framed := browser.Open(t, friend)
	framed.Eval(t, fmt.Sprintf(`new Promise((done) => {
		addEventListener("message", (e) => { window.outcome = e.data; done(0); }, { once: true });
		const frame = document.createElement("iframe");
		frame.sandbox = "allow-scripts";
		frame.srcdoc = %s;
		document.body.append(frame);
	})`, e2e.Quote(fmt.Sprintf(`<script>fetch(%s).then(() => "let in", () => "blocked").then((o) => parent.postMessage(o, "*"))</script>`,
		e2e.Quote(hub.URL("/api/channels/foo/events"))))), nil)
	framed.Await(t, "the origin null is nobody", `outcome === "blocked"`)
}
