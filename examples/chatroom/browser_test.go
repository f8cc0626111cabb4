package main

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/griphub/griphub/e2e"
)

// logIn opens the room in a browser of its own.
func (s scene) logIn(t *testing.T, name string) *e2e.Tab {
	t.Helper()
	tab := e2e.StartBrowser(t).Open(t, s.url)
	enter(t, tab, name)
	return tab
}

// enter fills in the login page.
func enter(t *testing.T, tab *e2e.Tab, name string) {
	t.Helper()
	tab.Await(t, "the login page", `document.getElementById("username")`)
	tab.Fill(t, "#username", name)
	tab.Type(t, "#username", "\r")
	tab.Await(t, name+" is in the room and listens", `document.getElementById("state")?.dataset.state === "open"`)
}

// shows waits until the newest message is what somebody said.
func shows(t *testing.T, tab *e2e.Tab, who, text string) {
	t.Helper()
	tab.Await(t, "shows what "+who+" said", `(() => {
		const newest = document.querySelector("#messages li");
		return newest?.querySelector(".who")?.textContent === `+e2e.Quote(who)+` && newest.querySelector(".text").textContent === `+e2e.Quote(text)+`;
	})()`)
}

func say(t *testing.T, tab *e2e.Tab, text string) {
	t.Helper()
	tab.Fill(t, "#message", text)
	tab.Type(t, "#message", "\r")
}

func TestTwoBrowsersTalk(t *testing.T) {
	s := start(t)
	ann, bob := s.logIn(t, "Ann"), s.logIn(t, "Bob")
	for _, line := range []struct {
		from, to  *e2e.Tab
		who, text string
	}{
		{ann, bob, "Ann", "Has anybody seen the tide table?"},
		{bob, ann, "Bob", "It hangs at the jetty. High water is at 14:20 today."},
		{ann, bob, "Ann", "Then we should be out by half past eleven 😀"},
		{bob, ann, "Bob", "אני מביא את המפות"},
		{ann, bob, "Ann", "Good. I bring coffee, and the new buoy: weatherstation ws-004 is on it."},
		{bob, ann, "Bob", "See you there!"},
	} {
		say(t, line.from, line.text)
		shows(t, line.to, line.who, line.text)
		shows(t, line.from, line.who, line.text)
	}
	photograph(t, ann)

	t.Run("what people write is text", func(t *testing.T) { s.writeHostile(t, ann, bob) })
	t.Run("the limit is told", func(t *testing.T) { exceedLimit(t, ann, bob) })
	t.Run("history and listening outlive reloads and the proxy", func(t *testing.T) { s.interrupt(t, ann, bob) })
	for _, tab := range []*e2e.Tab{ann, bob} {
		for _, text := range tab.Errors() {
			t.Errorf("the page has an error: %s", text)
		}
	}
}

// photograph makes the README's picture, and looks whether the room fits a phone in light and dark.
func photograph(t *testing.T, tab *e2e.Tab) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		tab.Do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2)),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		tab.Await(t, "nothing is wider than the phone", `[...document.querySelectorAll("body *")].every((e) => e.getBoundingClientRect().right <= 360)`)
		tab.Screenshot(t, "chatroom-phone-"+scheme+".png")
	}
	tab.Do(t, chromedp.EmulateViewport(860, 560), emulation.SetEmulatedMedia())
	tab.Screenshot(t, "chatroom.png")
}

// writeHostile has Bob come back under a name that is markup and turns the direction of writing.
func (s scene) writeHostile(t *testing.T, ann, bob *e2e.Tab) {
	const name, text = "<b>Bob</b> \u202e😀", `<img src=x onerror=alert(1)> & "quotes" ` + "\u202etxt.exe"
	bob.Click(t, "header button")
	enter(t, bob, name)
	say(t, bob, text)
	for _, tab := range []*e2e.Tab{ann, bob} {
		shows(t, tab, name, text)
		var markup int
		if tab.Eval(t, `document.querySelectorAll("#messages img, #messages b").length`, &markup); markup != 0 {
			t.Errorf("of what people wrote, %d elements are markup", markup)
		}
	}
}

// exceedLimit writes one character too much. The limit is the server's; the page says so and keeps the text.
func exceedLimit(t *testing.T, ann, bob *e2e.Tab) {
	say(t, ann, strings.Repeat("😀", 161))
	ann.Await(t, "the counter tells", `document.getElementById("left").textContent === "-1"`)
	ann.Await(t, "the page tells the limit", `document.getElementById("problem").textContent.includes("160") && document.getElementById("message").value`)
	say(t, ann, strings.Repeat("😀", 160))
	shows(t, bob, "Ann", strings.Repeat("😀", 160))
}

// interrupt reloads one page, and starts the proxy again under both.
func (s scene) interrupt(t *testing.T, ann, bob *e2e.Tab) {
	bob.Navigate(t, s.url)
	bob.Await(t, "a reload shows the history", `document.querySelectorAll("#messages .text").length === 8`)
	bob.Await(t, "and listens again", `document.getElementById("state").dataset.state === "open"`)
	s.hub.KillChild(t, "pushpin-proxy")
	s.hub.AwaitReady(t)
	// What is said while a browser cannot listen yet is there once it can.
	const text = "The proxy was away for a moment."
	say(t, ann, text)
	shows(t, ann, "Ann", text)
	shows(t, bob, "Ann", text)
	say(t, bob, "Was it?")
	shows(t, ann, "<b>Bob</b> \u202e😀", "Was it?")
}
