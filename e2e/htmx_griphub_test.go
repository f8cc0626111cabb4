package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// noteEvents keeps the names of htmx's events of streams.
const noteEvents = `<script>
  window.told = [];
  for (const name of ["sseOpen", "sseError", "sseBeforeMessage", "sseMessage", "sseClose"])
    document.addEventListener("htmx:" + name, (e) => told.push(name + (e.detail.type && name === "sseClose" ? " " + e.detail.type : "")));
</script>`

func TestTheExtensionForHTMX2MissesNothingAfterHTTPErrors(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	tab := s.page(t, htmx2Griphub, noteEvents+`<div hx-ext="sse" sse-connect="/events/?channel=list" sse-close="enough">
		<ul sse-swap="item, other" hx-swap="beforeend"></ul><p sse-swap="message"></p><i hx-get="/said" hx-trigger="sse:item"></i></div>`)
	s.front.SetPage("/said", "heard")
	tab.Await(t, "the stream is open", `told.includes("sseOpen")`)
	var want []string
	for n := range 30 {
		// Five failures in a row at the worst, after which the client waits for 16 s.
		switch n {
		case 3, 13:
			s.front.Cut()
		case 7:
			s.front.Fail(2)
			s.front.Cut()
		}
		want = append(want, fmt.Sprint(n))
		s.hub.Publish(t, "--raw", "--event", []string{"item", "other"}[n%2], "list", fmt.Sprintf("<li>%d</li>", n))
	}
	s.hub.Publish(t, "--raw", "--event", "", "list", "<b>the end</b>")
	awaitText(t, tab, "p b", "the end")
	wantItems(t, tab, want)
	awaitText(t, tab, "i", "heard")
	for _, name := range []string{"sseError", "sseBeforeMessage", "sseMessage"} {
		tab.Await(t, name+" is told", fmt.Sprintf("told.includes(%q)", name))
	}
	s.hub.Publish(t, "--raw", "--event", "enough", "list", "")
	tab.Await(t, "the stream is closed by the event", `told.at(-1) === "sseClose message"`)
	e2e.Eventually(t, "the connection is closed", func() bool { return s.front.Streams() == 0 })
	wantNoErrors(t, tab)
}

func TestTheExtensionForHTMX2SurvivesTheProxy(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	tab := s.page(t, htmx2Griphub, `<ul hx-ext="sse" sse-connect="/events/?channel=list" sse-swap="message" hx-swap="beforeend"></ul>`)
	e2e.Eventually(t, "the stream is open", func() bool { return s.front.Streams() == 1 })
	var want []string
	for n, part := range []string{"condure", "pushpin-handler", "zurl"} {
		s.hub.KillChild(t, part)
		want = append(want, fmt.Sprint(n))
		if result := s.hub.Run(t, "publish", "--raw", "--event", "", "list", fmt.Sprintf("<li>%d</li>", n)); result.Code != 0 && result.Code != 3 {
			t.Errorf("publish: exit code %d: %s", result.Code, result.Stderr)
		}
		awaitText(t, tab, "li", fmt.Sprint(n))
	}
	wantItems(t, tab, want)
}

func TestElementsOfAPageShareOneConnection(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	s.awaitTemplates(t, nil)
	const list = `<ul hx-ext="sse" sse-connect="/events/?channel=list" sse-swap="item" hx-swap="beforeend"></ul>`
	tab := s.page(t, htmx2Griphub, noteEvents+`<main>`+strings.Repeat(list, 9)+`</main><aside></aside>`)
	tab.Await(t, "all elements are told that the stream is open", `told.filter((name) => name === "sseOpen").length === 9`)
	s.hub.Publish(t, "--raw", "--event", "item", "list", "<li>1</li>")
	tab.Await(t, "all elements show the event", `document.querySelectorAll("li").length === 9`)
	if n, asked := s.front.Streams(), len(s.front.Asked()); n != 1 || asked != 1 {
		t.Errorf("%d streams after %d requests", n, asked)
	}

	// An element that begins earlier has the connection begin there, and those that were there see nothing twice.
	tab.Eval(t, `void (document.querySelector("aside").innerHTML = '`+strings.Replace(list, "channel=list", "channel=list&lastEventId=list:0", 1)+`', htmx.process(document.querySelector("aside")))`, nil)
	tab.Await(t, "the new element shows what was before", `document.querySelectorAll("aside li").length === 1`)
	s.hub.Publish(t, "--raw", "--event", "item", "list", "<li>2</li>")
	tab.Await(t, "all elements show the next event", `[...document.querySelectorAll("ul")].every((ul) => ul.textContent === "12")`)
	if n := s.front.Streams(); n != 1 {
		t.Errorf("there are %d streams", n)
	}

	// The connection lasts as long as an element that needs it.
	tab.Eval(t, `void htmx.swap(document.querySelector("main"), "", {swapStyle: "innerHTML"})`, nil)
	tab.Await(t, "the elements that are replaced are told", `told.filter((name) => name === "sseClose nodeReplaced").length === 9`)
	s.hub.Publish(t, "--raw", "--event", "item", "list", "<li>3</li>")
	tab.Await(t, "the one that is left goes on", `document.querySelector("aside").textContent === "123"`)
	tab.Eval(t, `void document.querySelector("aside").replaceChildren()`, nil)
	s.hub.Publish(t, "--raw", "--event", "item", "list", "<li>4</li>")
	e2e.Eventually(t, "the connection is closed", func() bool { return s.front.Streams() == 0 })

	// Components of one device, which were made at different moments.
	s.say(t, "p1", `{"temperature":20}`)
	one := `<div hx-get="/components/pump/p1/temperature/?html=2" hx-trigger="load" hx-swap="outerHTML"></div>`
	other := `<div hx-get="/components/pump/p1/card/?html=2" hx-trigger="load delay:300ms" hx-swap="outerHTML"></div>`
	parts := s.page(t, htmx2Griphub+`<script type="module" src="/static/components.js"></script>`, one+other+one)
	s.say(t, "p1", `{"temperature":21}`)
	awaitText(t, parts, ".griphub-stat", "21")
	s.say(t, "p1", `{"temperature":22}`)
	parts.Await(t, "all components show the same", `[...document.querySelectorAll("b")].map((b) => parseFloat(b.textContent)).join() === "22,22,22"`)
	if n := s.front.Streams(); n != 1 {
		t.Errorf("the components have %d streams", n)
	}
	wantNoErrors(t, parts)
}

func TestAStreamThatIsResetShowsWhatComesNext(t *testing.T) {
	t.Parallel()
	s := startHTMX(t, "")
	tab := s.page(t, htmx2Griphub, `<ul hx-ext="sse" sse-connect="/events/?channel=list&lastEventId=list:500" sse-swap="item,stream-reset" hx-swap="beforeend"></ul>`)
	awaitText(t, tab, "ul", `{"channels":["list"]}`)
	s.hub.Publish(t, "--raw", "--event", "item", "list", "<li>1</li>")
	awaitText(t, tab, "li", "1")
}
