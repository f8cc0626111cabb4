package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"github.com/griphub/griphub/e2e"
)

// Twenty faults in an order that nobody knows, each kind four times: the network is cut, requests fail, the browser is offline, the
// page is frozen, a part of the proxy dies, the hub starts again.
func TestThePageThatIsLeftOpenShowsTheLogOnceThroughFaults(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	shared, own := s.page(t, "", "/events/list/", "{}"), s.page(t, "", "/events/list/", "{shared: false}")
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kinds := []func(){
		func() { s.front.Fail(random.IntN(4)); s.front.Cut() },
		func() {
			own.Offline(t, true)
			s.say(t)
			own.Offline(t, false)
		},
		func() {
			tab := []*e2e.Tab{shared, own}[random.IntN(2)]
			tab.Do(t, page.SetWebLifecycleState(page.SetWebLifecycleStateStateFrozen))
			s.say(t)
			tab.Do(t, page.SetWebLifecycleState(page.SetWebLifecycleStateStateActive))
		},
		func() {
			s.hub.KillChild(t, []string{"pushpin-proxy", "pushpin-handler", "condure", "zurl"}[random.IntN(4)])
		},
		func() { s.hub.Restart(t) },
	}
	var faults []func()
	for range 4 {
		faults = append(faults, kinds...)
	}
	random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, fault := range faults {
		for range random.IntN(3) {
			s.say(t)
		}
		fault()
		s.say(t)
	}
	s.hub.AwaitReady(t)
	for _, tab := range []*e2e.Tab{shared, own} {
		s.sees(t, tab, 0)
		for _, text := range tab.Errors() {
			t.Errorf("the page has an error: %s", text)
		}
		var resets int
		if tab.Eval(t, "resets.length", &resets); resets > 0 {
			t.Errorf("%d resets are told, though nothing was lost", resets)
		}
	}
}

func TestTheTabsOfABrowserShareOneConnection(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"in a worker": "", "in one of them": noWorker} {
		t.Run(name, func(t *testing.T) {
			s := start(t, "")
			var tabs []*e2e.Tab
			var first []int
			for range 8 {
				tabs = append(tabs, s.page(t, before, "/events/list/", "{}"))
				first = append(first, len(s.said))
				s.say(t)
				s.sees(t, tabs[len(tabs)-1], len(s.said)-1) // a tab begins where the connection is
			}
			for i, tab := range tabs {
				s.sees(t, tab, first[i])
			}
			var locks int
			tabs[0].Eval(t, `navigator.locks.query().then((q) => q.held.length + q.pending.length)`, &locks)
			if want := map[string]int{"": 0, noWorker: 8}[before]; locks != want {
				t.Errorf("the tabs ask for %d locks, want %d", locks, want)
			}
			if n := s.front.Streams(); n != 1 || len(s.front.Asked()) != 1 {
				t.Errorf("%d streams are open after %d requests", n, len(s.front.Asked()))
			}
			// Whichever of them has it: another takes over, and goes on where each of them is.
			for i := range 7 {
				tabs[i].Close()
				s.say(t)
				s.sees(t, tabs[7], first[7])
			}
			s.awaitStreams(t, 1)
			tabs[7].Close()
			s.awaitStreams(t, 0)
		})
	}
}

func TestATabThatBeganEarlierGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	for range 5 {
		s.say(t)
	}
	now := s.page(t, "", "/events/list/", "{}")
	// Pages are rendered with the place of what they show, which is behind by the time that they connect.
	early := s.page(t, "", "/events/list/?lastEventId=list:2", "{}")
	latest := s.page(t, "", "/events/list/", `{lastEventId: "list:4"}`)
	s.say(t)
	s.sees(t, now, 5)
	s.sees(t, early, 2)
	s.sees(t, latest, 4)
	s.awaitStreams(t, 1)
}

func TestATabWithoutHelpHasAConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	one, two := s.page(t, noLocks, "/events/list/", "{}"), s.page(t, noLocks, "/events/list/", "{}")
	s.awaitStreams(t, 2)
	s.say(t)
	s.sees(t, one, 0)
	s.sees(t, two, 0)
	one.Eval(t, `connection.close()`, nil)
	one.Await(t, "its end is told", `states.at(-1) === "closed"`)
	s.awaitStreams(t, 1)
	s.say(t)
	s.sees(t, two, 0)
	var after int
	if one.Eval(t, "seen.length", &after); after != 1 {
		t.Errorf("after its end %d events are there", after)
	}
}

