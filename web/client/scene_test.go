package client_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// A scene is a hub, a site in front of it whose pages use griphub.js, and a browser.
type scene struct {
	hub     *e2e.Hub
	front   *e2e.Front
	browser *e2e.Browser
	// said are the data of what was published, in order.
	said []string
}

func start(t *testing.T, config string) *scene {
	t.Helper()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: config})
	front := e2e.NewFront(t)
	front.PassTo(hub)
	return &scene{hub: hub, front: front, browser: e2e.StartBrowser(t)}
}

// follow writes down what griphub tells.
const follow = `<script>
	window.seen = []; window.states = []; window.resets = [];
	window.follow = (url, options) => {
		window.connection = griphub.connect(url, {
			onEvent: (e) => seen.push(e), onReset: (r) => resets.push(r), onState: (s) => states.push(s), ...options,
		});
		return 0;
	};
</script>`

// page opens a page that follows the stream. before is run before griphub.js, and may take away what a browser has.
func (s *scene) page(t *testing.T, before, url, options string) *e2e.Tab {
	t.Helper()
	s.front.SetPage("/page", `<!doctype html><title>page</title><script>`+before+`</script><script src="/griphub.js"></script>`+follow)
	tab := s.browser.Open(t, s.front.URL("/page"))
	tab.Eval(t, fmt.Sprintf("follow(%s, %s)", e2e.Quote(url), options), nil)
	tab.Await(t, "the stream is open", `states.at(-1) === "open"`)
	return tab
}

// say publishes to the channel "list", of which viewers must get all. The hub may be without its proxy.
func (s *scene) say(t *testing.T) {
	t.Helper()
	data := fmt.Sprint(len(s.said))
	if result := s.hub.Run(t, "publish", "--event", "item", "list", data); result.Code != 0 && result.Code != 3 {
		t.Fatalf("publish: exit code %d: %s", result.Code, result.Stderr)
	}
	s.said = append(s.said, data)
}

// sees waits until the tab has got everything since the first, and demands that it has got it once and in order.
func (s *scene) sees(t *testing.T, tab *e2e.Tab, first int) {
	t.Helper()
	want := s.said[first:]
	tab.Await(t, fmt.Sprintf("%d events are there", len(want)), fmt.Sprintf("seen.length >= %d", len(want)))
	var seen []struct{ Type, Data, ID string }
	tab.Eval(t, "seen", &seen)
	var got []string
	for _, e := range seen {
		got = append(got, e.Data)
		if e.Type != "item" || !strings.HasPrefix(e.ID, "list:") {
			t.Errorf("an event is %+v", e)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has seen %q, want %q", got, want)
	}
}

func (s *scene) awaitStreams(t *testing.T, n int) {
	t.Helper()
	e2e.Eventually(t, fmt.Sprintf("%d streams are open", n), func() bool { return s.front.Streams() == n })
}

// What takes away one place for the connection after the other.
const (
	noWorker = `delete window.SharedWorker;`
	noLocks  = noWorker + `Object.defineProperty(navigator, "locks", {value: undefined});`
)
