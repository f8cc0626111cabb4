package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// An upstream is a service of somebody else's that decisions about visitors depend on. It may be slow, down or wrong.
type upstream struct {
	url    string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	// name is what the log calls it.
	name string

	mu   sync.Mutex
	down bool
	told time.Time
}

// outagePause is the shortest time between two lines of the log about failures: an upstream that fails every other
// question must not fill it.
const outagePause = 10 * time.Second

// maxUpstreamConns bounds the questions under way, so that a storm of strangers is not passed on.
const maxUpstreamConns = 64

// newUpstream returns the upstream at the address, an http or https URL. Its errors do not repeat the address, which
// may hold a password. Redirects are not followed: where credentials go and keys come from is for the configuration
// to say.
func newUpstream(name, address string, timeout time.Duration, log *slog.Logger, now func() time.Time) (*upstream, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: want an http or https URL", name)
	}
	return &upstream{
		url: address, name: name, log: log, now: now,
		client: &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				MaxConnsPerHost:        maxUpstreamConns,
				MaxIdleConnsPerHost:    4,
				IdleConnTimeout:        time.Minute,
				MaxResponseHeaderBytes: 64 << 10,
				ForceAttemptHTTP2:      true,
			},
		},
	}, nil
}

// get sends a GET request with the header. The caller closes the answer's body. It does not end with the request of
// the visitor who was first to need it, since others wait for it too: the client's timeout bounds it.
func (u *upstream) get(ctx context.Context, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, u.url, nil)
	if err != nil {
		return nil, errors.New("the address is not valid")
	}
	r.Header = header
	resp, err := u.client.Do(r)
	if err != nil {
		return nil, withoutSecrets(err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close() // nothing of it is used
		return nil, fmt.Errorf("status %d: redirects are not followed", resp.StatusCode)
	}
	return resp, nil
}

// withoutSecrets keeps of a client's error what is surely the network's: the rest may quote the address or the answer.
func withoutSecrets(err error) error {
	var network *net.OpError
	var lookup *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var failed *url.Error
	switch {
	case errors.As(err, &failed) && failed.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &lookup):
		return lookup
	case errors.As(err, &untrusted):
		return untrusted
	case errors.As(err, &network):
		return network
	}
	return errors.New("the answer is not HTTP, or was cut off")
}

// report tells the log when the upstream begins to fail, and when it works again. ctx is of the request that has found out.
func (u *upstream) report(ctx context.Context, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil && u.down:
		u.down = false
		u.log.InfoContext(ctx, u.name+" works again")
	case err != nil && !u.down && u.now().Sub(u.told) >= outagePause:
		u.down, u.told = true, u.now()
		u.log.WarnContext(ctx, u.name+" fails", "error", err)
	}
}
