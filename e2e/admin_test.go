package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/griphub/griphub/e2e"
)

// An adminScene is an administrator's browser at a hub of 12 simulated devices, with a subscriber that takes nothing yet.
type adminScene struct {
	hub   *e2e.Hub
	tab   *e2e.Tab
	takes *atomic.Bool
}

func TestAdministratorsSeeAndDoEverythingInTheBrowser(t *testing.T) {
	t.Parallel()
	var takes atomic.Bool
	receiver := newReceiver(t)
	receiver.status = func(int) int {
		if takes.Load() {
			return http.StatusOK
		}
		return http.StatusUnprocessableEntity
	}
	hub := e2e.StartDev(t, e2e.DevOptions{Fleet: 12, Config: fmt.Sprintf(
		"hooks: {subscribers: [{name: crm, match: orders, url: %q, secret: %q, retries: 0}]}\n", receiver.URL, webhookSecret)})
	sc := adminScene{hub, openDashboard(t, hub, "/admin/"), &takes}
	// Each scene starts where it likes.
	t.Run("the log grows", sc.logGrows)
	t.Run("the log shows what is asked for", sc.logIsFiltered)
	t.Run("an event is looked at and replayed", sc.eventIsReplayed)
	t.Run("a device is edited and told what to do", sc.deviceIsEdited)
	t.Run("a dead letter is requeued", sc.deadLetterIsRequeued)
	t.Run("a user is kicked", sc.userIsKicked)
	t.Run("the system's state is shown", sc.systemIsShown)
	t.Run("pages have no barriers", sc.pagesHaveNoBarriers)
	t.Run("everything works without scripts", sc.worksWithoutScripts)
	wantNoErrors(t, sc.tab)
	hub.Stop(t)
}

// follow goes to a link of the page by its text, or presses such a button.
func (sc *adminScene) follow(t *testing.T, selector, text string) {
	t.Helper()
	sc.tab.Await(t, "the page and its scripts are there", `document.readyState === "complete"`)
	var found bool
	sc.tab.Eval(t, fmt.Sprintf(`(() => {
		const found = [...document.querySelectorAll(%s)].find((e) => e.textContent.trim() === %s);
		setTimeout(() => found?.click());
		return !!found;
	})()`, e2e.Quote(selector), e2e.Quote(text)), &found)
	if !found {
		t.Fatalf("there is no %s %q: %s", selector, text, sc.tab.Text(t, "main"))
	}
}

func (sc *adminScene) awaitText(t *testing.T, what, text string) {
	t.Helper()
	sc.tab.Await(t, what, fmt.Sprintf(`document.querySelector("main")?.textContent.includes(%s)`, e2e.Quote(text)))
}

func (sc *adminScene) logGrows(t *testing.T) {
	sc.tab.Navigate(t, sc.hub.URL("/admin/"))
	sc.tab.Await(t, "the log is live", `document.getElementById("state").textContent === "live"`)
	sc.watchShifts(t)
	sc.tab.Eval(t, `void (window.heads = JSON.stringify([...document.querySelectorAll("thead th")].map((e) => e.getBoundingClientRect())))`, nil)
	id := sc.hub.Publish(t, "--system", "--event", "backup", "--private", `{"by":"cron"}`, `{"files":12}`)
	sc.tab.Await(t, "the event is in the page", fmt.Sprintf(`document.querySelector("tr[data-id='%s']")?.textContent.includes("private")`, id))
	sc.tab.Await(t, "so are those of devices", `document.querySelectorAll("#log tbody tr[data-id]").length > 55`)
	sc.tab.Await(t, "in their order", `(ids => ids.join() === [...ids].sort((a, b) => b - a).join())([...document.querySelectorAll("#log tbody tr")].map((r) => Number(r.dataset.id)))`)
	sc.tab.Await(t, "times are the viewer's", `![...document.querySelectorAll("time")].some((e) => e.textContent.includes("UTC"))`)
	sc.tab.Await(t, "nothing but rows has moved", `heads === JSON.stringify([...document.querySelectorAll("thead th")].map((e) => e.getBoundingClientRect()))`)
	sc.wantNoShift(t)

	// Who is in the list is not disturbed.
	sc.tab.Eval(t, `void document.querySelector("#log tbody a").focus()`, nil)
	sc.tab.Await(t, "what is new waits", `/\(\d+ new\)$/.test(document.getElementById("follow").textContent)`)
	sc.tab.Eval(t, `void (document.activeElement.blur())`, nil)
	sc.tab.Await(t, "and comes", `document.getElementById("follow").textContent === "Pause"`)
	sc.tab.Click(t, "#follow")
	sc.tab.Await(t, "the log stands still", `document.getElementById("follow").textContent.startsWith("Resume") && (window.first ??= document.querySelector("#log tbody tr").dataset.id)`)
	sc.tab.Await(t, "while something waits", `/\(\d+ new\)$/.test(document.getElementById("follow").textContent) && first === document.querySelector("#log tbody tr").dataset.id`)
}

