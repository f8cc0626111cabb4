package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// answers serves one answer after the other, and keeps the Last-Event-ID of each request.
type answers struct {
	mu      sync.Mutex
	list    []http.HandlerFunc
	lastIDs []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	n := min(len(a.lastIDs), len(a.list)-1)
	a.lastIDs = append(a.lastIDs, r.Header.Get("Last-Event-ID"))
	a.mu.Unlock()
	a.list[n](w, r)
}

func stream(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, text)
	}
}

func status(code int, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
	}
}

func TestAnEventSourceConnectsAgainWhereItStood(t *testing.T) {
	broken := func(w http.ResponseWriter, r *http.Request) {
		stream("id: 2\ndata: b\n\nid: 3\ndata: not whole")(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	a := &answers{list: []http.HandlerFunc{
		stream("retry: 1\nid: 1\ndata: a\n\n"), broken, stream("id: 4\n\n"), stream("data: an id is needed in each connection\n\n"), status(204, "text/event-stream"),
	}}
	server := httptest.NewServer(a)
	defer server.Close()
	s := Watch(t, server.URL, EventSourceOptions{})
	if err := s.AwaitEnd(t); !strings.Contains(fmt.Sprint(err), "204") {
		t.Errorf("it ended with %v", err)
	}
	var seen []string
	for _, e := range s.Events() {
		seen = append(seen, e.Data)
	}
	if want := "[a b an id is needed in each connection]"; fmt.Sprint(seen) != want {
		t.Errorf("it saw %v, want %v", seen, want)
	}
	if want := `["" "1" "2" "4" ""]`; fmt.Sprintf("%q", a.lastIDs) != want {
		t.Errorf("it asked with the ids %q, want %s", a.lastIDs, want)
	}
	if s.Opens() != 4 {
		t.Errorf("it was opened %d times", s.Opens())
	}
}

func TestAnEventSourceGivesUpAtOtherAnswers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"an error": status(500, "text/event-stream"), "no stream": status(200, "text/html"), "no type": status(200, ""),
		"another type that begins alike": status(200, "text/event-stream-x"),
	} {
		t.Run(name, func(t *testing.T) {
			a := &answers{list: []http.HandlerFunc{answer}}
			server := httptest.NewServer(a)
			defer server.Close()
			if err := Watch(t, server.URL, EventSourceOptions{}).AwaitEnd(t); err == nil || len(a.lastIDs) != 1 {
				t.Errorf("it asked %d times and ended with %v", len(a.lastIDs), err)
			}
		})
	}
}

func TestAStubbornEventSourceDoesNot(t *testing.T) {
	a := &answers{list: []http.HandlerFunc{status(500, "text/plain"), status(200, "text/html"), stream("data: at last\n\n")}}
	server := httptest.NewServer(a)
	defer server.Close()
	s := Watch(t, server.URL, EventSourceOptions{Stubborn: true})
	if e := s.Expect(t, "message"); e.Data != "at last" {
		t.Errorf("it saw %q", e.Data)
	}
	s.Close()
}
