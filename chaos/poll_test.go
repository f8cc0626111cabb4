package chaos

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"time"

	"github.com/griphub/griphub/e2e"
)

// A poller asks again and again.
type poller struct {
	*watcher
	url    func(string) string
	client *http.Client
	wait   int  // seconds; 0 asks without waiting
	cookie bool // its place is in a cookie and not in the address
}

// openPoller polls the path, which has one channel. Its place is in the address, or with cookie in a cookie. It begins at
// from, nil for with the newest events.
func openPoller(url func(string) string, path, channel string, wait int, cookie bool, from map[string]int64) *poller {
	kind := "poll"
	switch {
	case cookie:
		kind = "poll by cookie"
	case wait > 0:
		kind = "long poll"
	}
	p := &poller{
		watcher: newWatcher(kind, path, []string{channel}), url: url, wait: wait, cookie: cookie,
		client: &http.Client{
			Timeout:   time.Duration(wait)*time.Second + 8*time.Second,
			Transport: &http.Transport{DisableKeepAlives: true},
		},
	}
	p.seen.open(from)
	if cookie {
		p.client.Jar, _ = cookiejar.New(nil) // it never fails
	}
	p.start(300*time.Millisecond, p.poll)
	return p
}

func (p *poller) poll(ctx context.Context) {
	query := url.Values{}
	if p.wait > 0 {
		query.Set("wait", strconv.Itoa(p.wait))
	}
	if cursor := p.seen.cursor(); cursor != "" && !p.cookie {
		query.Set("cursor", cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(p.path)+"?"+query.Encode(), nil)
	if err != nil {
		panic(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	p.opened()
	var answer struct {
		Events []json.RawMessage
		Cursor string
		Reset  bool
	}
	// An answer that was cut off is none; the next one begins at the same place.
	if json.NewDecoder(resp.Body).Decode(&answer) != nil {
		if p.cookie {
			p.seen.forget() // the cookie came with the headers, and the next answer begins after this one
		}
		return
	}
	p.take(answer.Events, answer.Cursor, answer.Reset)
}

func (p *poller) take(events []json.RawMessage, text string, reset bool) {
	cursor, err := e2e.ParseCursor(text)
	if err != nil {
		p.seen.problem("a poll's cursor: %v", err)
		return
	}
	if reset {
		p.seen.reset(p.channels, cursor)
	}
	for _, event := range events {
		var f frame
		if err := json.Unmarshal(event, &f); err != nil && f.ID == "" {
			p.seen.problem("polled event %.200q: %v", event, err)
			continue
		}
		channel, seq, err := parsePlace(f.ID)
		if err != nil {
			p.seen.problem("polled event %.200q: %v", event, err)
			continue
		}
		if _, known := p.seen.place(channel); !known {
			p.seen.open(map[string]int64{channel: seq - 1})
		}
		p.seen.show(channel, seq, keyOf(string(event)))
	}
	p.seen.pong(cursor)
}
