package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// Bounds of an exchange.
const (
	// maxHeader bounds an answer's header, in bytes.
	maxHeader = 64 << 10
	// maxText bounds an answer that nobody but the operator reads.
	maxText = 4 << 10
)

// An Endpoint is where requests go. It comes from the operator's configuration, and from nowhere else.
type Endpoint struct {
	// URL is http or https. A user and password in it are sent as Basic authentication.
	URL string
	// Secret signs requests; empty for unsigned ones.
	Secret Secret
	// Timeout bounds one request, from the connection to the end of the answer.
	Timeout time.Duration
	// DenyPrivate refuses to connect to addresses that are not of the public internet, whatever name led there. It also
	// ignores the environment's proxy, behind which nobody can tell.
	DenyPrivate bool
}

// A client posts to one endpoint. It follows no redirect, and reads no more of an answer than it was told to.
type client struct {
	endpoint Endpoint
	http     *http.Client
	now      func() time.Time
}

func newClient(e Endpoint, now func() time.Time) (*client, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The address is not repeated: it may hold a password.
		return nil, errors.New("webhook: want an http or https URL")
	}
	if e.Timeout <= 0 {
		return nil, errors.New("webhook: want a timeout")
	}
	// So that a receiver that is not there differs from one that does not answer.
	dialer := &net.Dialer{Timeout: e.Timeout / 2}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // a small answer must not become a large one
	}
	if e.DenyPrivate {
		transport.Proxy = nil
		dialer.Control = denyPrivate
	}
	return &client{endpoint: e, now: now, http: &http.Client{
		Transport: transport,
		Timeout:   e.Timeout,
		// A redirect would carry the request, signed, to wherever the receiver says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// denyPrivate looks at the address itself, which no name server can change any more.
func denyPrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); !ip.IsGlobalUnicast() || ip.IsPrivate() || sharedAddresses.Contains(ip) {
		return fmt.Errorf("%s is a private address, which hooks.deny_private forbids", ip)
	}
	return nil
}

// sharedAddresses are those of carriers' networks (RFC 6598), which netip does not count as private.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// An answer is what the endpoint said.
type answer struct {
	status int
	body   []byte
	// whole tells that body is all of it.
	whole bool
	// retryAfter is what the endpoint asks for, 0 for nothing.
	retryAfter time.Duration
}

// post sends the body once, and reads at most limit bytes of the answer. The error is that there was none; it does not hold
// the URL.
func (c *client) post(ctx context.Context, id string, body []byte, limit int64) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.URL, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "griphub")
	c.endpoint.Secret.setHeader(req.Header, id, c.now(), body)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", withoutURL(err))
	}
	a := answer{status: resp.StatusCode, body: text, whole: int64(len(text)) <= limit}
	if !a.whole {
		a.body = text[:limit]
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	return a, nil
}

// withoutURL leaves out the address that net/http puts in front: it may hold a token.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
