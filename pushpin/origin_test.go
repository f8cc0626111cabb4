package pushpin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin/pushpintest"
)

// An origin is a backend whose answers a test writes, and which remembers what it was asked.
type origin struct {
	*pushpintest.Proxy
	t testing.TB

	mu    sync.Mutex
	asked []ask
}

// An ask is a request that came through the proxy.
type ask struct {
	n    int    // 1 for the first
	path string // with the query
	last string // Grip-Last, joined with ","
	body string
	at   time.Time
}

// startOrigin runs a backend and a Pushpin before it.
func startOrigin(t testing.TB, answer func(w http.ResponseWriter, a ask)) *origin {
	t.Helper()
	o, address := startBackend(t, answer)
	o.Proxy = pushpintest.Start(t, address, pushpintest.Options{})
	return o
}

// startBackend runs a backend without a proxy.
func startBackend(t testing.TB, answer func(w http.ResponseWriter, a ask)) (o *origin, address string) {
	t.Helper()
	o = &origin{t: t}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return // Ready asks
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		last := slices.Sorted(slices.Values(r.Header.Values("Grip-Last")))
		o.mu.Lock()
		a := ask{len(o.asked) + 1, r.URL.RequestURI(), strings.Join(last, ","), string(body), time.Now()}
		o.asked = append(o.asked, a)
		o.mu.Unlock()
		answer(w, a)
	}))
	t.Cleanup(s.Close)
	return o, s.Listener.Addr().String()
}

func (o *origin) asks() []ask {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// settle waits for the request that Pushpin makes a second after a channel's first subscription, and lets it
// be answered.
func (o *origin) settle(path string) {
	o.t.Helper()
	o.wantAsk(path, 1)
	o.settles(nil)
}

// settles is settle for the only request that there is, and false if it is cut off before.
func (o *origin) settles(cut <-chan error) bool {
	o.t.Helper()
	whole := true
	before := max(len(o.asks()), 1)
	waitFor(o.t, "the request of the first subscriber", func() bool {
		select {
		case err := <-cut:
			o.t.Log(err)
			whole = false
		default:
		}
		return !whole || len(o.asks()) > before
	})
	time.Sleep(200 * time.Millisecond) // nothing tells when the answer has arrived
	return whole
}

// wantAsk waits for the nth request for the path.
func (o *origin) wantAsk(path string, n int) ask {
	o.t.Helper()
	waitFor(o.t, "a request for "+path, func() bool { return len(o.asksFor(path)) >= n })
	return o.asksFor(path)[n-1]
}

func (o *origin) asksFor(path string) []ask {
	return slices.DeleteFunc(o.asks(), func(a ask) bool { return a.path != path })
}

// post publishes items, past any client.
func (o *origin) post(items ...grip.Item) {
	o.t.Helper()
	body, err := grip.AppendItems(nil, items)
	if err != nil {
		o.t.Fatal(err)
	}
	o.postTo("/publish/", string(body))
}

func (o *origin) postTo(path, body string) {
	o.t.Helper()
	resp, err := http.Post(o.ControlURL()+path, "application/json", strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		o.t.Fatalf("POST %s: %s %s", path, resp.Status, text)
	}
}

// set sets headers: names and values in turn.
func set(w http.ResponseWriter, pairs ...string) {
	for pair := range slices.Chunk(pairs, 2) {
		w.Header().Add(pair[0], pair[1])
	}
}

// line is an item for the streams held on channel c.
func line(id, prev, content string) grip.Item {
	return grip.Item{Channel: "c", ID: id, PrevID: prev, HTTPStream: &grip.HTTPStream{Content: []byte(content + "\n")}}
}

// rendered is an item for the streams that are held on channel c with the filter build-id.
func rendered(id, prev, content string) grip.Item {
	i := line(id, prev, content)
	i.HTTPStream.ContentFilters = []string{grip.FilterBuildID}
	return i
}

func hint(channel, id, prev string) grip.Item {
	return grip.Item{Channel: channel, ID: id, PrevID: prev,
		HTTPStream:   &grip.HTTPStream{Action: grip.ActionHint},
		HTTPResponse: &grip.HTTPResponse{Action: grip.ActionHint}}
}
