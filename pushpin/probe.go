package pushpin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/griphub/griphub/grip"
)

// Why a control port does not take items. Test with errors.Is; any other error is the network's, or the proxy is in trouble.
var (
	// ErrKeyRefused tells that the proxy does not accept the key of its GRIP URL.
	ErrKeyRefused = errors.New("the proxy does not accept the key")
	// ErrNoControlPort tells that something else than a control port answers there.
	ErrNoControlPort = errors.New("this is no control port")
)

// An Examination is what a control port says of itself.
type Examination struct {
	// Pushpin tells that it calls itself "Pushpin API".
	Pushpin bool
	// Recovers tells that it offers POST /recover, by which viewers are made to ask for what they missed.
	Recovers bool
	// Hints tells that it takes items that make viewers ask, as every Pushpin does.
	Hints bool
	// Dated tells that it says what time it is, and Ahead how far its clock is ahead of this machine's, to the second.
	Dated bool
	Ahead time.Duration
}

// examineTimeout bounds each request of Examine.
const examineTimeout = 5 * time.Second

// Examine asks a proxy's control port what it is, and whether it takes an item, which goes to the channel that nobody but the
// caller may be subscribed to. Who holds connections there does not notice. The error tells why no item was taken.
func Examine(ctx context.Context, proxy grip.Proxy, channel string) (Examination, error) {
	p := newPort(proxy, nil, examineTimeout)
	defer p.close()
	var e Examination
	answer, err := p.get(ctx, proxy.ControlURI)
	if err != nil {
		return e, err
	}
	e.Pushpin = strings.HasPrefix(answer.body, "Pushpin API")
	if date, err := http.ParseTime(answer.date); err == nil {
		e.Dated, e.Ahead = true, time.Until(date).Round(time.Second)
	}
	if answer, err = p.get(ctx, proxy.RecoverURL()); err != nil {
		return e, err
	}
	// Only a POST would make viewers ask. Any other method is refused where there is something to refuse.
	e.Recovers = answer.status == http.StatusMethodNotAllowed
	item := grip.Item{
		Channel:      channel,
		HTTPStream:   &grip.HTTPStream{Content: []byte(":\n\n")},
		HTTPResponse: &grip.HTTPResponse{Action: grip.ActionHint},
	}
	err = p.postItems(ctx, []grip.Item{item})
	e.Hints = err == nil
	if judge(err) == bad {
		err = p.postItems(ctx, []grip.Item{bareItem(item)})
	}
	return e, err
}

// Post publishes items in one request, whatever their number, as content alone where the proxy takes nothing else, and tells in the
// words of Examine why they were not taken.
func Post(ctx context.Context, proxy grip.Proxy, items []grip.Item) error {
	p := newPort(proxy, nil, examineTimeout)
	defer p.close()
	err := p.postItems(ctx, items)
	if judge(err) == bad {
		content := make([]grip.Item, len(items))
		for i := range items {
			content[i] = bareItem(items[i])
		}
		err = p.postItems(ctx, content)
	}
	return err
}

func (p port) postItems(ctx context.Context, items []grip.Item) error {
	body, err := grip.AppendItems(nil, items)
	if err != nil {
		return err
	}
	err = p.publish(ctx, body)
	var status *statusError
	switch {
	case !errors.As(err, &status):
		return err
	case status.code == http.StatusUnauthorized || status.code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrKeyRefused, err)
	case status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed || status.code/100 == 3:
		return fmt.Errorf("%w: %w", ErrNoControlPort, err)
	}
	return err
}

// An answer is the part of a control port's answer that tells what it is.
type answer struct {
	status     int
	date, body string
}

func (p port) get(ctx context.Context, address string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return answer{}, plain(err)
	}
	defer resp.Body.Close()
	const enough = 200
	body, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return answer{}, plain(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Date"), string(body)}, nil
}
