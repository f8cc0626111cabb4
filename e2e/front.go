package e2e

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A Front is a site that has pages of its own and passes everything else on to a hub. It can break what it passes on.
type Front struct {
	server *httptest.Server

	mu      sync.Mutex
	hub     *Hub
	pages   map[string]string
	streams map[*openStream]struct{}
	asked   []*http.Request
	failing int
}

// An openStream is one that is held through a Front.
type openStream struct {
	io.ReadCloser
	front *Front
}

func (s *openStream) Close() error {
	s.front.mu.Lock()
	delete(s.front.streams, s)
	s.front.mu.Unlock()
	return s.ReadCloser.Close()
}

// NewFront starts a Front, which ends with the test.
func NewFront(t testing.TB) *Front {
	t.Helper()
	f := &Front{pages: make(map[string]string), streams: make(map[*openStream]struct{})}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			f.mu.Lock()
			defer f.mu.Unlock()
			r.SetURL(&url.URL{Scheme: "http", Host: f.hub.public})
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // streams are cut
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
				return nil
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			s := &openStream{r.Body, f}
			f.streams[s] = struct{}{}
			r.Body = s
			return nil
		},
		// A browser that goes away is no error.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Browsers ask for it on their own.
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		defer func() {
			// The proxy cuts the browser's connection like this where its own was cut.
			if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // it is that value itself
				panic(v)
			}
		}()
		if page, ok := f.page(r); ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, page)
			return
		}
		if f.refuses(r) {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.Cut()
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// URL is an address at the site. The path starts with "/".
func (f *Front) URL(path string) string { return f.server.URL + path }

// PassTo names the hub.
func (f *Front) PassTo(hub *Hub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hub = hub
}

// SetPage gives the site a page.
func (f *Front) SetPage(path, html string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[path] = html
}

func (f *Front) page(r *http.Request) (html string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	html, ok = f.pages[r.URL.Path]
	return html, ok
}

// refuses notes a request for a stream, and tells whether it fails.
func (f *Front) refuses(r *http.Request) bool {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Clone(r.Context()))
	if f.failing == 0 {
		return false
	}
	f.failing--
	return true
}

// Streams counts the streams that are open.
func (f *Front) Streams() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.streams)
}

// Asked returns the requests for streams so far.
func (f *Front) Asked() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[:len(f.asked):len(f.asked)]
}

// Cut breaks all open streams, as a network does that is lost.
func (f *Front) Cut() {
	f.mu.Lock()
	var all []*openStream
	for s := range f.streams {
		all = append(all, s)
	}
	f.mu.Unlock()
	for _, s := range all {
		_ = s.Close() // the viewer's connection is cut by that
	}
}

// Fail answers the next requests for streams, so many of them, with 502.
func (f *Front) Fail(requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = requests
}

// Assets is the directory into which scripts/install-assets puts browser code of others.
func Assets(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("GRIPHUB_ASSETS"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "griphub", "assets")
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("%v; run scripts/install-deps test", err)
	}
	return dir
}
