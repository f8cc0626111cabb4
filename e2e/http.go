package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// An Answer is an HTTP answer with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// A StatusError is an answer that is not the one that was wanted.
type StatusError struct {
	Status int
	Body   string
}

// Error tells status and body.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %.300s", e.Status, e.Body) }

// Request makes a request and reads the whole answer, without following redirects. header may be nil.
func Request(t testing.TB, method, url, body string, header http.Header) Answer {
	t.Helper()
	answer, err := request(method, url, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer
}

// Get reads the URL.
func Get(t testing.TB, url string) Answer {
	t.Helper()
	return Request(t, http.MethodGet, url, "", nil)
}

func request(method, url, body string, header http.Header) (Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	return Answer{resp.StatusCode, resp.Header, string(text)}, nil
}