func TestTheClientKeepsItsPlaceOverHTTPErrors(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	tab := s.page(t, "", "/events/list/", "{shared: false}")
	s.say(t)
	s.sees(t, tab, 0)
	s.front.Fail(2)
	s.front.Cut()
	s.say(t)
	s.sees(t, tab, 0)
	asked := s.front.Asked()
	for _, r := range asked[1:] {
		if r.URL.Query().Get("lastEventId") != "list:1" {
			t.Errorf("it asks for %s", r.URL)
		}
	}
	var states []string
	if tab.Eval(t, "states", &states); strings.Join(states, " ") != "connecting open connecting open" {
		t.Errorf("the states were %q", states)
	}
	// 1 s, 2 s, each up to a quarter more or less.
	var waited float64
	tab.Eval(t, `(([a, b]) => b.startTime - a.startTime)(performance.getEntriesByName(`+e2e.Quote(s.front.URL("/events/list/?lastEventId=list%3A1"))+`).slice(0, 2))`, &waited)
	if waited < 1500 {
		t.Errorf("after the second failure it waits %v ms", waited)
	}
}

func TestTheClientTellsWhenHistoryIsLost(t *testing.T) {
	t.Parallel()
	s := start(t, "channels: [{match: '**', read: public, keep: 2}]\n")
	for range 4 {
		s.say(t)
	}
	s.hub.Restart(t) // it trims some seconds after its start, and then each minute
	e2e.Eventually(t, "the log is trimmed", func() bool {
		return !strings.Contains(s.hub.Run(t, "events", "list", "list", "--json").Stdout, `"list:1"`)
	})
	tab := s.page(t, "", "/events/list/?lastEventId=list:1", "{}")
	tab.Await(t, "the loss is told", `resets.length > 0`)
	s.say(t)
	s.sees(t, tab, 4)
	var told string
	if tab.Eval(t, "JSON.stringify(resets)", &told); told != `[{"channels":["list"]}]` {
		t.Errorf("it tells of %s", told)
	}
}

