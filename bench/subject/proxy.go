package subject

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/griphub/griphub/pushpin"
)

// A proxy is a Pushpin in front of a backend, with the settings that griphub ships.
type proxy struct {
	*pushpin.Server
	key []byte
}

// startProxy starts a Pushpin. It works when the backend does, too: see Ready.
func startProxy(ctx context.Context, site Site, backend string, parts *stack) (*proxy, error) {
	addresses, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	control, err := strconv.Atoi(portOf(addresses[1]))
	if err != nil {
		return nil, err
	}
	p := &proxy{key: []byte(rand.Text())}
	p.Server, err = pushpin.NewServer(pushpin.Config{
		Dir: proxyDir(site), Listen: addresses[0], ControlPort: control, Backend: backend, SigKey: p.key,
	}, site.Log)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	parts.push(func() error {
		cancel()
		return <-ended
	})
	return p, nil
}

// ready waits until streams can be held.
func (p *proxy) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	return p.Ready(ctx)
}

// statsURL is the socket on which Pushpin tells of its viewers.
func (p *proxy) statsURL(site Site) (string, error) { return pushpin.StatsURL(proxyDir(site)) }

func proxyDir(site Site) string { return filepath.Join(site.Dir, "proxy") }

// gripURL is the GRIP_URL for the proxy's backend.
func (p *proxy) gripURL() string {
	query := url.Values{"iss": {pushpin.SigIssuer}, "key": {"base64:" + base64.StdEncoding.EncodeToString(p.key)}}
	return p.ControlURL() + "?" + query.Encode()
}
