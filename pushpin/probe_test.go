package pushpin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

func TestExaminingPushpinDisturbsNobody(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdReliably)
	v := view(t, o.URL()+"/c")
	o.wantAsk("/next/c", 1) // of the first subscriber
	before := len(o.asks())
	proxy := parseProxy(t, o.GripURL())
	e, err := pushpin.Examine(t.Context(), proxy, "griphub-doctor")
	if err != nil {
		t.Fatal(err)
	}
	if !e.Pushpin || !e.Recovers || e.Dated {
		t.Errorf("found %+v", e)
	}
	c := startClient(t, pushpin.Options{}, proxy)
	c.Send(run("c", 1, 1))
	v.want("c 1")
	if n := len(o.asks()); n != before {
		t.Errorf("the viewer had to ask %d times", n-before)
	}
}

func TestPostIsOneRequest(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, holdReliably)
	v := view(t, o.URL()+"/c")
	var items []grip.Item
	for i := 1; i <= 80; i++ {
		items = append(items, grip.Item{
			Channel: "c", ID: fmt.Sprint(i), PrevID: fmt.Sprint(i - 1),
			HTTPStream: &grip.HTTPStream{Content: fmt.Appendf(nil, "c %d\n", i)},
		})
	}
	if err := pushpin.Post(t.Context(), parseProxy(t, o.GripURL()), items); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 80; i++ {
		v.want(fmt.Sprintf("c %d", i))
	}
}

func TestExaminingTellsWhatIsNoPushpinAndWhy(t *testing.T) {
	t.Parallel()
	answering := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			if r.Method != http.MethodPost {
				http.NotFound(w, r)
				return
			}
			w.WriteHeader(status)
		}
	}
	someError := errors.New("any")
	for name, scene := range map[string]struct {
		handler http.Handler
		want    error
	}{
		"like Fastly":        {answering(http.StatusOK), nil},
		"a key it refuses":   {answering(http.StatusUnauthorized), pushpin.ErrKeyRefused},
		"a forbidden key":    {answering(http.StatusForbidden), pushpin.ErrKeyRefused},
		"another program":    {answering(http.StatusNotFound), pushpin.ErrNoControlPort},
		"a page":             {answering(http.StatusMethodNotAllowed), pushpin.ErrNoControlPort},
		"a redirect":         {http.RedirectHandler("/elsewhere", http.StatusFound), pushpin.ErrNoControlPort},
		"a proxy in trouble": {answering(http.StatusInternalServerError), someError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(scene.handler)
			defer s.Close()
			e, err := pushpin.Examine(t.Context(), parseProxy(t, s.URL+"/service/x?key=hunter2&iss=me"), "griphub-doctor")
			switch {
			case scene.want == nil && err != nil, scene.want != nil && err == nil,
				scene.want != nil && !errors.Is(scene.want, someError) && !errors.Is(err, scene.want):
				t.Errorf("error is %v, want %v", err, scene.want)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("%v shows the key", err)
			}
			if e.Pushpin || e.Recovers {
				t.Errorf("found %+v", e)
			}
			if name == "like Fastly" && (!e.Dated || (e.Ahead-time.Hour).Abs() > time.Minute) {
				t.Errorf("its clock is ahead by %v, want an hour", e.Ahead)
			}
		})
	}
}

func TestExaminingNobodySaysSo(t *testing.T) {
	t.Parallel()
	_, err := pushpin.Examine(t.Context(), parseProxy(t, "http://127.0.0.1:1?key=hunter2&iss=me"), "griphub-doctor")
	if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error is %v", err)
	}
}
