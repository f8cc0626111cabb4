package e2e_test

import (
	"fmt"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestHTMX4SwapsMessagesWithoutANameAndTellsOfOthers(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	s.awaitTemplates(t, nil)
	s.front.SetPage("/said", "heard")
	tab := s.page(t, htmx4, `<main hx-sse:connect="/events/?channel=news&channel=iot_pump&html=4" hx-target="#main">
		<p id="main"></p><p id="oob"></p><p id="part"></p><i data-fragment="temperature"></i><u data-fragment="pump/p 1,'x/temperature"></u>
		<s hx-get="/said" hx-trigger="note from:main"></s></main>`)
	e2e.Eventually(t, "the stream is open", func() bool { return s.front.Streams() == 1 })
	s.hub.Publish(t, "--raw", "--event", "", "news", `<b>main</b><p id="oob" hx-swap-oob="true">oob</p><hx-partial hx-target="#part">part</hx-partial>`)
	awaitText(t, tab, "#main b", "main")
	awaitText(t, tab, "#oob", "oob")
	awaitText(t, tab, "#part", "part")
	s.hub.Publish(t, "--event", "note", "news", `{}`)
	awaitText(t, tab, "s", "heard")
	// A device whose name means something in selectors.
	s.say(t, "p 1,'x", `{"temperature":4}`)
	awaitText(t, tab, "i", "4.0 °C")
	awaitText(t, tab, "u", "4.0 °C")
	awaitText(t, tab, "#main b", "main")
	wantNoErrors(t, tab)
}

func TestHTMX4GoesOnAfterHiddenTabsAndHTTPErrors(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	tab := s.page(t, htmx4, `<ul hx-sse:connect="/events/?channel=list" hx-swap="beforeend" hx-config="sse.reconnectDelay:100ms"></ul>`)
	other := s.browser.Open(t, "about:blank")
	tab.Show(t)
	e2e.Eventually(t, "the stream is open", func() bool { return s.front.Streams() == 1 })
	var want []string
	publish := func() {
		want = append(want, fmt.Sprint(len(want)))
		s.hub.Publish(t, "--raw", "--event", "", "list", "<li>"+want[len(want)-1]+"</li>")
	}
	// Hidden before anything has come: the opening's id is all there is to go on from.
	for range 4 {
		other.Show(t)
		e2e.Eventually(t, "the hidden tab lets its connection go", func() bool { return s.front.Streams() == 0 })
		publish()
		publish()
		tab.Show(t)
		publish()
		awaitText(t, tab, "li:last-child", want[len(want)-1])
	}
	s.front.Fail(2)
	s.front.Cut()
	publish()
	awaitText(t, tab, "li:last-child", want[len(want)-1])
	wantItems(t, tab, want)
}