// watchShifts counts from now on how far what the page shows is pushed aside.
func (sc *adminScene) watchShifts(t *testing.T) {
	t.Helper()
	sc.tab.Eval(t, `void (window.shift = 0, new PerformanceObserver((list) => { for (const e of list.getEntries()) shift += e.value; })
		.observe({type: "layout-shift"}))`, nil)
}

func (sc *adminScene) wantNoShift(t *testing.T) {
	t.Helper()
	var shift float64
	if sc.tab.Eval(t, "shift", &shift); shift > 0.01 {
		t.Errorf("the layout has shifted by %.3f", shift)
	}
}

func (sc *adminScene) logIsFiltered(t *testing.T) {
	sc.hub.Publish(t, "room", "--event", "note", `"an old one"`)
	sc.hub.Publish(t, "room", "--event", "other", `"not this one"`)
	sc.tab.Navigate(t, sc.hub.URL("/admin/"))
	sc.tab.Fill(t, "[name=channel]", "room")
	sc.tab.Fill(t, "[name=type]", "note")
	sc.tab.Eval(t, `void (document.querySelector("[name=scope]").value = "channel")`, nil)
	sc.tab.Eval(t, `void (document.querySelector("[name=from]").value = new Date(Date.now() - 3600000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16))`, nil)
	sc.follow(t, "button", "Filter")
	sc.tab.Await(t, "the page has what was asked for", `location.search.includes("type=note") && document.querySelectorAll("#log tbody tr").length === 1`)
	sc.awaitText(t, "which is this", "an old one")
	sc.tab.Await(t, "the form keeps the viewer's time", `Math.abs(new Date(document.querySelector("[name=from]").value) - (Date.now() - 3600000)) < 600000`)
	sc.watchShifts(t)
	sc.hub.Publish(t, "room", "--event", "other", `"nor this"`)
	sc.hub.Publish(t, "room", "--event", "note", `"a new one"`)
	sc.awaitText(t, "what comes and is asked for is shown", "a new one")
	sc.tab.Await(t, "the list has scrolled up to it", `document.getElementById("log").parentElement.scrollTop === 0`)
	sc.wantNoShift(t)
	if text := sc.tab.Text(t, "#log"); strings.Contains(text, "this") {
		t.Errorf("so is other: %s", text)
	}
	sc.tab.Navigate(t, sc.hub.URL("/admin/?device=pump/pump-001"))
	sc.tab.Await(t, "a device's events are shown", `[...document.querySelectorAll("#log tbody tr")].length > 1 && [...document.querySelectorAll("#log tbody td:nth-of-type(5)")].every((e) => e.textContent === "pump/pump-001")`)
	sc.tab.Await(t, "there is more than one page", `fetch("/admin").then((page) => page.text()).then((text) => text.includes("Older events"))`)
	sc.tab.Navigate(t, sc.hub.URL("/admin/"))
	sc.follow(t, "a", "Older events")
	sc.tab.Await(t, "page by page", `location.search.includes("before=") && document.querySelectorAll("#log tbody tr").length > 0`)
}