// The snapshot is longer than a reply.
func TestASnapshotComesFirst(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	const size = 150
	var fleet strings.Builder
	for n := range size {
		fmt.Fprintf(&fleet, `{"device_type":"pump","device_id":"p-%03d","name":%q}`+"\n", n, strings.Repeat("x", 200))
	}
	list := filepath.Join(t.TempDir(), "fleet.jsonl")
	if err := os.WriteFile(list, []byte(fleet.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if result := s.hub.Run(t, "devices", "import", list); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	tab := s.page(t, "", "/iot/stream/pump/?snapshot=1", "{}")
	tab.Await(t, "everything is told", fmt.Sprintf("seen.length >= %d", size))
	s.hub.Publish(t, "--device", "pump/p-007", "--event", "note", `"later"`)
	tab.Await(t, "what comes later is told", fmt.Sprintf("seen.length > %d", size))
	var told []string
	tab.Eval(t, `seen.map(({type, data}) => type + " " + JSON.parse(data).device_id)`, &told)
	want := make([]string, size, size+1)
	for n := range want {
		want[n] = fmt.Sprintf("snapshot p-%03d", n)
	}
	if want = append(want, "note p-007"); !slices.Equal(told, want) {
		t.Errorf("the page was told %q", told)
	}
}

// slowStreams has server-sent events never arrive, as behind an intermediary that keeps them back. The 10 s for which they may take
// to come are one here.
const slowStreams = `{
	const after = window.setTimeout;
	window.setTimeout = (call, wait) => after(call, wait === 10e3 ? 1e3 : wait);
	const real = window.fetch;
	window.fetch = (url, options) => options?.headers?.Accept !== "text/event-stream" ? real(url, options)
		: new Promise((_, fail) => options.signal.addEventListener("abort", () => fail(options.signal.reason)));
}`

func TestTheClientFindsAWayByItself(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	const noSockets = `window.WebSocket = class { constructor() { setTimeout(() => this.onclose()); } close() {} };`
	for name, before := range map[string]string{"a WebSocket": slowStreams, "polling": slowStreams + noSockets} {
		t.Run(name, func(t *testing.T) {
			s.said = nil
			tab := s.page(t, before, "/iot/stream/pump/", "{shared: false}")
			for n := range 5 {
				s.hub.Publish(t, "--device", "pump/p1", "--event", "data", fmt.Sprintf(`{"n":%d}`, n))
				if n == 2 {
					s.hub.KillChild(t, "pushpin-proxy")
					s.hub.AwaitReady(t)
				}
			}
			tab.Await(t, "all are there", "seen.length >= 5")
			var seen []struct{ Type, Data, ID string }
			tab.Eval(t, "seen", &seen)
			for n, e := range seen {
				var data struct {
					Event    string `json:"event"`
					DeviceID string `json:"device_id"`
					Data     struct{ N int }
					ID       string `json:"id"`
				}
				if err := json.Unmarshal([]byte(e.Data), &data); err != nil || e.Type != "data" || data.Data.N != n || data.DeviceID != "p1" || data.ID != "" || !strings.HasPrefix(e.ID, "iot_pump:") {
					t.Errorf("event %d is %+v (%v)", n, e, err)
				}
			}
		})
	}
	t.Run("polling where there is no proxy", func(t *testing.T) {
		tab := s.browser.Open(t, s.hub.BackendURL("/static/icon.svg"))
		tab.Eval(t, `(async () => {
			window.seen = [];
			const { connect } = await import("/griphub.mjs");
			await new Promise((open) => connect("/events/?channel=list", { shared: false, onEvent: (e) => seen.push(e), onState: (s) => s === "open" && open() }));
			return 0;
		})()`, nil)
		s.say(t)
		s.sees(t, tab, 0)
	})
}

func TestAPageComesBackFromTheBackForwardCache(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	s.front.SetPage("/elsewhere", `<!doctype html><title>elsewhere</title>`)
	for _, before := range []string{"", noWorker} {
		begin, asked := len(s.said), len(s.front.Asked())
		tab := s.page(t, before+`addEventListener("pageshow", (e) => { window.persisted = e.persisted; });`, "/events/list/", "{}")
		s.say(t)
		s.sees(t, tab, begin)
		tab.Navigate(t, s.front.URL("/elsewhere"))
		s.awaitStreams(t, 0)
		s.say(t)
		tab.Eval(t, `(history.back(), 0)`, nil)
		tab.Await(t, "the page is back", `location.pathname === "/page"`)
		var persisted bool
		if tab.Eval(t, "window.persisted", &persisted); !persisted {
			var why string
			tab.Eval(t, `JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons)`, &why)
			t.Errorf("the page was not kept: %s", why)
			continue
		}
		s.sees(t, tab, begin)
		s.say(t)
		s.sees(t, tab, begin)
		if n := len(s.front.Asked()) - asked; n != 2 {
			t.Errorf("%d streams were asked for", n)
		}
		tab.Close()
		s.awaitStreams(t, 0)
	}
}

func TestDjangoRealtimesNamesWork(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	s.front.SetPage("/djr", `<!doctype html><title>djr</title><script>
		window.told = [];
		for (const name of ["djr:connected", "djr:task_complete", "djr:task_complete:42", "djr:task_complete:0", "djr:news"])
			addEventListener(name, (e) => told.push(name + " " + JSON.stringify(e.detail)));
	</script><script src="/griphub.js" data-connect></script>`)
	tab := s.browser.Open(t, s.front.URL("/djr"))
	tab.Await(t, "it connects by itself", `told[0] === 'djr:connected {"type":"connected"}' && djangoRealtimeConnection.close`)
	tab.Eval(t, `(window.stop = DjangoRealtime.subscribe("news", (detail) => told.push("subscribed " + detail.n)), 0)`, nil)
	s.hub.Publish(t, "--user", "dev", "--event", "task_complete", `{":id":42,"status":"success"}`)
	s.hub.Publish(t, "--user", "dev", "--event", "task_complete", `{":id":0}`)
	s.hub.Publish(t, "--user", "somebody", "--event", "news", `{"n":0}`)
	s.hub.Publish(t, "--global", "--event", "news", `{"n":1}`)
	want := []string{
		`djr:connected {"type":"connected"}`,
		`djr:task_complete {":id":42,"status":"success","type":"task_complete"}`, `djr:task_complete:42 {":id":42,"status":"success","type":"task_complete"}`,
		`djr:task_complete {":id":0,"type":"task_complete"}`, `djr:task_complete:0 {":id":0,"type":"task_complete"}`,
		`djr:news {"n":1,"type":"news"}`, `subscribed 1`,
	}
	tab.Await(t, "all is told", fmt.Sprintf("told.length >= %d", len(want)))
	var told []string
	if tab.Eval(t, "told", &told); !slices.Equal(told, want) {
		t.Errorf("told is %q", told)
	}
	tab.Eval(t, `stop()`, nil)
	s.front.Cut()
	tab.Await(t, "each connection is told", `told.filter((line) => line.startsWith("djr:connected")).length === 2`)
	s.hub.Publish(t, "--global", "--event", "news", `{"n":2}`)
	tab.Await(t, "and goes on", `told.at(-1) === 'djr:news {"n":2,"type":"news"}'`)

	own := s.browser.Open(t, s.front.URL("/page-without-connection"))
	own.Eval(t, `(async () => {
		const { DjangoRealtime } = await import("/griphub.js");
		window.messages = [];
		window.connects = 0;
		DjangoRealtime.connect({ onMessage: (detail) => messages.push(detail), onConnect: () => connects++ });
		return 0;
	})()`, nil)
	own.Await(t, "its callbacks are called", `connects === 1 && messages[0].type === "connected"`)
}

// A laptop that slept holds connections that are dead, and nobody has told it.
func TestAConnectionThatIsSilentForTooLongIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	tab := s.page(t, `{ const now = Date.now; window.slept = 0; Date.now = () => now() + window.slept; }`, "/events/list/", "{shared: false}")
	tab.Eval(t, `window.slept = 100e3`, nil)
	e2e.Eventually(t, "it asks again", func() bool { return len(s.front.Asked()) == 2 })
	s.awaitStreams(t, 1)
	s.say(t)
	s.sees(t, tab, 0)
}

func TestATabThatWasFrozenGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	// The first of the two that have no worker has the connection for both.
	tabs := []*e2e.Tab{s.page(t, noWorker, "/events/list/", "{}"), s.page(t, "", "/events/list/", "{shared: false}"), s.page(t, noWorker, "/events/list/", "{}")}
	s.say(t)
	for _, tab := range tabs[:2] {
		s.sees(t, tab, 0)
		tab.Do(t, page.SetWebLifecycleState(page.SetWebLifecycleStateStateFrozen))
	}
	for range 5 {
		s.say(t)
	}
	s.sees(t, tabs[2], 0)
	for _, tab := range tabs[:2] {
		tab.Do(t, page.SetWebLifecycleState(page.SetWebLifecycleStateStateActive))
		s.sees(t, tab, 0)
	}
	s.awaitStreams(t, 2)
}

