package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/webhook"
)

// hookAt asks an endpoint that answers with the status and the text.
func hookAt(t testing.TB, answer http.HandlerFunc) (*webhook.Hook, *lockedBuffer) {
	t.Helper()
	return hookWithin(t, patience, answer)
}

// hookWithin waits only so long.
func hookWithin(t testing.TB, timeout time.Duration, answer http.HandlerFunc) (*webhook.Hook, *lockedBuffer) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	logged := &lockedBuffer{}
	h, err := webhook.NewHook(webhook.HookOptions{
		Name: "on_receive", Endpoint: webhook.Endpoint{URL: server.URL + "/LEAKpath", Secret: secret, Timeout: timeout},
		Logger: slog.New(slog.NewTextHandler(logged, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, logged
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func drafts(n int) []*channels.Draft {
	all := make([]*channels.Draft, n)
	for i := range all {
		all[i] = &channels.Draft{
			Channels: []channels.Channel{"a"}, Type: "t", Data: fmt.Append(nil, i), Private: []byte(`{"k":1}`), Key: "key", SkipUsers: []string{"7"},
			Scope: channels.ScopeChannel,
		}
	}
	return all
}

func TestAHookIsAskedInOneSignedRequestAndItsWordsAreHeeded(t *testing.T) {
	h, _ := hookAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := secret.Verify(r.Header, body, time.Now()); err != nil {
			t.Error(err)
		}
		var asked struct {
			Hook   string
			Events []struct {
				channels.BackendEvent
				Key string
			}
		}
		if err := json.Unmarshal(body, &asked); err != nil || asked.Hook != "on_receive" || len(asked.Events) != 6 || asked.Events[1].Key != "key" ||
			string(asked.Events[1].Data) != "1" || string(asked.Events[1].Private) != `{"k":1}` || asked.Events[1].ID != "" {
			t.Errorf("asked was %s (%v)", body, err)
		}
		_, _ = io.WriteString(w, `{"events":[{},{"drop":true},{"refuse":"no"},
			{"channels":["b"],"event":"","data":{"n":1},"private_data":null,"skip_users":[]},
			{"raw":true,"data":"<b>"}, {"data":null}]}`)
	})
	d := drafts(6)
	answers, err := h.Ask(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	var refused *channels.RefusedError
	if answers[0] != nil || !errors.Is(answers[1], channels.ErrDrop) || !errors.As(answers[2], &refused) || refused.Reason != "no" || answers[3] != nil {
		t.Errorf("the answers are %v", answers)
	}
	if string(d[0].Data) != "0" || d[0].Private == nil || len(d[0].SkipUsers) != 1 {
		t.Errorf("the first is %+v", d[0])
	}
	if x := d[3]; x.Channels[0] != "b" || x.Type != "" || string(x.Data) != `{"n":1}` || x.Private != nil || len(x.SkipUsers) != 0 {
		t.Errorf("the changed one is %+v", x)
	}
	if x := d[4]; !x.Raw || string(x.Data) != "<b>" {
		t.Errorf("the raw one is %+v", x)
	}
	if string(d[5].Data) != "null" {
		t.Errorf("the last is %+v", d[5])
	}
}

func TestNoContentLetsEverythingGoOn(t *testing.T) {
	h, _ := hookAt(t, says(204, ""))
	if answers, err := h.Ask(t.Context(), drafts(3)); err != nil || len(answers) != 3 || answers[0] != nil {
		t.Errorf("got %v, %v", answers, err)
	}
}

func TestNonsenseIsAFailureOfTheHook(t *testing.T) {
	var visited atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for what, answer := range map[string]http.HandlerFunc{
		"500": says(500, `{"events":[{}]}`),
		"404": says(404, ""),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"nothing":           says(200, ""),
		"HTML":              says(200, "<html>"),
		"null":              says(200, "null"),
		"too few":           says(200, `{"events":[]}`),
		"too many":          says(200, `{"events":[{},{}]}`),
		"no list":           says(200, `{"events":{}}`),
		"an unknown word":   says(200, `{"events":[{"dorp":true}]}`),
		"another type":      says(200, `{"events":[{"drop":"yes"}]}`),
		"two words":         says(200, `{"events":[{"drop":true,"refuse":"x"}]}`),
		"drop and change":   says(200, `{"events":[{"drop":true,"event":"x"}]}`),
		"raw and no string": says(200, `{"events":[{"raw":true,"data":{}}]}`),
		"raw and null":      says(200, `{"events":[{"raw":true,"data":null}]}`),
		"raw alone":         says(200, `{"events":[{"raw":true}]}`),
		"more behind":       says(200, `{"events":[{}]} x`),
		"cut off":           says(200, `{"events":[{}`),
		"a hang": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // before that, a server does not notice that the client has gone
			<-r.Context().Done()
		},
		"a broken answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		},
		"an endless answer": func(w http.ResponseWriter, _ *http.Request) {
			for range 40 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			timeout := patience
			if what == "a hang" {
				timeout = 100 * time.Millisecond
			}
			h, logged := hookWithin(t, timeout, answer)
			if answers, err := h.Ask(t.Context(), drafts(1)); err == nil {
				t.Errorf("it is taken: %v", answers)
			}
			if text := logged.String(); !strings.Contains(text, "a hook has failed") || strings.Contains(text, "LEAK") {
				t.Errorf("the log has %s", text)
			}
		})
	}
	if visited.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestManyEventsTakeSeveralRequests(t *testing.T) {
	var sizes []int // one request at a time
	h, _ := hookAt(t, func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Events []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(asked.Events))
		words := strings.Repeat(`{},`, len(asked.Events)-1) + `{"drop":true}`
		_, _ = io.WriteString(w, `{"events":[`+words+`]}`)
	})
	all := drafts(1100)
	all[3].Data = []byte(`"` + strings.Repeat("x", 3<<20) + `"`)
	all[4].Data = all[3].Data
	answers, err := h.Ask(t.Context(), all)
	if err != nil || len(answers) != 1100 || fmt.Sprint(sizes) != "[4 500 500 96]" {
		t.Fatalf("got %d answers to requests of %v events (%v)", len(answers), sizes, err)
	}
	if answers[3] == nil || answers[1099] == nil || answers[1098] != nil {
		t.Error("the answers are in other places")
	}
}

func TestAnUnreachableHookFails(t *testing.T) {
	h, err := webhook.NewHook(webhook.HookOptions{
		Name: "x", Endpoint: webhook.Endpoint{URL: "http://127.0.0.1:1", Timeout: time.Second}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ask(t.Context(), drafts(1)); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Ask(ctx, drafts(1)); err == nil {
		t.Error("no error with a context that has ended")
	}
}

// FuzzAnswer has an endpoint answer anything: the hook fails, or every draft has an answer and is whole.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		`{"events":[{},{}]}`, `{"events":[{"drop":true},{"refuse":""}]}`, `{"events":[{"data":null},{"raw":true,"data":"x"}]}`,
		`{"events":[null,null]}`, `{"events":[{"channels":[]},{"skip_users":[""]}]}`, `[]`, `{"events":[{"private_data":1,"event":"\u0000"},{}]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := drafts(2)
		answers, err := webhook.ReadAnswers([]byte(text), d)
		if err == nil && len(answers) != 2 {
			t.Errorf("%d answers", len(answers))
		}
		for _, draft := range d {
			_ = draft.Validate() // must not panic
		}
	})
}
