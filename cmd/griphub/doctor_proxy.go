package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// examineProxies examines each proxy: its control port, its configuration where it is on this machine, and the way of a
// viewer through it.
func (d *doctor) examineProxies(ctx context.Context, r *report) {
	b := d.findBackend(ctx, r)
	defer b.close()
	for i, p := range d.proxies {
		c := &proxyCheck{
			doctor: d, report: r, backend: b, proxy: p, index: i, name: "proxy " + hostOf(p),
		}
		c.examine(ctx)
	}
	if len(d.viewerURLs) > len(d.proxies) {
		r.warn("proxy", fmt.Sprintf("--proxy-url is given %d times for %d of grip.urls", len(d.viewerURLs), len(d.proxies)), "give it once for each proxy")
	}
}

// A proxyCheck is the examination of one proxy.
type proxyCheck struct {
	*doctor
	*report
	backend *backend
	proxy   grip.Proxy
	index   int // in grip.urls
	name    string
	// settings are those of the Pushpin on this machine, nil where they cannot be seen.
	settings *pushpinSettings
}

func (c *proxyCheck) examine(ctx context.Context) {
	if !c.controlPort(ctx) {
		return
	}
	c.viewers(ctx)
}

// url is how the report calls the proxy's entry in the configuration.
func (c *proxyCheck) key() string { return fmt.Sprintf("grip.urls[%d]", c.index) }

// controlPort tells whether the proxy takes items.
func (c *proxyCheck) controlPort(ctx context.Context) bool {
	check := c.name + " control port"
	e, err := pushpin.Examine(ctx, c.proxy, c.cfg.Grip.Prefix+"griphub-doctor")
	switch {
	case errors.Is(err, pushpin.ErrKeyRefused):
		c.fail(check, err.Error(), "set iss and key of "+c.key()+" to what the proxy accepts; for Fastly, key is an API token of the service")
	case errors.Is(err, pushpin.ErrNoControlPort):
		c.fail(check, err.Error(), "let "+c.key()+" name the HTTP control port, for Pushpin push_in_http_port (5561), not the port for browsers")
	case err != nil:
		c.fail(check, err.Error(), "start the proxy, or correct "+c.key()+"; Pushpin listens there when pushpin.conf has push_in_http_port and a push_in_http_addr that this machine reaches")
	case e.Pushpin && e.Recovers:
		c.ok(check, "Pushpin, takes events, and can make viewers ask for what they missed")
	case e.Pushpin:
		c.warn(check, "Pushpin takes events, and cannot make viewers ask for what they missed (POST /recover)", "install Pushpin 1.36 or later")
	case isFastly(c.proxy):
		c.ok(check, "Fastly Fanout takes events")
	default:
		c.ok(check, "takes events, and is neither Pushpin nor Fastly")
	}
	if e.Dated {
		c.clock("the clock of "+hostOf(c.proxy), e.Ahead)
	}
	if e.Pushpin {
		c.configuration(ctx)
	}
	return err == nil
}

func isFastly(p grip.Proxy) bool { return hostname(p) == "api.fastly.com" }
