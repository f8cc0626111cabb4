package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// publishKey is the API key of publishers.
const publishKey = "a-key-for-publishers-of-chaos"

// A publisher publishes over HTTP with idempotency keys, each request again until it is answered by 200.
type publisher struct {
	id      string
	targets []string // addresses of POST /api/publish; another one is tried after a failure
	pace    time.Duration
	rng     *rand.Rand
	book    *book
	turn    int
}

// run publishes until stop is closed and the request at hand is answered, or ctx ends.
func (p *publisher) run(ctx context.Context, stop <-chan struct{}) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for n := 1; ; {
		batch := make([]*message, 1+p.rng.IntN(3))
		drafts := make([]string, len(batch))
		for i := range batch {
			batch[i], drafts[i] = p.draft(n)
			n++
		}
		p.post(ctx, client, "["+strings.Join(drafts, ",")+"]", batch)
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(between(p.rng, p.pace/2, p.pace*3/2)):
		}
	}
}

// draft makes one event: for a channel, for two, for a device's viewers, or for the channel that is trimmed.
func (p *publisher) draft(n int) (*message, string) {
	m := &message{key: fmt.Sprintf("%s-%d", p.id, n), source: p.id, number: n, named: true}
	var address string
	switch p.rng.IntN(5) {
	case 0, 1:
		m.channels = []string{"room-0"}
		address = `"channel":"room-0"`
	case 2:
		m.channels = []string{"room-0", "room-1"}
		address = `"channels":["room-0","room-1"]`
	case 3:
		m.channels = []string{"iot_alpha", "iot_alpha_" + p.id}
		address = fmt.Sprintf(`"device":"alpha/%s"`, p.id)
	default:
		m.channels = []string{trimmedChannel}
		address = fmt.Sprintf(`"channel":%q`, trimmedChannel)
	}
	p.book.write(m)
	return m, fmt.Sprintf(`{%s,"event":"data","id":%q,"data":{"key":%q,"n":%d,"text":"100 %%%s"}}`, address, m.key, m.key, n, padding(p.rng))
}

// padding makes one message in twenty so big that few fit into a reply.
func padding(rng *rand.Rand) string {
	const some, most = 1 << 10, 24 << 10
	if rng.IntN(20) > 0 {
		return ""
	}
	return strings.Repeat("x", some+rng.IntN(most-some))
}

// post returns when the request was answered by 200, or ctx has ended.
func (p *publisher) post(ctx context.Context, client *http.Client, body string, batch []*message) {
	for ctx.Err() == nil {
		for _, m := range batch {
			p.book.attempt(m)
		}
		status, text, err := p.try(ctx, client, body)
		if err == nil && status == http.StatusOK {
			for _, m := range batch {
				p.book.acknowledge(m)
			}
			return
		}
		if err == nil && status < 500 {
			p.book.problem(fmt.Sprintf("publishing is answered by %d: %.300s", status, text))
		}
		p.turn++
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *publisher) try(ctx context.Context, client *http.Client, body string) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.targets[p.turn%len(p.targets)], strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+publishKey)
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	// Only a whole answer is an acknowledgement.
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// A cron publishes with the command griphub publish, again and again until it says that the event is stored.
type cron struct {
	id     string
	config string // file
	pace   time.Duration
	rng    *rand.Rand
	book   *book
}

// run publishes until stop is closed and the command at hand has succeeded, or ctx ends.
func (c *cron) run(ctx context.Context, stop <-chan struct{}) {
	for n := 1; ; n++ {
		m := &message{key: fmt.Sprintf("%s-%d", c.id, n), source: c.id, number: n, named: true, channels: []string{"room-1"}}
		c.book.write(m)
		for ctx.Err() == nil && !c.try(ctx, m) {
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(between(c.rng, c.pace/2, c.pace*3/2)):
		}
	}
}

func (c *cron) try(ctx context.Context, m *message) (stored bool) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c.book.attempt(m)
	made := griphub("publish", "--config", c.config, "--event", "data", "--id", m.key, "room-1", fmt.Sprintf(`{"key":%q}`, m.key))
	cmd := exec.CommandContext(ctx, made.Path, made.Args[1:]...)
	cmd.Env, cmd.Dir = made.Env, filepath.Dir(c.config)
	_ = cmd.Run() // how it ended is in its exit code
	switch cmd.ProcessState.ExitCode() {
	case 0, 3: // stored and sent, stored
		c.book.acknowledge(m)
		return true
	case 2:
		c.book.problem("griphub publish does not understand its arguments")
	}
	return false
}
