package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"
)

// A Poller asks again and again, and keeps cookies as browsers do.
type Poller struct {
	client *http.Client
}

// A PollAnswer is what a poll came back with.
type PollAnswer struct {
	Events []json.RawMessage `json:"events"`
	Cursor string            `json:"cursor"`
	Reset  bool              `json:"reset"`
	// Took is how long the answer took.
	Took time.Duration `json:"-"`
	// Err is why there is no answer.
	Err error `json:"-"`
}

// NewPoller returns a Poller without cookies.
func NewPoller(t testing.TB) *Poller {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Poller{client: &http.Client{Jar: jar, Timeout: 2 * Patience, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// By makes the Poller's requests go by another transport, such as one that trusts a test's certificate.
func (p *Poller) By(transport http.RoundTripper) *Poller {
	p.client.Transport = transport
	return p
}

// Poll asks once, again where the connection is cut off, and fails the test unless the answer is 200 and of a poll's shape.
func (p *Poller) Poll(t testing.TB, url string) PollAnswer {
	t.Helper()
	answer := <-p.Start(t, url)
	if answer.Err != nil {
		t.Fatalf("poll %s: %v", url, answer.Err)
	}
	return answer
}

// cutOff is how often in a row a poll may be cut off. Pushpin 1.36 does it to one in thirty that it repeats.
const cutOff = 3

// Start is Poll that returns at once; the answer comes over the channel.
func (p *Poller) Start(t testing.TB, url string) <-chan PollAnswer {
	t.Helper()
	answers := make(chan PollAnswer, 1)
	go func() {
		start := time.Now()
		answer := p.poll(url)
		for range cutOff {
			if !errors.Is(answer.Err, io.EOF) {
				break
			}
			answer = p.poll(url)
		}
		answer.Took = time.Since(start)
		answers <- answer
	}()
	return answers
}

func (p *Poller) poll(url string) (answer PollAnswer) {
	resp, err := p.client.Get(url)
	if err != nil {
		return PollAnswer{Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return PollAnswer{Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return PollAnswer{Err: &StatusError{resp.StatusCode, string(body)}}
	}
	if answer.Err = json.Unmarshal(body, &answer); answer.Err == nil && answer.Events == nil {
		answer.Err = &StatusError{resp.StatusCode, string(body)}
	}
	return answer
}