func TestAnEventThatIsSentAgainSaysSo(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	tab := s.page(t, "", "/events/list/", "{}")
	id := s.hub.Publish(t, "list", `"once"`)
	tab.Await(t, "the event is there", "seen.length === 1")
	if result := s.hub.Run(t, "events", "replay", id); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	tab.Await(t, "it comes again", fmt.Sprintf(`seen.length === 2 && seen[1].data === '"once"' && seen[1].replay === 1 && seen[1].eventId === %q && !("replay" in seen[0])`, id))
}

func TestAServerTellsHowLongToWait(t *testing.T) {
	t.Parallel()
	requests := make(chan time.Time, 100)
	var answered atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		if answered.Add(1) == 1 {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusServiceUnavailable)
		} else {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "retry: 50\nevent: stream-open\nid: list:1\ndata:\n\n")
		}
		requests <- time.Now()
	}))
	t.Cleanup(server.Close)
	s := start(t, "")
	tab := s.page(t, "", "/events/list/", "{}")
	tab.Eval(t, fmt.Sprintf("follow(%s, {shared: false})", e2e.Quote(server.URL+"/stream")), nil)
	first, second, third := <-requests, <-requests, <-requests
	if wait := second.Sub(first); wait < 2900*time.Millisecond {
		t.Errorf("after 503 with Retry-After: 3 it waits %v", wait)
	}
	// The second attempt, of 50 ms that double.
	if wait := third.Sub(second); wait > 2*time.Second {
		t.Errorf("after retry: 50 it waits %v", wait)
	}
	tab.Close()
}