func (sc *adminScene) eventIsReplayed(t *testing.T) {
	viewer := e2e.Watch(t, eventsOf(sc.hub, "room"), e2e.EventSourceOptions{})
	viewer.Expect(t, "stream-open")
	id := sc.hub.Publish(t, "room", "--event", "note", "--private", `{"secret":"for the log"}`, `{"text":"<b>hello</b>"}`)
	viewer.Expect(t, "note")
	sc.tab.Navigate(t, sc.hub.URL("/admin/?channel=room"))
	sc.follow(t, "#log tbody a", id)
	sc.awaitText(t, "its private data", `"secret": "for the log"`)
	sc.awaitText(t, "its data", `"text": "<b>hello</b>"`)
	sc.follow(t, "button", "Replay…")
	sc.tab.Await(t, "it asks", `document.querySelector("dialog[open] h1")?.textContent.includes("again?") && document.activeElement.textContent === "Replay"`)
	for _, scheme := range []string{"dark", "light"} {
		sc.tab.Emulate(t, 1280, 860, scheme)
		for _, problem := range sc.tab.Accessibility(t) {
			t.Errorf("the question, %s: %s", scheme, problem)
		}
	}
	sc.tab.Press(t, "Escape")
	sc.tab.Await(t, "and lets go", `!document.querySelector("dialog")`)
	sc.follow(t, "button", "Replay…")
	sc.tab.Await(t, "it asks again", `!!document.querySelector("dialog[open]")`)
	sc.tab.Press(t, "Enter")
	sc.awaitText(t, "it is done", "The event was sent again.")
	sc.awaitText(t, "its activity", "replayed")
	viewer.Expect(t, "stream-replay")
	viewer.Expect(t, "note")
}

func (sc *adminScene) deviceIsEdited(t *testing.T) {
	e2e.Eventually(t, "the pump is there", func() bool { return sc.hub.Run(t, "devices", "show", "pump/pump-001").Code == 0 })
	sc.tab.Navigate(t, sc.hub.URL("/admin/devices"))
	sc.tab.Fill(t, "[name=text]", "pump-001")
	sc.follow(t, "button", "Filter")
	sc.tab.Await(t, "the list is filtered", `document.querySelectorAll("#devices tbody tr").length === 1`)
	sc.follow(t, "#devices tbody a", "pump/pump-001")
	sc.tab.Await(t, "the device is shown", `document.querySelector("h1")?.textContent.includes("pump-001")`)
	sc.tab.Fill(t, "[name=latitude]", "north")
	sc.follow(t, "button", "Save…")
	sc.awaitText(t, "what is wrong is said", "Latitude: is not JSON.")
	sc.tab.Fill(t, "[name=latitude]", "48.2")
	sc.tab.Fill(t, "[name=name]", "The blue pump")
	sc.tab.Fill(t, "[name=groups]", "hall-1 Hall one\nwater")
	sc.hub.Run(t, "devices", "set", "pump/pump-001", "--owner", "7")
	sc.follow(t, "button", "Save…")
	sc.tab.Await(t, "it says what will change", `document.querySelector("dialog[open] .changes")?.textContent.includes("The blue pump")`)
	sc.follow(t, "dialog button", "Save")
	sc.awaitText(t, "it is done", "The device was changed.")
	shown := run(t, sc.hub, "devices", "show", "pump/pump-001")
	for _, want := range []string{"The blue pump", "Hall one", `"owner": "7"`, "48.2"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the device does not have %q: %s", want, shown)
		}
	}

	sc.tab.Fill(t, "[name=command]", "set_speed")
	sc.tab.Fill(t, "[name=payload]", `{"rpm":900}`)
	sc.follow(t, "button", "Send…")
	sc.tab.Await(t, "it asks", `document.querySelector("dialog[open]")?.textContent.includes("set_speed")`)
	sc.follow(t, "dialog button", "Send")
	sc.awaitText(t, "the device has answered", `"status": "done"`)
	sc.tab.Await(t, "the device's readings change", `(window.before ??= document.querySelector("#facts time").dateTime) !== document.querySelector("#facts time").dateTime`)
}

