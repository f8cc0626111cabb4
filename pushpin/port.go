package pushpin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/griphub/griphub/grip"
)

// A port is the control port of a proxy.
type port struct {
	proxy   grip.Proxy
	http    *http.Client
	timeout time.Duration
	close   func() // lets go of idle connections
}

// newPort makes a port that uses the client, or one of its own for nil.
func newPort(proxy grip.Proxy, client *http.Client, timeout time.Duration) port {
	release := func() {}
	if client == nil {
		// A sender makes one request at a time. Pushpin closes the connection after each; others do not.
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 1
		transport.IdleConnTimeout = 30 * time.Second
		client, release = &http.Client{Transport: transport}, transport.CloseIdleConnections
	}
	own := *client
	// A POST that follows a redirect becomes a GET, which looks like success and publishes nothing.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return port{proxy, &own, timeout, release}
}

// A statusError is an answer other than 2xx.
type statusError struct {
	code   int
	reason string // the beginning of the body
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	switch {
	case e.code == http.StatusUnauthorized || e.code == http.StatusForbidden:
		text += ": the proxy does not accept the key of its GRIP URL"
	case e.code == http.StatusNotFound || e.code == http.StatusMethodNotAllowed || e.code/100 == 3:
		text += ": the GRIP URL does not name a control port"
	}
	if e.reason != "" {
		text += " (" + e.reason + ")"
	}
	return text
}

// publish posts a body of items.
func (p port) publish(ctx context.Context, body []byte) error {
	return p.post(ctx, p.proxy.PublishURL(), body)
}

// recover makes the proxy forget its positions and have every holder ask again. Fastly has no such thing.
func (p port) recover(ctx context.Context) error {
	return p.post(ctx, p.proxy.RecoverURL(), nil)
}

func (p port) post(ctx context.Context, address string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	// A reader of known length, also of none, makes the Content-Length that Pushpin insists on.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	authorization, err := p.proxy.Authorization(time.Now())
	if err != nil {
		return err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	const reasonBytes, mostBytes = 200, 64 << 10
	reason, err := io.ReadAll(io.LimitReader(resp.Body, reasonBytes))
	if err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, mostBytes)
	}
	if resp.StatusCode/100 == 2 {
		// It was taken, whatever becomes of the rest of the answer.
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		reason = nil
	}
	return &statusError{resp.StatusCode, strings.TrimSpace(strings.ToValidUTF8(string(reason), ""))}
}

// plain takes the request's URL out of an error: it may have secrets in it.
func plain(err error) error {
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		return inURL.Err
	}
	return err
}

// tooLarge tells whether the request had more bytes than the proxy takes.
func tooLarge(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusRequestEntityTooLarge
}

// A verdict is what an answer means for the items that were posted.
type verdict int

const (
	taken  verdict = iota
	bad            // one of the items is refused for ever, and with it all
	later          // it may work in a moment
	misled         // it will not work before someone changes a configuration
	nobody         // there is no proxy now, and so no viewers
)

func judge(err error) verdict {
	var status *statusError
	switch {
	case err == nil:
		return taken
	case errors.Is(err, syscall.ECONNREFUSED):
		return nobody
	case !errors.As(err, &status):
		return later
	case status.code == http.StatusBadRequest || status.code == http.StatusRequestEntityTooLarge:
		return bad
	case status.code >= 500, status.code == http.StatusTooManyRequests, status.code == http.StatusRequestTimeout:
		return later
	}
	return misled
}
