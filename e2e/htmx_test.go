package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/griphub/griphub/e2e"
)

// A htmxScene is a hub, a site whose pages show it, and a browser.
type htmxScene struct {
	hub     *e2e.Hub
	front   *e2e.Front
	browser *e2e.Browser
}

const (
	pageSecret = "0123456789abcdef0123456789abcdef"
	// scripts are what pages at the hub's own address load.
	htmx2Plain   = `<script src="/assets/htmx.org@2.0.11/dist/htmx.js"></script><script src="/assets/htmx-ext-sse@2.2.4/dist/sse.js"></script>`
	htmx2Griphub = `<script src="/assets/htmx.org@2.0.11/dist/htmx.js"></script><script src="/htmx-griphub.js"></script>`
	htmx4        = `<script src="/assets/htmx.org@4.0.1/dist/htmx.js"></script><script src="/assets/htmx.org@4.0.1/dist/ext/hx-sse.js"></script>`
)

// startHTMX starts a hub with the templates of docs/htmx.md, and a site on another port, whose pages may use it with cookies.
func startHTMX(t *testing.T, config string) *htmxScene {
	t.Helper()
	front := e2e.NewFront(t)
	hub := e2e.StartDev(t, e2e.DevOptions{Config: fmt.Sprintf("assets: {dir: %q}\ncors: {origins: [%q], credentials: true}\n%s", e2e.Assets(t), front.URL(""), config)})
	front.PassTo(hub)
	s := &htmxScene{hub, front, e2e.StartBrowser(t)}
	for name, text := range documentedFiles(t) {
		if template, ok := strings.CutPrefix(name, "templates/"); ok {
			writeTemplate(t, hub, template, text)
			continue
		}
		front.SetPage("/"+name, strings.ReplaceAll(text, "http://localhost:7999", hub.URL("")))
	}
	return s
}

// documentedFiles are the pages and templates of docs/htmx.md, by name.
func documentedFiles(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "htmx.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, m := range regexp.MustCompile("(?ms)^`([\\w./-]+\\.html)`\n\n```html\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// awaitTemplates waits until dev has taken the templates over.
func (s *htmxScene) awaitTemplates(t *testing.T, header http.Header) {
	t.Helper()
	e2e.Eventually(t, "the templates are there", func() bool {
		return e2e.Request(t, http.MethodGet, s.hub.URL("/components/pump/p1/temperature/?html=2"), "", header).Status == 200
	})
}

func (s *htmxScene) say(t *testing.T, device, payload string) {
	t.Helper()
	e2e.MosquittoPub(t, s.hub.MQTT, "-t", "things/pump/"+device+"/data", "-m", payload)
}

// open shows a page of the site in a tab in front.
func (s *htmxScene) open(t *testing.T, path string) *e2e.Tab {
	t.Helper()
	tab := s.browser.Open(t, "about:blank")
	tab.Show(t)
	tab.Navigate(t, s.front.URL(path))
	return tab
}

// page gives the site a page with scripts of the hub, at the same address, and shows it.
func (s *htmxScene) page(t *testing.T, scripts, body string) *e2e.Tab {
	t.Helper()
	path := fmt.Sprintf("/page-%d", time.Now().UnixNano())
	s.front.SetPage(path, "<!doctype html><html lang=en><title>x</title>"+scripts+body+"</html>")
	return s.open(t, path)
}

func awaitText(t *testing.T, tab *e2e.Tab, selector, text string) {
	t.Helper()
	tab.Await(t, selector+" shows "+text, fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.textContent.replace(/\s+/g, " ").trim()).join("|").includes(%q)`, selector, text))
}

// wantNoErrors fails the test for what the page has done wrong. htmx tells of lost connections as errors, and on other sites
// htmx 2 looks for headers that no answer has, which browsers tell.
func wantNoErrors(t *testing.T, tab *e2e.Tab) {
	t.Helper()
	expected := regexp.MustCompile(`^"Error: (the connection has ended|status \d+|network error|Failed to fetch)|^"\[object Event\]"$|^Refused to get unsafe header "HX-`)
	for _, text := range tab.Errors() {
		if !expected.MatchString(text) {
			t.Errorf("the page has an error: %s", text)
		}
	}
}