func (sc *adminScene) deadLetterIsRequeued(t *testing.T) {
	sc.hub.Publish(t, "orders", "--event", "paid", `{"order":4711}`)
	sc.tab.Navigate(t, sc.hub.URL("/admin/dead"))
	sc.awaitText(t, "the letter is there", "crm")
	sc.tab.Eval(t, `void document.querySelector("#dead tbody th a").click()`, nil)
	sc.awaitText(t, "what was sent is shown", "4711")
	sc.awaitText(t, "and why it was not taken", "422")
	sc.takes.Store(true)
	sc.follow(t, "button", "Requeue…")
	sc.tab.Await(t, "it asks", `!!document.querySelector("dialog[open]")`)
	sc.follow(t, "dialog button", "Requeue")
	sc.awaitText(t, "it is done", "It is sent again within seconds.")
	sc.awaitText(t, "the subscriber has taken it", "Subscribers have taken everything.")

	e2e.MosquittoPub(t, sc.hub.MQTT, "-t", "things/pump/pump-001/data", "-m", "no JSON <script>")
	sc.follow(t, "a", "Refused messages")
	sc.awaitText(t, "a message is refused", "no JSON <script>")
	sc.tab.Eval(t, `void document.querySelector("#refused tbody th a").click()`, nil)
	sc.awaitText(t, "it is shown", "things/pump/pump-001/data")
}

func (sc *adminScene) userIsKicked(t *testing.T) {
	sc.hub.Publish(t, "room", `"hello"`)
	viewer := e2e.Watch(t, eventsOf(sc.hub, "room"), e2e.EventSourceOptions{})
	viewer.Expect(t, "stream-open")
	sc.tab.Navigate(t, sc.hub.URL("/admin/channels?text=room"))
	sc.tab.Await(t, "the channel is listed with its viewer", `document.querySelector("#channels tbody td:nth-of-type(2)")?.textContent.startsWith("1")`)
	sc.follow(t, "#channels tbody a", "room")
	sc.awaitText(t, "the channel is shown", "Events in the last minute")
	sc.tab.Fill(t, "[name=user]", "dev")
	sc.follow(t, "button", "Kick…")
	sc.tab.Await(t, "it asks", `!!document.querySelector("dialog[open]")`)
	sc.follow(t, "dialog button", "Kick")
	sc.awaitText(t, "it is done", "streams of this channel end")
	viewer.Expect(t, "stream-error")
}

func (sc *adminScene) systemIsShown(t *testing.T) {
	sc.tab.Navigate(t, sc.hub.URL("/admin/system"))
	for _, want := range []string{
		"up", "127.0.0.1", "connected", "Messages stored", "Subscriptions at the proxies", "Events repeated from the log", "Resets sent", "Gaps announced",
		"Waiting to be stored", "Losses told", "Passed over",
	} {
		sc.awaitText(t, "the page shows "+want, want)
	}
	sc.tab.Await(t, "numbers change", `(window.before ??= document.getElementById("system").textContent) !== document.getElementById("system").textContent`)
}

func (sc *adminScene) pagesHaveNoBarriers(t *testing.T) {
	sc.hub.Publish(t, "orders", "--event", "paid", "--private", `{"card":"visa"}`, `{"order":4711,"total":19.9}`)
	sc.hub.Publish(t, "--user", "7", "--event", "toast", `{"text":"Your pump is back"}`)
	sc.hub.Publish(t, "--system", "--event", "backup", `{"files":12,"bytes":104857600}`)
	id := sc.hub.Publish(t, "room", "--event", "note", "--private", `{"by":"cron"}`, `{"text":"Maintenance at noon"}`)
	for _, page := range [][2]string{
		{"/admin/", "admin"}, {"/admin/events/" + id, "admin-event"}, {"/admin/devices", "admin-devices"}, {"/admin/device?type=pump&id=pump-001", "admin-device"},
		{"/admin/channels", "admin-channels"}, {"/admin/channel?name=room", "admin-channel"}, {"/admin/dead", "admin-dead"}, {"/admin/refused", "admin-refused"},
		{"/admin/system", "admin-system"}, {"/admin/nowhere", "admin-problem"},
	} {
		path, picture := page[0], page[1]
		sc.tab.Emulate(t, 1280, 860, "light")
		sc.tab.Navigate(t, sc.hub.URL(path))
		sc.tab.Await(t, "the page is live", `!document.getElementById("state") || document.getElementById("state").textContent === "live"`)
		for scheme, suffix := range map[string]string{"light": ".png", "dark": "-dark.png"} {
			sc.tab.Emulate(t, 1280, 860, scheme)
			for _, problem := range sc.tab.Accessibility(t) {
				t.Errorf("%s, %s: %s", path, scheme, problem)
			}
			sc.tab.Screenshot(t, picture+suffix)
		}
		sc.tab.Emulate(t, 390, 844, "light")
		sc.tab.Await(t, path+" fits a phone", `document.documentElement.scrollWidth <= 390`)
	}
	sc.tab.Emulate(t, 1280, 860, "light")
}

