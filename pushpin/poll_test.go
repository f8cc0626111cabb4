package pushpin_test

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/griphub/griphub/grip"
)

// Pushpin 1.36 cuts off one long-poll in thirty when it repeats the request ("received message out of sequence, canceling").
// Clients ask again; so do these.

// get makes one request.
func get(url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// poll makes requests until one is answered or the test ends.
func poll(t *testing.T, url string) string {
	for {
		if body, err := get(url); err == nil || t.Context().Err() != nil {
			return body
		}
	}
}

// afterHint returns what Grip-Last tells when a hint has a long-poll repeated that holds the channels.
func afterHint(t *testing.T, held string, hint grip.Item) string {
	t.Helper()
	for range 10 {
		if last, ok := repeated(t, held, hint); ok {
			return last
		}
	}
	t.Fatal("every long-poll is cut off")
	return ""
}

// repeated is one try; it tells whether the long-poll came through.
func repeated(t *testing.T, held string, hint grip.Item) (string, bool) {
	t.Helper()
	var hinted atomic.Bool
	o := startOrigin(t, func(w http.ResponseWriter, _ ask) {
		if hinted.Load() {
			fmt.Fprint(w, "news")
			return
		}
		set(w, "Grip-Hold", "response", "Grip-Channel", held)
	})
	defer o.Stop()
	cut := make(chan error, 1)
	go func() {
		body, err := get(o.URL() + "/poll?cursor=5")
		if err == nil && body != "news" {
			t.Errorf("body %q", body)
		}
		cut <- err
	}()
	if !o.settles(cut) {
		return "", false
	}
	hinted.Store(true)
	o.post(hint)
	if err := <-cut; err != nil {
		t.Log(err)
		return "", false
	}
	asks := o.asks()
	return asks[len(asks)-1].last, true
}