func TestThePagesOfTheDocumentWorkOnAnotherSiteWithCookies(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, fmt.Sprintf("auth: {jwt: {secret: %s}}", pageSecret))
	result := s.hub.Run(t, "token", "--user", "7", "--channel", "**")
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	token := strings.TrimSpace(result.Stdout)
	s.awaitTemplates(t, http.Header{"Authorization": {"Bearer " + token}})
	login := s.open(t, "/htmx2.html") // not signed in yet: nothing but refusals
	login.Do(t, network.SetCookie("griphub_token", token).WithURL(s.hub.URL("/")))
	login.Close()
	s.say(t, "p1", `{"temperature":20}`)

	two, four := s.open(t, "/htmx2.html"), s.open(t, "/htmx4.html")
	twos, fours := s.open(t, "/components2.html"), s.open(t, "/components4.html")
	for _, tab := range []*e2e.Tab{twos, fours} {
		tab.Show(t)
		awaitText(t, tab, ".griphub-stat", "temperature 20 °C")
	}
	for _, tab := range []*e2e.Tab{two, four} {
		tab.Show(t)
		e2e.Eventually(t, "the page shows what is said", func() bool {
			s.say(t, "p1", `{"temperature":21.5}`)
			var shows bool
			tab.Eval(t, `document.body.innerText.includes("21.5 °C")`, &shows)
			return shows
		})
		s.hub.Publish(t, "--raw", "--event", "", "iot_pump", "<b>from the shell to the type</b>")
		s.hub.Publish(t, "--raw", "--event", "", "iot_pump_p1", "<b>from the shell to the device</b>")
	}
	awaitText(t, four, "#news b", "from the shell to the type")
	awaitText(t, four, "[data-fragment='pump/p1/temperature']", "21.5 °C")
	awaitText(t, four, "[data-fragment='temperature']", "21.5 °C")
	two.Show(t)
	awaitText(t, two, "[sse-swap=message]", "from the shell to the device")

	for _, tab := range []*e2e.Tab{twos, fours} {
		tab.Show(t)
		awaitText(t, tab, ".griphub-stat", "temperature 21.5 °C")
		tab.Await(t, "the chart has two values or more", `document.querySelector("griphub-chart polyline").getAttribute("points").trim().split(" ").length >= 2`)
		tab.Await(t, "the time is the viewer's", `!document.querySelector("griphub-time").textContent.includes("UTC")`)
		wantNoErrors(t, tab)
	}
	s.say(t, "p2", `{"temperature":-3}`)
	awaitText(t, fours, ".griphub-stat", "temperature -3 °C")
	wantNoErrors(t, four)
}

func TestThePlainExtensionOfHTMX2GoesOnAfterALostConnection(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	tab := s.page(t, htmx2Plain, `<div hx-ext="sse" sse-connect="/events/?channel=list">
		<ul sse-swap="item" hx-swap="beforeend"></ul><p sse-swap="message"></p><i hx-get="/said" hx-trigger="sse:item"></i></div>`)
	s.front.SetPage("/said", "heard")
	e2e.Eventually(t, "the stream is open", func() bool { return s.front.Streams() == 1 })
	var want []string
	for n := range 12 {
		if n%4 == 3 {
			s.front.Cut()
		}
		want = append(want, fmt.Sprint(n))
		s.hub.Publish(t, "--raw", "--event", "item", "list", fmt.Sprintf("<li>%d</li>", n))
	}
	s.hub.Publish(t, "--raw", "--event", "", "list", "<b>the end</b>")
	awaitText(t, tab, "p b", "the end")
	wantItems(t, tab, want)
	awaitText(t, tab, "i", "heard")
	wantNoErrors(t, tab)
}

// wantItems compares the list in the page.
func wantItems(t *testing.T, tab *e2e.Tab, want []string) {
	t.Helper()
	var got []string
	tab.Eval(t, `[...document.querySelectorAll("li")].map((li) => li.textContent)`, &got)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the page shows %v, want %v", got, want)
	}
}