func (sc *adminScene) worksWithoutScripts(t *testing.T) {
	id := sc.hub.Publish(t, "room", "--event", "plain", `{"n":1}`)
	tab := e2e.StartBrowser(t).Open(t, "about:blank")
	tab.Show(t)
	tab.WithoutScripts(t)
	tab.Navigate(t, sc.hub.URL("/admin/?channel=room"))
	text := tab.Text(t, "body")
	for _, want := range []string{id, "plain", "UTC", "Filter"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q: %s", want, text)
		}
	}
	for _, not := range []string{"connecting", "Pause"} {
		if strings.Contains(text, not) {
			t.Errorf("the page shows %q, which needs scripts", not)
		}
	}
	tab.Navigate(t, sc.hub.URL("/admin/events/"+id))
	tab.Click(t, "main form button")
	tab.Do(t, chromedp.WaitVisible("#ask", chromedp.ByQuery))
	tab.Click(t, "#ask button")
	tab.Do(t, chromedp.WaitVisible(".done", chromedp.ByQuery))
	if text := tab.Text(t, ".timeline"); !strings.Contains(text, "replayed") || !strings.Contains(text, "dev") {
		t.Errorf("the activities are %q", text)
	}
}

func TestOnlyAdministratorsSignIn(t *testing.T) {
	t.Parallel()
	hub := e2e.StartServe(t, e2e.ServeOptions{Auth: "  mode: jwt\n  jwt: {secret: " + tokenSecret + "}\n", NoBroker: true})
	id := hub.Publish(t, "room", "--event", "note", `{"text":"for administrators"}`)
	sc := adminScene{hub: hub, tab: openDashboard(t, hub, "/admin/events/"+id)}
	sc.awaitText(t, "strangers are asked", "Sign in to go on.")
	for _, scheme := range []string{"light", "dark"} {
		sc.tab.Emulate(t, 1280, 860, scheme)
		for _, problem := range sc.tab.Accessibility(t) {
			t.Errorf("signing in, %s: %s", scheme, problem)
		}
	}
	sc.tab.Screenshot(t, "admin-signin.png")
	for _, c := range []struct{ token, says string }{
		{"no token", "The token is not valid"},
		{token(t, hub, "--user", "7"), "not an administrator's"},
	} {
		sc.tab.Fill(t, "[name=token]", c.token)
		sc.follow(t, "button", "Sign in")
		sc.awaitText(t, "the token is refused", c.says)
	}
	sc.tab.Fill(t, "[name=token]", token(t, hub, "--user", "ops", "--admin"))
	sc.follow(t, "button", "Sign in")
	sc.awaitText(t, "the page that was asked for", "for administrators")
	var cookies []*network.Cookie
	sc.tab.Do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().Do(ctx)
		return err
	}))
	if len(cookies) != 1 || cookies[0].Name != "griphub_token" || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteLax || cookies[0].Secure {
		t.Errorf("the cookies are %+v", cookies)
	}
	sc.tab.Navigate(t, hub.URL("/admin/"))
	sc.tab.Await(t, "the log is live", `document.getElementById("state").textContent === "live"`)
	sc.follow(t, "button", "Sign out")
	sc.awaitText(t, "who has left is a stranger", "Sign in to go on.")
	wantNoErrors(t, sc.tab)
	hub.Stop(t)
}
